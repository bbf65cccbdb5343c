"""Facial emotion recognition with gradient boosted CNNs.

Every name below is loaded when it is first used, so that ``import ferboost`` is instant and needs
none of the packages that train.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ferboost.config import Settings
    from ferboost.datasets import FaceDataset, load_dataset
    from ferboost.datasets.synthetic import generate_faces
    from ferboost.emotions import EMOTIONS
    from ferboost.errors import (
        DataError,
        ExportError,
        FerboostError,
        ImageError,
        MissingExtraError,
        ModelError,
        RunError,
        SettingsError,
        StorageError,
    )
    from ferboost.estimators import BoostedCNNClassifier, CNNClassifier
    from ferboost.evaluation.conformal import fit_conformal
    from ferboost.evaluation.results import Results
    from ferboost.evaluation.scaling import fit_scaling
    from ferboost.evaluation.summary import summarize
    from ferboost.evaluation.trust import measure_trust
    from ferboost.export import export_run
    from ferboost.inference import (
        CenterFace,
        Detector,
        Face,
        Prediction,
        Predictions,
        Predictor,
    )
    from ferboost.pipeline import (
        branch_run,
        calibrate_run,
        check_run_explanations,
        evaluate_run,
        execute_run,
        explain_run,
        load_calibration,
        load_results,
        resume_run,
        start_run,
    )
    from ferboost.prediction import predict_files
    from ferboost.progress import Monitor
    from ferboost.report import write_report
    from ferboost.runs import Run
    from ferboost.settings import load_settings

    __version__: str

__all__ = [
    "EMOTIONS",
    "BoostedCNNClassifier",
    "CNNClassifier",
    "CenterFace",
    "DataError",
    "Detector",
    "ExportError",
    "Face",
    "FaceDataset",
    "FerboostError",
    "ImageError",
    "MissingExtraError",
    "ModelError",
    "Monitor",
    "Prediction",
    "Predictions",
    "Predictor",
    "Results",
    "Run",
    "RunError",
    "Settings",
    "SettingsError",
    "StorageError",
    "__version__",
    "branch_run",
    "calibrate_run",
    "check_run_explanations",
    "evaluate_run",
    "execute_run",
    "explain_run",
    "export_run",
    "fit_conformal",
    "fit_scaling",
    "generate_faces",
    "load_calibration",
    "load_dataset",
    "load_results",
    "load_settings",
    "measure_trust",
    "predict_files",
    "resume_run",
    "start_run",
    "summarize",
    "write_report",
]

_NAMES_BY_MODULE = {
    "ferboost.config": ("Settings",),
    "ferboost.datasets": ("FaceDataset", "load_dataset"),
    "ferboost.datasets.synthetic": ("generate_faces",),
    "ferboost.emotions": ("EMOTIONS",),
    "ferboost.errors": (
        "DataError",
        "ExportError",
        "FerboostError",
        "ImageError",
        "MissingExtraError",
        "ModelError",
        "RunError",
        "SettingsError",
        "StorageError",
    ),
    "ferboost.estimators": ("BoostedCNNClassifier", "CNNClassifier"),
    "ferboost.evaluation.conformal": ("fit_conformal",),
    "ferboost.evaluation.results": ("Results",),
    "ferboost.evaluation.scaling": ("fit_scaling",),
    "ferboost.evaluation.summary": ("summarize",),
    "ferboost.evaluation.trust": ("measure_trust",),
    "ferboost.export": ("export_run",),
    "ferboost.inference": (
        "CenterFace",
        "Detector",
        "Face",
        "Prediction",
        "Predictions",
        "Predictor",
    ),
    "ferboost.pipeline": (
        "branch_run",
        "calibrate_run",
        "check_run_explanations",
        "evaluate_run",
        "execute_run",
        "explain_run",
        "load_calibration",
        "load_results",
        "resume_run",
        "start_run",
    ),
    "ferboost.prediction": ("predict_files",),
    "ferboost.progress": ("Monitor",),
    "ferboost.report": ("write_report",),
    "ferboost.runs": ("Run",),
    "ferboost.settings": ("load_settings",),
}
_MODULES = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("ferboost")
    if name not in _MODULES:
        raise AttributeError(f"module 'ferboost' has no attribute {name!r}")
    from ferboost.extras import needed_for

    with needed_for(name):
        value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
