"""Predictions of a run's models on image files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ferboost.errors import FerboostError, SettingsError
from ferboost.inference.pictures import read_faces
from ferboost.inference.predictions import Predictions
from ferboost.models import load_seed_model
from ferboost.pipeline import load_calibration
from ferboost.runs import Run
from ferboost.variants import CNN, FOLD_CNNS, tree_variants

__all__ = ["predict_files"]


def predict_files(
    run: Run, paths: Sequence[Path], variant: str = "cnn"
) -> tuple[Predictions, list[FerboostError]]:
    """Predict pictures that a face fills, temperature scaled where the run is calibrated.

    Parameters
    ----------
    run : Run
        A finished run.
    paths : sequence of Path
    variant : str
        ``"cnn"``, or the tap whose trees decide.

    Returns
    -------
    predictions : Predictions
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
    trees = run.settings.trees
    folds = (FOLD_CNNS,) if trees.features == "out-of-fold" else ()
    known = (CNN, *folds, *tree_variants(trees.taps, trees.mode, trees.baselines))
    if variant not in known:
        raise SettingsError(f"{run.path} has no variant {variant!r}; it has: {', '.join(known)}")
    for model, seed in zip(models, run.settings.seeds, strict=True):
        if variant not in model.variants:
            raise run.unfinished(f"seed {seed} has no trees on {variant}")
    faces, names, failures = read_faces(paths)
    if not faces:
        return Predictions(()), failures
    images = np.stack(faces)
    shares = np.mean([model.probabilities(images)[variant] for model in models], axis=0)
    calibration = load_calibration(run)
    if calibration is not None and variant in calibration.ensemble:
        shares = calibration.ensemble[variant]["temperature"].apply(shares)
    predictions = Predictions.of(run.record.classes, shares, names)
    return predictions, failures
