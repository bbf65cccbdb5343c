"""The test images that trees put right or spoil, a few of them kept with a run for its report."""

import zlib
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ferboost.evaluation.changes import ChangedFaces, pick_changed
from ferboost.evaluation.choosing import choose_trees
from ferboost.evaluation.results import Results
from ferboost.files import atomic_path
from ferboost.pipeline.calibrating import load_calibration
from ferboost.runs import Run

__all__ = ["load_changed_faces", "save_changed_faces"]

_MOST = 8


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
    with atomic_path(run.path / "changed.npz") as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            variant=np.array(picked.variant),
            images=picked.images,
            labels=picked.labels,
            cnn=picked.cnn,
            trees=picked.trees,
        )


def load_changed_faces(run: Run) -> ChangedFaces | None:
    """Return what `save_changed_faces` kept; None where there is none, or it is damaged."""
    try:
        with (
            (run.path / "changed.npz").open("rb") as stream,
            np.load(stream, allow_pickle=False) as archive,
        ):
            return ChangedFaces(
                str(archive["variant"]),
                *(archive[name] for name in ("images", "labels", "cnn", "trees")),
            )
    except (OSError, ValueError, EOFError, KeyError, BadZipFile, zlib.error):
        return None
