"""The faces of a study, decoded once and mapped into the memory of every worker."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.datasets.dataset import FaceDataset
from ferboost.files import atomic_path

__all__ = ["StudyFaces", "face_arrays", "faces_of", "open_faces", "stored_faces"]


_COLUMNS = ("images", "labels", "votes", "beliefs")


@dataclass(frozen=True, eq=False)
class StudyFaces:
    """What trials learn from and are judged by. Test images are not among them.

    Attributes
    ----------
    train, validation : FaceDataset
    """

    train: FaceDataset
    validation: FaceDataset


def face_arrays(prepared: FaceDataset) -> dict[str, NDArray[Any]]:
    """Return what `faces_of` makes the faces of a study of."""
    arrays = {
        f"{name}-{column}": array
        for name in ("train", "validation")
        for split in (prepared.split(name),)
        for column in _COLUMNS
        if (array := getattr(split, column)) is not None
    }
    return arrays | {"classes": np.array(prepared.classes)}


def faces_of(arrays: Mapping[str, NDArray[Any]]) -> StudyFaces:
    """Return the faces of a study, in whatever memory the arrays are."""

    def dataset(split: str) -> FaceDataset:
        images = arrays[f"{split}-images"]
        return FaceDataset(
            images,
            arrays[f"{split}-labels"],
            splits=np.full(len(images), split),
            names=np.full(len(images), ""),
            classes=tuple(map(str, arrays["classes"])),
            votes=arrays.get(f"{split}-votes"),
            beliefs=arrays.get(f"{split}-beliefs"),
        )

    return StudyFaces(dataset("train"), dataset("validation"))


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
