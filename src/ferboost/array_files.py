"""Arrays in NumPy's npz files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.files import atomic_path

__all__ = ["read_arrays", "write_arrays"]


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file by name; none of them is unpickled.

    Raises
    ------
    ValueError
        If the file cannot be read, or is damaged.
    """
    try:
        # numpy leaves a damaged file open that it has opened itself.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return dict(archive)
    except Exception as error:  # numpy and zipfile raise a dozen kinds on damaged bytes
        raise ValueError(str(error)) from error


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays, compressed, all of them or none.

    Raises
    ------
    StorageError
        If the disk is full or the place cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
