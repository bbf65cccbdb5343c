"""What the CNNs of folds, and trees, say of training images that neither has learnt."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferboost.array_files import read_arrays, write_arrays
from ferboost.errors import RunError

__all__ = ["load_unseen", "save_unseen", "unseen_path"]

_LABELS = "labels"


def unseen_path(folder: Path) -> Path:
    """Return where it is kept, in the folder of a seed."""
    return folder / "unseen.npz"


def save_unseen(
    folder: Path, labels: NDArray[np.int64], probabilities: Mapping[str, NDArray[np.float32]]
) -> None:
    """Keep labels, shape (n,), and by variant probabilities, shape (n, classes)."""
    write_arrays(unseen_path(folder), {_LABELS: labels, **probabilities})


def load_unseen(folder: Path) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float32]]] | None:
    """Read what `save_unseen` kept; None where nothing was.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    path = unseen_path(folder)
    if not path.exists():
        return None
    try:
        arrays = read_arrays(path)
        return arrays.pop(_LABELS), arrays
    except (ValueError, KeyError) as error:
        raise RunError(f"{path} is damaged ({error}); remove it and resume the run") from error
