"""``ferboost predict``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferboost.cli.console import ConsoleMonitor, print_json
from ferboost.cli.data import JsonOption

if TYPE_CHECKING:
    from ferboost.errors import FerboostError
    from ferboost.inference.predictions import Predictions

__all__ = ["PREDICT_EXAMPLES", "predict"]

PREDICT_EXAMPLES = """\b
Examples:
  ferboost predict photo.png
  ferboost predict --model model.onnx photo.png
  ferboost predict --model runs/paper-clean-1 faces/*.jpg --variant fc1 --json
"""


def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Pictures of a face.")],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="A file that ferboost export wrote, or a finished run directory.  [default: the "
            "model inside the package]",
        ),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which model of a run decides: cnn, or the tap whose trees do "
            "(flatten, fc1, fc2, output, pixels).  [default: cnn]",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Tell the emotion of faces.

    Each picture is taken as one face that fills it. A picture that cannot be read is reported, the
    others are predicted, and the exit code is 1.
    """
    predictions, failures = _predict(model, images, variant)
    if json:
        print_json([
            {"image": p.source, "emotion": p.emotion, "probabilities": p.probabilities}
            for p in predictions
        ])  # fmt: skip
    else:
        for p in predictions:
            ranked = sorted(p.probabilities.items(), key=lambda item: -item[1])
            shown = ", ".join(f"{name} {share:.0%}" for name, share in ranked[:3])
            typer.echo(f"{p.source}: {shown}")
    for failure in failures:
        typer.echo(f"ferboost: error: {failure}", err=True)
    if failures:
        raise typer.Exit(1)


def _predict(
    model: Path | None, images: list[Path], variant: str | None
) -> "tuple[Predictions, list[FerboostError]]":
    if model is not None and model.is_dir():
        from ferboost.prediction import predict_files
        from ferboost.runs import Run

        return predict_files(Run.open(model), images, variant or "cnn")
    from ferboost.errors import SettingsError
    from ferboost.inference import BUNDLED_MODEL, Predictor

    predictor = Predictor(model or BUNDLED_MODEL)
    if variant not in (None, predictor.info.variant):
        raise SettingsError(
            f"{model or 'the model inside the package'} holds the variant "
            f"{predictor.info.variant} alone; export {variant} from its run"
        )
    with ConsoleMonitor().stage("predict") as tell:
        return predictor.predict_files(images, tell)
