"""Predictions of a run's models on image files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferboost.datasets.images import decode_face
from ferboost.errors import FerboostError, ImageError, SettingsError
from ferboost.models import load_seed_model
from ferboost.runs import Run

__all__ = ["FilePrediction", "predict_files"]


@dataclass(frozen=True)
class FilePrediction:
    """What a model says of one picture.

    Attributes
    ----------
    path : Path
    emotion : str
        The class with the highest probability.
    probabilities : dict of str to float
        Of all classes, mean over the run's seeds.
    """

    path: Path
    emotion: str
    probabilities: dict[str, float]


def predict_files(
    run: Run, paths: Sequence[Path], variant: str = "cnn"
) -> tuple[list[FilePrediction], list[FerboostError]]:
    """Predict pictures that a face fills.

    Parameters
    ----------
    run : Run
        A finished run.
    paths : sequence of Path
    variant : str
        ``"cnn"``, or the tap whose trees decide.

    Returns
    -------
    predictions : list of FilePrediction
        Of the pictures that can be read, in their order.
    failures : list of FerboostError
        One for each that cannot.

    Raises
    ------
    RunError
        If the run is not finished.
    SettingsError
        If the run has no such variant.
    """
    models = [load_seed_model(run, seed) for seed in run.settings.seeds]
    known = ("cnn", *run.settings.trees.taps)
    if variant not in known:
        raise SettingsError(f"{run.path} has no variant {variant!r}; it has: {', '.join(known)}")
    for model, seed in zip(models, run.settings.seeds, strict=True):
        if variant not in model.variants:
            raise run.unfinished(f"seed {seed} has no trees on {variant}")
    faces, read, failures = [], [], []
    for path in paths:
        try:
            faces.append(decode_face(_read(path), str(path))[0])
            read.append(path)
        except ImageError as error:
            failures.append(error)
    if not faces:
        return [], list(failures)
    images = np.stack(faces)
    shares = np.mean([model.probabilities(images)[variant] for model in models], axis=0)
    classes = run.record.classes
    predictions = [
        FilePrediction(
            path,
            classes[int(row.argmax())],
            {name: float(share) for name, share in zip(classes, row, strict=True)},
        )
        for path, row in zip(read, shares, strict=True)
    ]
    return predictions, list(failures)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}") from error
