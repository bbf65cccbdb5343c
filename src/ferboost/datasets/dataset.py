"""A labelled set of faces as arrays."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import DataError

__all__ = ["IMAGE_SIZE", "SPLITS", "FaceDataset", "hash_images"]

#: Height and width of a face in pixels, as in FER-2013.
IMAGE_SIZE = 48

#: The names of the splits, in the order in which they are shown.
SPLITS = ("train", "validation", "test")


def hash_images(images: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Return a hash of each image's pixels, equal for exact copies only.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width)

    Returns
    -------
    ndarray of bytes, shape (n,), dtype S32
        BLAKE2b with a digest of 128 bits, in hexadecimal.
    """
    digests = [hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest() for image in images]
    return np.array(digests, dtype="S32")


@dataclass(frozen=True, eq=False)
class FaceDataset:
    """Faces, their labels and the split that each one belongs to.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, 48, 48)
        Grayscale, 0 black to 255 white.
    labels : ndarray of int64, shape (n,)
        Index into `classes`.
    splits : ndarray of str, shape (n,)
        ``"train"``, ``"validation"`` or ``"test"``.
    names : ndarray of str, shape (n,)
        Where each image came from, such as ``"train/angry/fer0000000.png"``.
    classes : tuple of str
        Names of the classes; for data sets of emotions always in the order of
        `ferboost.emotions.EMOTIONS`.
    source : str
        The file or folder that was read.
    notes : tuple of str
        What the reader converted or left out, one sentence each.
    votes : ndarray of uint8, shape (n, 10), or None
        FER+ votes in the order of `ferboost.emotions.FERPLUS_COLUMNS`; rows of zeros where
        an image has none.
    beliefs : ndarray of float32, shape (n, classes), or None
        How far each class is believed to be the right one, rows sum to 1; see
        `ferboost.datasets.doubts`. None where no label is doubted.
    votes_source : str
        The file that they were read from.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    splits: NDArray[np.str_]
    names: NDArray[np.str_]
    classes: tuple[str, ...]
    source: str = ""
    notes: tuple[str, ...] = ()
    votes: NDArray[np.uint8] | None = None
    beliefs: NDArray[np.float32] | None = None
    votes_source: str = ""

    def __post_init__(self) -> None:
        count = len(self.images)
        if self.images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE) or self.images.dtype != np.uint8:
            raise DataError(
                f"images must be uint8 of shape (n, {IMAGE_SIZE}, {IMAGE_SIZE}), found "
                f"{self.images.dtype} of shape {self.images.shape}"
            )
        for field in ("labels", "splits", "names", "votes", "beliefs"):
            column = getattr(self, field)
            if column is not None and len(column) != count:
                raise DataError(f"{count} images but {len(column)} {field}")

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        counts = ", ".join(f"{(self.splits == s).sum()} {s}" for s in SPLITS if self.has(s))
        return f"FaceDataset({counts or 'empty'}, {len(self.classes)} classes, {self.source!r})"

    def has(self, split: str) -> bool:
        """Say whether the split `split` holds any image."""
        return bool((self.splits == split).any())

    def select(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> "FaceDataset":
        """Return the images that `index` (a mask or positions) picks, in its order."""
        return replace(
            self,
            images=self.images[index],
            labels=self.labels[index],
            splits=self.splits[index],
            names=self.names[index],
            votes=None if self.votes is None else self.votes[index],
            beliefs=None if self.beliefs is None else self.beliefs[index],
        )

    def split(self, name: str) -> "FaceDataset":
        """Return the images of one split.

        Raises
        ------
        DataError
            If the split is empty.
        """
        if not self.has(name):
            present = ", ".join(s for s in SPLITS if self.has(s)) or "no image at all"
            raise DataError(f"{self.source or 'the data'} has no {name} split (it has {present})")
        return self.select(self.splits == name)

    def counts(self, split: str) -> NDArray[np.int64]:
        """Return the number of images per class in `split`, shape (len(classes),), int64."""
        return np.bincount(self.labels[self.splits == split], minlength=len(self.classes))

    def split_counts(self) -> dict[str, tuple[int, ...]]:
        """Return the number of images per class of each split that has any."""
        return {s: tuple(self.counts(s).tolist()) for s in SPLITS if self.has(s)}

    def with_classes(self, classes: Sequence[str]) -> "FaceDataset":
        """Return the same images with their labels counted in another order of the classes.

        Raises
        ------
        DataError
            If an image has a class that is not among `classes`.
        """
        used = [self.classes[i] for i in np.unique(self.labels)]
        unknown = [name for name in used if name not in classes]
        if unknown:
            raise DataError(
                f"{self.source or 'the data'} has the class {unknown[0]!r}, which is not one of "
                f"{', '.join(classes)}"
            )
        lookup = np.array([classes.index(c) if c in classes else -1 for c in self.classes])
        beliefs = None
        if self.beliefs is not None:
            beliefs = np.zeros((len(self), len(classes)), dtype=np.float32)
            beliefs[:, lookup[lookup >= 0]] = self.beliefs[:, lookup >= 0]
        return replace(
            self,
            labels=lookup[self.labels].astype(np.int64),
            classes=tuple(classes),
            beliefs=beliefs,
        )

    @property
    def doubted(self) -> NDArray[np.bool_]:
        """Whether each label is doubted, shape (n,)."""
        if self.beliefs is None:
            return np.zeros(len(self), dtype=bool)
        doubted: NDArray[np.bool_] = self.beliefs[np.arange(len(self)), self.labels] < 1
        return doubted

    @cached_property
    def hashes(self) -> NDArray[np.bytes_]:
        """A hash per image (see `hash_images`), computed once."""
        return hash_images(self.images)

    @property
    def order_fingerprint(self) -> str:
        """A hash of the pixels of all images, which depends on their order."""
        return hashlib.blake2b(self.hashes.tobytes(), digest_size=16).hexdigest()

    @cached_property
    def votes_fingerprint(self) -> str | None:
        """A hash of the images with their votes, independent of the order; None without votes."""
        if self.votes is None:
            return None
        rows = sorted(
            f"{image.decode()} {votes.tolist()}"
            for image, votes in zip(self.hashes, self.votes, strict=True)
        )
        return hashlib.blake2b("\n".join(rows).encode(), digest_size=16).hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the content (pixels, labels, splits, classes), independent of the order."""
        rows = sorted(
            f"{image.decode()} {self.classes[label]} {split}"
            for image, label, split in zip(self.hashes, self.labels, self.splits, strict=True)
        )
        text = "\n".join((*self.classes, *rows))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
