"""The faces of a study, decoded once and mapped into the memory of every worker."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.cnn.training import LabelledImages
from ferboost.datasets.dataset import FaceDataset
from ferboost.files import atomic_path

__all__ = ["StudyFaces", "face_arrays", "faces_of", "open_faces", "stored_faces"]


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


def face_arrays(prepared: FaceDataset) -> dict[str, NDArray[Any]]:
    """Return what `faces_of` makes the faces of a study of."""
    return {
        f"{name}-{kind}": array
        for name in ("train", "validation")
        for split in (prepared.split(name),)
        for kind in ("images", "labels", "hashes", "beliefs")
        if (array := getattr(split, kind)) is not None
    }


def faces_of(arrays: Mapping[str, NDArray[Any]]) -> StudyFaces:
    """Return the faces of a study, in whatever memory the arrays are."""

    def labelled(split: str) -> LabelledImages:
        beliefs = arrays.get(f"{split}-beliefs")
        return LabelledImages(
            arrays[f"{split}-images"].astype(np.uint8, copy=False),
            arrays[f"{split}-labels"].astype(np.int64, copy=False),
            None if beliefs is None else beliefs.astype(np.float32, copy=False),
        )

    return StudyFaces(labelled("train"), labelled("validation"), arrays["validation-hashes"])


@contextmanager
def stored_faces(folder: Path, prepared: FaceDataset) -> Iterator[Path]:
    """Keep the training and validation images of a data set in `folder` while the block runs.

    Raises
    ------
    StorageError
        If they cannot be written.
    """
    try:
        for name, array in face_arrays(prepared).items():
            with atomic_path(folder / f"{name}.npy") as path, path.open("wb") as file:
                np.save(file, array)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def open_faces(folder: Path) -> StudyFaces:
    """Map the faces that `stored_faces` keeps: all processes share one copy in memory."""
    # Copied where it is written to, which is nowhere: torch takes no arrays it may not write.
    return faces_of({file.stem: np.load(file, mmap_mode="c") for file in folder.glob("*.npy")})
