"""What is predicted, and with what: a file, a run, or the model inside the package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ferboost.cli.console import one_line

if TYPE_CHECKING:
    from ferboost.inference.faces import Detector
    from ferboost.inference.photos import Classifier
    from ferboost.inference.sources import Source

__all__ = ["LoadedModel", "film_detector", "find_pictures", "load_model", "photo_detector"]

_MOST_KINDS = 5


@dataclass(frozen=True)
class LoadedModel:
    """A model, and what finds the faces for it."""

    classifier: "Classifier"
    classes: tuple[str, ...]
    detector: "Detector"
    identity: str


def find_pictures(inputs: Sequence[Path], leave_out: Path | None = None) -> "list[Source]":
    """List the pictures that some files, folders and patterns stand for; say what is not read."""
    from ferboost.inference.sources import find_sources

    return find_sources(inputs, leave_out=leave_out, on_others=_say_others)


def _say_others(folder: Path, others: Mapping[str, int]) -> None:
    ranked = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{count:,} {suffix or 'without an ending'}" for suffix, count in ranked]
    if len(shown) > _MOST_KINDS:
        shown[_MOST_KINDS:] = ["others"]
    typer.echo(
        one_line(
            f"{folder}: not read, since their endings are not those of pictures: {', '.join(shown)}"
        ),
        err=True,
    )


def photo_detector(pictures: int) -> "Detector":
    """Return what finds the faces in so many pictures."""
    from ferboost.inference import CenterFace

    # Several photos are searched at a time, each by one thread; a single one by all.
    return CenterFace(threads=1 if pictures > 1 else None)


def film_detector() -> "Detector":
    """Return what finds the faces in a film."""
    from ferboost.inference import CenterFace
    from ferboost.inference.films import DETECTION_SIDE

    return CenterFace(longest_side=DETECTION_SIDE, threads=1)  # the others decode and classify


def load_model(
    model: Path | None, variant: str | None, coverage: float | None, detector: "Detector"
) -> LoadedModel:
    """Load a model, or that of a run whose `variant` decides."""
    from ferboost.errors import SettingsError
    from ferboost.inference import BUNDLED_MODEL, Predictor

    if model is not None and model.is_dir():
        from ferboost.prediction import RunPredictor
        from ferboost.runs import Run

        if coverage is not None:
            raise SettingsError(
                f"--coverage needs an exported model; run: ferboost export {model} -o model.onnx"
            )
        run = Run.open(model)
        of_run = RunPredictor(run, variant or "cnn")
        return LoadedModel(
            of_run, of_run.classes, detector, f"{of_run.fingerprint} {variant or 'cnn'}"
        )
    path = model or BUNDLED_MODEL
    predictor = Predictor(path, detector=detector, coverage=coverage)
    if variant not in (None, predictor.info.variant):
        raise SettingsError(
            f"{model or 'the model inside the package'} holds the variant "
            f"{predictor.info.variant} alone; export {variant} from its run"
        )
    return LoadedModel(predictor, predictor.classes, detector, predictor.fingerprint)
