"""Predictions of a run's models on image files."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import FerboostError
from ferboost.inference.faces import Face
from ferboost.inference.pictures import read_faces
from ferboost.inference.predictions import Predictions
from ferboost.models import load_seed_model
from ferboost.pipeline import load_calibration
from ferboost.pipeline.drifting import load_trait_limits
from ferboost.pipeline.evaluating import require_finished
from ferboost.runs import Run
from ferboost.variants import require_variant

__all__ = ["RunPredictor", "predict_files"]


class RunPredictor:
    """The models of a finished run, temperature scaled where the run is calibrated.

    Parameters
    ----------
    run : Run
        A finished run.
    variant : str
        ``"cnn"``, or the tap whose trees decide.

    Raises
    ------
    RunError
        If the run is not finished, or a model of it is gone.
    SettingsError
        If the run has no such variant.
    """

    def __init__(self, run: Run, variant: str = "cnn") -> None:
        require_finished(run)  # the trees of one fold of several can be there already
        models = [load_seed_model(run, seed) for seed in run.settings.seeds]
        require_variant(run.path, variant, models[0].variants)
        self.classes = run.record.classes
        self._models = models
        self._variant = variant
        calibration = load_calibration(run)
        scalings = {} if calibration is None else calibration.ensemble.get(variant, {})
        self._scaling = scalings.get("temperature")
        self._limits = load_trait_limits(run)
        self._run = run

    @property
    def fingerprint(self) -> str:
        """A hash of what decides the predictions: networks, trees, calibration."""
        total = hashlib.blake2b(digest_size=16)
        kept = sorted(self._run.path.glob("seed-*/**/*"))
        for file in (*kept, self._run.path / "calibration.json"):
            if file.is_file():
                total.update(f"{file.relative_to(self._run.path)}\n".encode())
                total.update(hashlib.blake2b(file.read_bytes(), digest_size=16).digest())
        return total.hexdigest()

    def predict_crops(
        self,
        crops: Sequence[NDArray[np.uint8]],
        sources: Sequence[str | None],
        faces: Sequence[Face | None] | None = None,
    ) -> Predictions:
        """Tell the emotion of faces that were cut out already, see `Predictor.predict_crops`."""
        if not crops:
            return Predictions(())
        images = np.stack(crops)
        variant = self._variant
        members = [
            model.probabilities(images, variants=[variant])[variant] for model in self._models
        ]
        shares = np.asarray(np.mean(members, axis=0), dtype=np.float32)
        if self._scaling is not None:
            shares = self._scaling.apply(shares)
        warnings = None if self._limits is None else self._limits.warnings(images)
        return Predictions.of(self.classes, shares, sources, faces, warnings)


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
        If the run is not finished, or a model of it is gone.
    SettingsError
        If the run has no such variant.
    """
    predictor = RunPredictor(run, variant)
    faces, names, failures = read_faces(paths)
    return predictor.predict_crops(faces, names), failures
