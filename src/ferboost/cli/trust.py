"""``ferboost calibrate``, and what an evaluation says of calibration and sets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferboost.cli.console import ConsoleMonitor, print_json, print_table
from ferboost.cli.data import JsonOption, load
from ferboost.cli.results import row_name
from ferboost.cli.splits import SplitOption, check_split, print_left_out, select_split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ferboost.evaluation.bootstrap import Measure
    from ferboost.evaluation.results import Results
    from ferboost.evaluation.scaling import Scaling, ScalingMethod
    from ferboost.evaluation.trust import CalibrationStep, VariantTrust
    from ferboost.runs import Run

__all__ = [
    "CALIBRATE_EXAMPLES",
    "KNOWN_IMAGES",
    "ROBUSTNESS_EXAMPLES",
    "calibrate",
    "describe_trust",
    "measure_run_trust",
    "print_trust",
    "robustness",
]

#: Why calibration and sets are not measured.
KNOWN_IMAGES = "calibration is not measured on images that the model was made or calibrated with"

CALIBRATE_EXAMPLES = """\b
Examples:
  ferboost calibrate runs/paper-clean-1 fer2013.zip
  ferboost evaluate runs/paper-clean-1 fer2013.zip --coverage 0.95
"""

ROBUSTNESS_EXAMPLES = """\b
Examples:
  ferboost robustness runs/fast-clean-1 fer2013.zip
  ferboost robustness runs/paper-clean-1 my-faces/ --faces 300
"""


def calibrate(
    model: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run directory.")],
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="The data that the run was trained on.")
    ],
    json: JsonOption = False,
) -> None:
    """Calibrate a run on its validation images.

    A run of the protocol clean is calibrated when it is trained; this does it for one that an older
    version has made. Temperature and vector scaling are fitted for every seed and variant and kept
    in the run.
    """
    from ferboost.datasets.splitting import prepare_splits
    from ferboost.errors import RunError
    from ferboost.pipeline import calibrate_run
    from ferboost.pipeline.calibrating import why_uncalibrated
    from ferboost.pipeline.same_data import require_same_data
    from ferboost.runs import Run

    run = Run.open(model)
    if run.settings.protocol == "paper":
        raise RunError(f"{run.path} is {why_uncalibrated(run)}")
    dataset = load(data)
    require_same_data(dataset, run.record.data, run.path)
    validation = prepare_splits(dataset, run.settings.data, validation=True).split("validation")
    with run.lock():
        calibration = calibrate_run(run, validation, ConsoleMonitor())
    if json:
        print_json({
            "faces": len(calibration.labels),
            "temperatures": {
                str(seed): _temperatures(own) for seed, own in calibration.scalings.items()
            },
            "temperatures_of_mean": _temperatures(calibration.ensemble),
        })  # fmt: skip
        return
    rows = [
        [row_name(variant), *(f"{own[variant]['temperature'].temperature:.3f}" for own in by_seed)]
        for by_seed in [list(calibration.scalings.values())]
        for variant in calibration.ensemble
    ]
    columns = ["temperature", *(f"seed {seed}" for seed in calibration.scalings)]
    faces = f"{len(calibration.labels):,} faces, judged by models that have not learnt them"
    print_table(faces, columns, rows)


def _temperatures(
    scalings: "Mapping[str, Mapping[ScalingMethod, Scaling]]",
) -> dict[str, float]:
    return {variant: own["temperature"].temperature for variant, own in scalings.items()}


def robustness(
    model: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run directory.")],
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A folder, zip, CSV or Parquet file.")
    ],
    split: SplitOption = None,
    faces: Annotated[
        int, typer.Option(metavar="N", min=20, help="How many faces, of each class in proportion.")
    ] = 1000,
    json: JsonOption = False,
) -> None:
    """Measure what worse faces cost.

    Blur, noise, JPEG, light, contrast, rotation, shift, crop, resolution and occlusion: each is
    applied at five strengths, and accuracy and calibration error are measured again. Faces that the
    run was made with, or copies of them, are left out. The result is kept in the run; its report,
    which is written again, draws the curves.
    """
    from ferboost.pipeline import measure_run_robustness
    from ferboost.report import write_report
    from ferboost.runs import Run

    check_split(split)
    run = Run.open(model)
    evaluated = select_split(load(data), run, split)
    with run.lock():
        found = measure_run_robustness(run, evaluated, faces, ConsoleMonitor())
        page = write_report(run)
    if json:
        print_json(found.to_dict())
        return
    rows = [
        [
            f"{curve.corruption}, {row_name(curve.variant)}",
            *(f"{100 * accuracy:.1f}" for accuracy in curve.accuracy),
            f"{curve.strengths[1]:g} - {curve.strengths[-1]:g}",
        ]
        for curve in found.curves
    ]
    steps = [str(step) for step in range(1, len(rows[0]) - 2)]
    print_table(
        f"{found.faces:,} {found.source}; accuracy in percent, unchanged and at rising strength",
        ["corruption, model", "unchanged", *steps, "from - to"],
        rows,
    )
    print_left_out(found.left_out)
    typer.echo(f"report: {page}")


def measure_run_trust(
    run: "Run", results: "Results", coverages: "Sequence[float]"
) -> "tuple[tuple[VariantTrust, ...], str]":
    """Return what calibration and sets are worth, or nothing and the reason why not."""
    from ferboost.evaluation.trust import measure_trust
    from ferboost.pipeline import load_calibration
    from ferboost.pipeline.calibrating import why_uncalibrated

    calibration = load_calibration(run)
    if calibration is None:
        return (), why_uncalibrated(run)
    if results.are_mostly_known:
        return (), KNOWN_IMAGES
    with ConsoleMonitor().stage("measure calibration") as tell:
        return measure_trust(results, calibration, coverages, tell=tell), ""


def describe_trust(trust: "tuple[VariantTrust, ...]", why_not: str) -> dict[str, Any]:  # Any: JSON
    """Return what `measure_run_trust` found as JSON can hold it."""
    return {"why_not": why_not or None, "variants": {t.variant: t.to_dict() for t in trust}}


def print_trust(trust: "tuple[VariantTrust, ...]", why_not: str) -> None:
    """Print calibration errors before and after, and the sets that were verified."""
    from ferboost.report.trust_wording import SET_NAMES

    if not trust:
        typer.echo(f"\nThe run is {why_not}." if why_not.startswith("not") else f"\n{why_not}.")
        return
    chance = 100 * trust[0].steps[0].metrics.ece_by_chance
    typer.echo("")
    print_table(
        "expected calibration error in percent points, 95 % interval\n"
        f"(a perfect model shows {chance:.1f} by chance; temperature: fitted on faces not learnt)",
        ["model", "as it comes", "temperature", "clean"],
        [_calibration_row(row_name(own.variant), own.steps) for own in trust]
        + [
            _calibration_row(f"{row_name(own.variant)}, mean of seeds", own.ensemble)
            for own in trust
            if own.ensemble
        ],
    )
    rows = [
        [
            f"{row_name(own.variant)}, {SET_NAMES[result.method, result.by_class]}",
            f"{100 * result.metrics.coverage:.1f}",
            " - ".join(f"{100 * limit:.1f}" for limit in result.metrics.interval),
            "" if result.clean is None else f"{100 * result.clean.coverage:.1f}",
            f"{100 * min(c for c in result.metrics.by_class if c is not None):.1f}",
            f"{result.metrics.size:.2f}",
        ]
        for own in trust
        for result in own.sets
    ]
    if rows:
        typer.echo("")
        print_table(
            f"sets that are to hold the true class in {100 * trust[0].sets[0].asked:g} % of faces; "
            "coverages in percent",
            ["model, sets", "covered", "95 %", "clean", "worst class", "classes"],
            rows,
        )


def _calibration_row(name: str, steps: "Sequence[CalibrationStep]") -> list[str]:
    by_method = {step.method: step for step in steps}
    scaled = by_method["temperature"]
    return [
        name,
        _percent(by_method["none"].metrics.ece),
        _percent(scaled.metrics.ece),
        "" if scaled.clean is None else f"{100 * scaled.clean.ece.value:.1f}",
    ]


def _percent(measure: "Measure") -> str:
    low, high = measure.interval
    return f"{100 * measure.value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
