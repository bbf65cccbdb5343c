"""What ``ferboost predict`` predicts with: a file, a run, or the model inside the package."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ferboost.inference.faces import Detector
    from ferboost.inference.photos import Classifier

__all__ = ["LoadedModel", "film_detector", "load_model", "photo_detector"]


@dataclass(frozen=True)
class LoadedModel:
    """A model, and what finds the faces for it."""

    classifier: "Classifier"
    classes: tuple[str, ...]
    detector: "Detector"
    identity: str


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
            of_run, of_run.classes, detector, f"{run.path.resolve()} {variant or 'cnn'}"
        )
    path = model or BUNDLED_MODEL
    predictor = Predictor(path, detector=detector, coverage=coverage)
    if variant not in (None, predictor.info.variant):
        raise SettingsError(
            f"{model or 'the model inside the package'} holds the variant "
            f"{predictor.info.variant} alone; export {variant} from its run"
        )
    return LoadedModel(predictor, predictor.classes, detector, predictor.fingerprint)
