"""What FER-2013 is: its counts, and the hashes of its images in ``fer2013_hashes.bin``."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ferboost.datasets.dataset import SPLITS, FaceDataset
from ferboost.emotions import EMOTIONS
from ferboost.published import published

__all__ = ["Fer2013", "encode_fer2013_hashes", "recognise_fer2013"]


@dataclass(frozen=True)
class Fer2013:
    """What FER-2013 says about each image of a data set.

    Attributes
    ----------
    training, public_test : ndarray of bool, shape (n, 7)
        Whether the image is known under each emotion; rows of False where it is not known.
    """

    training: NDArray[np.bool_]
    public_test: NDArray[np.bool_]

    @property
    def genuine(self) -> NDArray[np.bool_]:
        """Whether each image is FER-2013's own, pixel for pixel; shape (n,)."""
        return np.asarray((self.training | self.public_test).any(axis=1))

    def validation_is_cut_from_training(self, dataset: FaceDataset) -> bool:
        """Say whether the validation split is a piece of train rather than PublicTest."""
        inside = dataset.splits == "validation"
        return bool(inside.any() and self.training[inside].any(axis=1).mean() > 0.5)

    def counts(self, dataset: FaceDataset, split: str) -> tuple[int, ...]:
        """Return the images per class to compare: train with what was cut from it."""
        counts = dataset.counts(split)
        if split == "train" and self.validation_is_cut_from_training(dataset):
            counts = counts + dataset.counts("validation")
        return tuple(counts.tolist())

    def published_counts(self, dataset: FaceDataset, split: str) -> tuple[int, ...] | None:
        """Return the counts of the part of FER-2013 that `split` is, in the data's classes."""
        training, public, private = (
            np.array([part[name] for name in dataset.classes]) for part in _published_parts()
        )
        if split == "train":
            return tuple(training.tolist())
        if split == "validation" and self.validation_is_cut_from_training(dataset):
            return None
        found = dataset.counts(split)
        candidates = (public, private, public + private)
        nearest = min(candidates, key=lambda candidate: int(np.abs(candidate - found).sum()))
        return tuple(nearest.tolist())


def _published_parts() -> list[dict[str, int]]:
    """Return the counts per class of training, PublicTest and PrivateTest."""
    return list(published()["dataset"]["counts"].values())


def _hash_prefixes(dataset: FaceDataset) -> NDArray[np.uint64]:
    return np.array([int(digest[:10], 16) for digest in dataset.hashes], dtype=np.uint64)


def encode_fer2013_hashes(dataset: FaceDataset) -> bytes:
    """Return the content of ``fer2013_hashes.bin`` for the genuine FER-2013.

    It is 14 sections, training and PublicTest by emotion in the order of `EMOTIONS`: first their
    14 lengths, then for each one the distinct hashes of its images in ascending order. A hash is
    the first 40 bits of BLAKE2b-128 over the 2,304 pixels; numbers are little-endian, 5 bytes
    long. A foreign image passes for a genuine one with a probability of 3e-8.

    Parameters
    ----------
    dataset : FaceDataset
        The 28,709 training images as train, the 3,589 of PublicTest as test, classes `EMOTIONS`.
    """
    prefixes = _hash_prefixes(dataset)
    sections = [
        np.unique(prefixes[(dataset.splits == split) & (dataset.labels == label)])
        for split in ("train", "test")
        for label in range(len(EMOTIONS))
    ]
    lengths = np.array([len(section) for section in sections], dtype=np.uint64)
    numbers = np.concatenate([lengths, *sections]).astype("<u8")
    return numbers.view(np.uint8).reshape(-1, 8)[:, :5].tobytes()


@cache
def _read_fer2013_hashes() -> tuple[NDArray[np.uint64], ...]:
    content = files("ferboost.datasets").joinpath("fer2013_hashes.bin").read_bytes()
    digits = np.frombuffer(content, dtype=np.uint8).reshape(-1, 5)
    numbers = np.pad(digits, ((0, 0), (0, 3))).view("<u8").ravel()
    lengths, hashes = np.split(numbers, [2 * len(EMOTIONS)])
    return tuple(np.split(hashes, np.cumsum(lengths.astype(np.intp))[:-1]))


def recognise_fer2013(dataset: FaceDataset) -> Fer2013 | None:
    """Return what FER-2013 says about the images, or None if the data is something else.

    One image in twenty must be its own, or four classes of a split as large as its own: tampered
    data keeps its counts even where no image is left as it was.
    """
    if not set(dataset.classes) <= set(EMOTIONS) or not len(dataset):
        return None
    prefixes = _hash_prefixes(dataset)
    known = np.stack([np.isin(prefixes, section) for section in _read_fer2013_hashes()], axis=1)
    reference = Fer2013(known[:, : len(EMOTIONS)], known[:, len(EMOTIONS) :])
    counts_match = any(
        sum(dataset.counts(split) == [part[name] for name in dataset.classes]) >= 4
        for split in SPLITS
        for part in _published_parts()
    )
    return reference if reference.genuine.mean() >= 0.05 or counts_match else None
