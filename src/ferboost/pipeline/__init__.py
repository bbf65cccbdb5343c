"""From a data set to a finished run: CNN, trees, evaluation, each kept as soon as it is done."""

from ferboost.pipeline.calibrating import calibrate_run, load_calibration
from ferboost.pipeline.evaluating import evaluate_run, load_results
from ferboost.pipeline.execution import branch_run, execute_run, resume_run, start_run
from ferboost.pipeline.explaining import (
    check_run_explanations,
    explain_run,
    load_explanation_check,
)
from ferboost.pipeline.robustness import load_robustness, measure_run_robustness

__all__ = [
    "branch_run",
    "calibrate_run",
    "check_run_explanations",
    "evaluate_run",
    "execute_run",
    "explain_run",
    "load_calibration",
    "load_explanation_check",
    "load_results",
    "load_robustness",
    "measure_run_robustness",
    "resume_run",
    "start_run",
]
