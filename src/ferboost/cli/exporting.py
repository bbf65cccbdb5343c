"""``ferboost export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ferboost.cli.console import ConsoleMonitor, print_json
from ferboost.cli.data import JsonOption, load
from ferboost.cli.outputs import refuse_to_overwrite

if TYPE_CHECKING:
    from ferboost.export.parity import Parity

__all__ = ["EXPORT_EXAMPLES", "export"]

EXPORT_EXAMPLES = """\b
Examples:
  ferboost export runs/paper-clean-1 -o model.onnx
  ferboost export runs/paper-clean-1 -o model.onnx --variant fc1 --seed 0
  ferboost export runs/fast-clean-1 -o small.onnx --weights int8
  ferboost export runs/strong-clean-1 runs/faces-clean-1 -o both.onnx
"""


def export(
    model: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Finished run directories; several are averaged."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The ONNX file to write.")
    ],
    variant: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A model of the run: cnn, or the trees that decide, by what they see (flatten, "
            'fc1, fc2, output, pooled, pixels) and how, such as "fc1 residual".',
        ),
    ] = "cnn",
    seed: Annotated[
        list[int] | None,
        typer.Option(
            metavar="SEED",
            help="The models of this seed; may be repeated. Without it those of all seeds. The "
            "probabilities of several are averaged.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            help="Faces to prove the export on, instead of the run's own: a folder, zip, CSV or "
            "Parquet file.",
        ),
    ] = None,
    calibration: Annotated[
        Literal["temperature", "vector", "none"] | None,
        typer.Option(
            help="How probabilities are scaled, fitted on the run's validation images; left out "
            "where these do not show that it helps.  [default: "
            "temperature where the run is calibrated]",
        ),
    ] = None,
    weights: Annotated[
        Literal["float32", "float16", "int8"],
        typer.Option(
            help="What the network's weights are kept in; int8 computes in 8 bits, too, which is "
            "several times as fast. What it makes different is measured and said.",
        ),
    ] = "float32",
    json: JsonOption = False,
) -> None:
    """Write a model of a run, or of several, as one ONNX file.

    The file takes gray faces of 48 x 48 pixels and gives probabilities; preprocessing, networks and
    trees are inside. It is compared to the run's own models first, and written only if every
    probability agrees within 0.00001, but for faces that rounding carries across a threshold of a
    tree: these are counted.
    """
    from ferboost.errors import SettingsError
    from ferboost.export import export_run
    from ferboost.runs import Run

    if seed and len(model) > 1:
        raise SettingsError("--seed is about the seeds of one RUN; of several all are averaged")
    refuse_to_overwrite("--out", out, *model, data)
    runs = [Run.open(path) for path in model]
    faces = None if data is None else load(data)
    with ConsoleMonitor().stage("export") as tell:
        done = export_run(
            runs[0],
            out,
            variant,
            seed,
            faces,
            beside=runs[1:],
            calibration=calibration,
            weight_format=weights,
            tell=tell,
        )
    if json:
        print_json({
            "model": str(done.path),
            "bytes": done.size,
            "variant": done.info.variant,
            "seeds": list(done.info.seeds),
            "classes": list(done.info.classes),
            "metrics": dict(done.info.metrics),
            "metrics_weight_format": "float32",
            "parity": dict(done.info.parity),
            "calibration": done.info.calibration,
            "weight_format": done.info.weight_format,
            "weight_loss": dict(done.info.weight_loss),
        })  # fmt: skip
        return
    seeds = ", ".join(map(str, done.info.seeds))
    exact = "" if weights == "float32" else ", with weights in float32"
    typer.echo(
        f"{done.path}: {done.info.variant}, seed {seeds}, {done.size / 1e6:.2f} MB, "
        f"{done.info.metrics['accuracy']:.2%} on the test images of its run{exact}"
    )
    if calibration not in {None, "none", done.info.calibration}:
        typer.echo(
            f"{calibration} scaling is left out: the images kept for calibration do not show that "
            "it helps"
        )
    typer.echo(
        f"calibration: {done.info.calibration}; expected calibration error "
        f"{100 * done.info.metrics['ece']:.1f} points on these images"
    )
    typer.echo(f"compared on {done.parity.faces:,} faces: {_agreement(done.parity)}")
    if done.info.weight_loss:
        loss = done.info.weight_loss
        typer.echo(
            f"{'network' if weights == 'int8' else 'weights'} in {weights}: probabilities differ "
            f"by {loss['mean']:.4f} on average, at most {loss['greatest']:.4f}; "
            f"{loss['other_emotion']} of {done.parity.faces:,} faces get another emotion"
        )


def _agreement(parity: "Parity") -> str:
    """Return how near the file comes to the run's models, and what steps of trees make of it."""
    near = f"probabilities within {parity.probability:.0e}"
    if not parity.crossings:
        return f"the same emotion on all, {near}"
    return (
        f"network and trees apart agree on all, {near}; together, rounding carries "
        f"{parity.crossings:,} across a threshold of a tree, and {parity.other_emotion:,} of these "
        "to another emotion"
    )
