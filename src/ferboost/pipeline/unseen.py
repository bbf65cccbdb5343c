"""What the CNNs of folds, and trees, say of training images that neither has learnt."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import RunError
from ferboost.files import atomic_path

__all__ = ["load_unseen", "save_unseen", "unseen_path"]

_LABELS = "labels"


def unseen_path(folder: Path) -> Path:
    """Return where it is kept, in the folder of a seed."""
    return folder / "unseen.npz"


def save_unseen(
    folder: Path, labels: NDArray[np.int64], probabilities: Mapping[str, NDArray[np.float32]]
) -> None:
    """Keep labels, shape (n,), and by variant probabilities, shape (n, classes)."""
    arrays: dict[str, NDArray[np.generic]] = {_LABELS: labels, **probabilities}
    with atomic_path(unseen_path(folder)) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


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
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = dict(archive)
        return arrays.pop(_LABELS), arrays
    except (OSError, ValueError, EOFError, KeyError, BadZipFile, zlib.error) as error:
        raise RunError(f"{path} is damaged ({error}); remove it and resume the run") from error
