"""A cache of decoded data sets, so that a data set is decoded once and not at every start."""

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath

import numpy as np
from platformdirs import user_cache_path

from ferboost.datasets.archives import walk_folder
from ferboost.datasets.dataset import FaceDataset
from ferboost.files import atomic_path

__all__ = ["cache_path", "read_cache", "store_dataset", "write_cache"]

# Counts up whenever a reader gives another result for the same file.
_FORMAT = 2
_KEPT_BYTES = 2 * 2**30


def cache_path(source: Path) -> Path:
    """Return where the decoded form of `source` is kept: its name says the state of the source.

    The state is the path, size and times of change of every file, so that a changed source is
    decoded again.

    Raises
    ------
    DataError
        If a folder in `source` cannot be listed.
    """
    entries = walk_folder(source) if source.is_dir() else [(PurePosixPath(), source.stat())]
    state = hashlib.blake2b(f"{_FORMAT} ".encode() + os.fsencode(source.resolve()), digest_size=16)
    for path, status in entries:
        state.update(b"\0" + os.fsencode(path))
        if not stat.S_ISDIR(status.st_mode):
            state.update(b"\0%d %d %d" % (status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return user_cache_path("ferboost") / "datasets" / f"{state.hexdigest()}.npz"


def read_cache(path: Path, source: str) -> FaceDataset | None:
    """Return the data set kept at `path`, or None where there is none that can be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            dataset = FaceDataset(
                images=arrays["images"],
                labels=arrays["labels"],
                splits=arrays["splits"],
                names=arrays["names"],
                classes=tuple(str(name) for name in arrays["classes"]),
                source=source,
                notes=tuple(str(note) for note in arrays["notes"]),
            )
    except Exception:  # noqa: BLE001 - numpy and zipfile raise a dozen kinds on damaged bytes
        return None
    with suppress(OSError):
        os.utime(path)
    return dataset


def write_cache(path: Path, dataset: FaceDataset) -> None:
    """Keep `dataset` at `path`; where that is impossible, go on without a cache."""
    with suppress(OSError):
        store_dataset(path, dataset)
        _forget_oldest(path.parent)


def store_dataset(path: Path, dataset: FaceDataset) -> None:
    """Write `dataset`, but for its votes, to `path` atomically.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
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


def _forget_oldest(folder: Path) -> None:
    kept = 0
    for file in sorted(folder.glob("*.npz"), key=lambda f: f.stat().st_mtime, reverse=True):
        kept += file.stat().st_size
        if kept > _KEPT_BYTES:
            file.unlink(missing_ok=True)
