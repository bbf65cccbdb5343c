"""Measuring how a run's models bear worse faces, and keeping what came out."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ferboost.datasets.dataset import FaceDataset
from ferboost.evaluation.robustness import Robustness, measure_robustness
from ferboost.files import write_json
from ferboost.models import load_seed_model
from ferboost.pipeline.calibrating import load_calibration
from ferboost.pipeline.evaluating import draw_unseen, require_finished
from ferboost.pipeline.kept import read_kept
from ferboost.progress import Monitor
from ferboost.runs import Run

__all__ = ["load_robustness", "measure_run_robustness"]

_FILE = "robustness.json"


def measure_run_robustness(
    run: Run, evaluated: FaceDataset, faces: int, monitor: Monitor
) -> Robustness:
    """Measure the robustness of every seed and variant, and keep it in ``robustness.json``.

    Probabilities are temperature scaled where the run is calibrated.

    Parameters
    ----------
    run : Run
        Its models finished.
    evaluated : FaceDataset
        Copies of images that the models were made with are left out.
    faces : int
        So many of them, about, are drawn: of each class in proportion.
    monitor : Monitor

    Raises
    ------
    RunError
        If the run is not finished.
    DataError
        If no faces are left, or they have other classes.
    StorageError
        If the run cannot be written.
    """
    require_finished(run)
    unseen = draw_unseen(run, evaluated, faces)
    models = {seed: load_seed_model(run, seed) for seed in run.settings.seeds}
    calibration = load_calibration(run)

    def predict(images: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        by_variant: dict[str, list[NDArray[np.float32]]] = {}
        for seed, model in models.items():
            scalings = {} if calibration is None else calibration.scalings.get(seed, {})
            for variant, shares in model.probabilities(images).items():
                scaling = scalings.get(variant, {}).get("temperature")
                own = shares if scaling is None else scaling.apply(shares)
                by_variant.setdefault(variant, []).append(own)
        return {variant: np.stack(shares) for variant, shares in by_variant.items()}

    with monitor.stage("robustness") as tell:
        images, labels = unseen.drawn.images, unseen.drawn.labels
        measured = measure_robustness(predict, images, labels, tell=tell)
    robustness = replace(measured, source=unseen.source, left_out=unseen.left_out)
    write_json(run.path / _FILE, robustness.to_dict())
    return robustness


def load_robustness(run: Run) -> Robustness | None:
    """Read what `measure_run_robustness` kept; None where it was not measured.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    remedy = f"ferboost robustness {run.path} DATA"
    return read_kept(run.path / _FILE, Robustness.from_dict, remedy)
