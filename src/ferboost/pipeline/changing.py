"""The test images that trees put right or spoil, a few of them kept with a run for its report."""

import numpy as np
from numpy.typing import NDArray

from ferboost.array_files import read_arrays, write_arrays
from ferboost.evaluation.changes import ChangedFaces, pick_changed
from ferboost.evaluation.choosing import choose_trees
from ferboost.evaluation.results import Results
from ferboost.pipeline.calibrating import load_calibration
from ferboost.runs import Run

__all__ = ["load_changed_faces", "save_changed_faces"]

_MOST = 8
_FILE = "changed.npz"
_ARRAYS = ("images", "labels", "cnn", "trees")


def save_changed_faces(run: Run, results: Results, images: NDArray[np.uint8]) -> None:
    """Keep up to sixteen test images on which the trees of `choose_trees` change the verdict.

    Parameters
    ----------
    run : Run
        Calibrated already, if it will be.
    results : Results
    images : ndarray of uint8, shape (n, 48, 48)
        What the results are of.
    """
    chosen = choose_trees(results.variants, load_calibration(run))
    if chosen is None:
        return
    picked = pick_changed(results, chosen, images, _MOST)
    arrays = {name: getattr(picked, name) for name in _ARRAYS}
    write_arrays(run.path / _FILE, {"variant": np.array(picked.variant), **arrays})


def load_changed_faces(run: Run) -> ChangedFaces | None:
    """Return what `save_changed_faces` kept; None where there is none, or it is damaged."""
    try:
        arrays = read_arrays(run.path / _FILE)
        return ChangedFaces(str(arrays["variant"]), *(arrays[name] for name in _ARRAYS))
    except (ValueError, KeyError):
        return None
