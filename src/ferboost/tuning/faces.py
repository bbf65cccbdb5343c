"""The faces of a study, decoded once and mapped into the memory of every worker."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferboost.cnn.training import LabelledImages
from ferboost.datasets.dataset import FaceDataset
from ferboost.files import atomic_path

__all__ = ["StudyFaces", "open_faces", "stored_faces"]

_SPLITS = ("train", "validation")


@dataclass(frozen=True, eq=False)
class StudyFaces:
    """What trials learn from and are judged by. Test images are not among them.

    Attributes
    ----------
    train, validation : LabelledImages
    validation_hashes : ndarray of bytes, shape (n,)
        `FaceDataset.hashes` of the validation images.
    """

    train: LabelledImages
    validation: LabelledImages
    validation_hashes: NDArray[np.bytes_]


@contextmanager
def stored_faces(folder: Path, prepared: FaceDataset) -> Iterator[Path]:
    """Keep the training and validation images of a data set in `folder` while the block runs.

    Raises
    ------
    StorageError
        If they cannot be written.
    """
    try:
        for name in _SPLITS:
            split = prepared.split(name)
            for kind in ("images", "labels", "hashes", "beliefs"):
                if (array := getattr(split, kind)) is None:
                    continue
                with atomic_path(folder / f"{name}-{kind}.npy") as path, path.open("wb") as file:
                    np.save(file, array)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def open_faces(folder: Path) -> StudyFaces:
    """Map the faces that `stored_faces` keeps: all processes share one copy in memory."""

    def mapped(name: str) -> NDArray[np.generic]:
        # Copied where it is written to, which is nowhere: torch takes no arrays it may not write.
        array: NDArray[np.generic] = np.load(folder / f"{name}.npy", mmap_mode="c")
        return array

    def labelled(split: str) -> LabelledImages:
        images, labels = mapped(f"{split}-images"), mapped(f"{split}-labels")
        beliefs = None
        if (folder / f"{split}-beliefs.npy").exists():
            beliefs = mapped(f"{split}-beliefs").astype(np.float32, copy=False)
        return LabelledImages(
            images.astype(np.uint8, copy=False), labels.astype(np.int64, copy=False), beliefs
        )

    return StudyFaces(
        labelled("train"), labelled("validation"), np.load(folder / "validation-hashes.npy")
    )
