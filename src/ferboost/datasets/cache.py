"""A cache of decoded data sets, so that a data set is decoded once and not at every start."""

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from ferboost.datasets.dataset import FaceDataset
from ferboost.errors import StorageError
from ferboost.files import atomic_path

__all__ = ["cache_path", "read_cache", "write_cache"]

# Counts up whenever a reader gives another result for the same file.
_FORMAT = 1
_KEPT_BYTES = 2 * 2**30


def cache_path(source: Path) -> Path:
    """Return where the decoded form of `source` is kept: its name says the state of the source.

    The state is the path, size and modification time of every file, so that a changed source is
    decoded again.
    """
    state = hashlib.blake2b(f"{_FORMAT} {source.resolve()}".encode(), digest_size=16)
    for entry in sorted(source.rglob("*")) if source.is_dir() else [source]:
        status = entry.stat()
        if entry.is_file():
            state.update(f"{entry}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        else:
            state.update(f"{entry}\0".encode())
    return user_cache_path("ferboost") / "datasets" / f"{state.hexdigest()}.npz"


def read_cache(path: Path, source: str) -> FaceDataset | None:
    """Return the data set kept at `path`, or None where there is none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            dataset = FaceDataset(
                images=arrays["images"],
                labels=arrays["labels"],
                splits=arrays["splits"],
                names=arrays["names"],
                classes=tuple(str(name) for name in arrays["classes"]),
                source=source,
                notes=tuple(str(note) for note in arrays["notes"]),
            )
        os.utime(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return dataset


def write_cache(path: Path, dataset: FaceDataset) -> None:
    """Keep `dataset` at `path`; where that is impossible, go on without a cache."""
    try:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                images=dataset.images,
                labels=dataset.labels,
                splits=dataset.splits,
                names=dataset.names,
                classes=np.array(dataset.classes),
                notes=np.array(dataset.notes, dtype=np.str_),
            )
        _forget_oldest(path.parent)
    except (OSError, StorageError):
        return


def _forget_oldest(folder: Path) -> None:
    kept = 0
    for file in sorted(folder.glob("*.npz"), key=lambda f: f.stat().st_mtime, reverse=True):
        kept += file.stat().st_size
        if kept > _KEPT_BYTES:
            file.unlink(missing_ok=True)
