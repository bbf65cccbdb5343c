"""``ferboost predict``."""

from pathlib import Path
from typing import Annotated

import typer

from ferboost.cli.console import print_json
from ferboost.cli.data import JsonOption

__all__ = ["PREDICT_EXAMPLES", "predict"]

PREDICT_EXAMPLES = """\b
Examples:
  ferboost predict --model runs/paper-clean-1 photo.png
  ferboost predict --model runs/paper-clean-1 faces/*.jpg --variant fc1 --json
"""


def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Pictures of a face.")],
    model: Annotated[
        Path, typer.Option("--model", "-m", metavar="RUN", help="A finished run directory.")
    ],
    variant: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Which model decides: cnn, or the tap whose trees do "
            "(flatten, fc1, fc2, output, pixels).",
        ),
    ] = "cnn",
    json: JsonOption = False,
) -> None:
    """Tell the emotion of faces.

    Each picture is taken as one face that fills it. A picture that cannot be read is reported, the
    others are predicted, and the exit code is 1.
    """
    from ferboost.prediction import predict_files
    from ferboost.runs import Run

    predictions, failures = predict_files(Run.open(model), images, variant)
    if json:
        print_json([
            {"image": str(p.path), "emotion": p.emotion, "probabilities": p.probabilities}
            for p in predictions
        ])  # fmt: skip
    else:
        for p in predictions:
            ranked = sorted(p.probabilities.items(), key=lambda item: -item[1])
            shown = ", ".join(f"{name} {share:.0%}" for name, share in ranked[:3])
            typer.echo(f"{p.path}: {shown}")
    for failure in failures:
        typer.echo(f"ferboost: error: {failure}", err=True)
    if failures:
        raise typer.Exit(1)
