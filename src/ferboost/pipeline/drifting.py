"""Comparing new faces with those of a run, and the limits of what the run was trained on."""

import numpy as np
from numpy.typing import NDArray

from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.splitting import cut_as
from ferboost.datasets.traits import TraitLimits, fit_trait_limits
from ferboost.evaluation.drift import Drift, measure_drift
from ferboost.features import tap_features
from ferboost.files import write_json
from ferboost.models import load_seed_model
from ferboost.pipeline.kept import read_kept
from ferboost.pipeline.same_data import require_same_data
from ferboost.progress import Monitor
from ferboost.runs import Run

__all__ = ["find_trait_limits", "load_trait_limits", "measure_run_drift", "save_trait_limits"]

_FILE = "traits.json"
# The tap with the most to tell that no class weighs yet.
_TAPS = {"published": "fc1", "residual": "pooled", "recognition": "pooled"}


def save_trait_limits(run: Run, train: FaceDataset) -> None:
    """Keep the limits of the training faces' traits in ``traits.json``."""
    write_json(run.path / _FILE, fit_trait_limits(train.images).to_dict())


def load_trait_limits(run: Run) -> TraitLimits | None:
    """Read what `save_trait_limits` kept; None where the run is of an older version.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    remedy = f"ferboost train --resume {run.path}"
    return read_kept(run.path / _FILE, TraitLimits.from_dict, remedy)


def find_trait_limits(run: Run, dataset: FaceDataset | None) -> TraitLimits | None:
    """Return the limits that a run keeps, or else those of its training images.

    Parameters
    ----------
    run : Run
    dataset : FaceDataset or None
        As loaded. Limits of other data than the run's own are not taken.

    Raises
    ------
    RunError
        If the run's own are damaged.
    """
    kept = load_trait_limits(run)
    if kept is not None or dataset is None:
        return kept
    if dataset.fingerprint != run.record.data.fingerprint:
        return None
    return fit_trait_limits(cut_as(run.settings, dataset).split("train").images)


def measure_run_drift(
    run: Run, dataset: FaceDataset, images: NDArray[np.uint8], monitor: Monitor
) -> Drift:
    """Compare new faces with the validation faces of a run, or the test faces where it has none.

    Compared are the features of the first seed's CNN below its last layers, and brightness,
    contrast and sharpness.

    Parameters
    ----------
    run : Run
    dataset : FaceDataset
        That the run was made with.
    images : ndarray of uint8, shape (n, 48, 48)
    monitor : Monitor

    Raises
    ------
    RunError
        If the run is not finished, or was made with other data.
    DataError
        If there are fewer than 10 faces.
    """
    require_same_data(dataset, run.record.data, run.path)
    prepared = cut_as(run.settings, dataset)
    known = prepared.split(run.settings.held_out).images
    limits = load_trait_limits(run) or fit_trait_limits(prepared.split("train").images)
    tap = _TAPS[run.settings.cnn.architecture]
    network = load_seed_model(run, run.settings.seeds[0]).network
    with monitor.stage("compare") as tell:
        tell(0, 0, "")
        return measure_drift(
            known, images, limits, tap, lambda faces: tap_features(network, faces, [tap])[tap]
        )
