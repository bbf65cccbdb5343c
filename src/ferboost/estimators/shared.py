"""What the classifiers have in common: the contract, and how they read what they are given."""

# ruff: noqa: N803 - scikit-learn's contract has a capital X

import numbers
from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ferboost.cnn.labelled import LabelledImages
from ferboost.config import Settings
from ferboost.curves import EpochRecord
from ferboost.datasets.arrays import (
    encode_labels,
    find_classes,
    read_image_array,
    read_label_array,
)
from ferboost.datasets.dataset import hash_images
from ferboost.datasets.splitting import stratified_sample
from ferboost.errors import DataError, SettingsError

__all__ = [
    "FaceClassifier",
    "OnEpoch",
    "RandomState",
    "check_tap",
    "draw_seed",
    "hold_out",
    "ignore_epoch",
    "read_labelled",
]

OnEpoch = Callable[[list[EpochRecord]], None]
RandomState = int | np.random.RandomState | None


class FaceClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What both classifiers share; a subclass gives `fit` and `_probabilities`."""

    classes_: NDArray[np.generic]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the probability of each class, in the order of `classes_`.

        Parameters
        ----------
        X : array-like, shape (n, 48, 48) or (n, 2304)

        Returns
        -------
        ndarray of float32, shape (n, classes)

        Raises
        ------
        NotFittedError
            Of scikit-learn, before `fit`.
        DataError
            If the images cannot be used.
        """
        check_is_fitted(self)
        return self._probabilities(read_image_array(X))

    def predict(self, X: ArrayLike) -> NDArray[np.generic]:
        """Return the most probable label of each image.

        Parameters
        ----------
        X : array-like, shape (n, 48, 48) or (n, 2304)

        Returns
        -------
        ndarray, shape (n,)
            Of the type of `classes_`.

        Raises
        ------
        NotFittedError, DataError
            As `predict_proba`.
        """
        best: NDArray[np.intp] = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def _probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise NotImplementedError


def ignore_epoch(_history: list[EpochRecord]) -> None:
    """Take no notice."""


def check_tap(tap: str, known: Collection[str]) -> None:
    """Refuse a tap that is not one of the known ones, by `SettingsError`."""
    if tap not in known:
        raise SettingsError(f"no tap {tap!r}; there are: {', '.join(known)}")


def draw_seed(random_state: RandomState) -> int:
    """Return an integer itself; from anything else, a seed drawn as scikit-learn would."""
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31))


def read_labelled(X: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.generic], LabelledImages]:
    """Return the sorted classes, and the images with their position among them.

    Raises
    ------
    DataError
        If images or labels cannot be used.
    """
    images = read_image_array(X)
    labels = read_label_array(y, len(images))
    classes = find_classes(labels)
    return classes, LabelledImages(images, encode_labels(labels, classes))


def read_vote_array(
    votes: ArrayLike, count: int, columns: int | None = None
) -> NDArray[np.float32]:
    """Return the shares of votes that each image got.

    Parameters
    ----------
    votes : array-like, shape (n, columns)
        Numbers or shares of votes; zeros where nobody was asked.
    count : int
        Images that there are.
    columns : int, optional
        Columns that there must be; by default any.

    Returns
    -------
    ndarray of float32, shape (n, columns)
        Rows sum to 1, or to 0 where nobody was asked.

    Raises
    ------
    DataError
        If they are of another shape, or no numbers from 0 on.
    """
    counts = np.asarray(votes, dtype=np.float32)
    fits = (
        counts.ndim == 2
        and len(counts) == count
        and counts.shape[1] == (columns or counts.shape[1])
    )
    if not fits or not np.isfinite(counts).all() or (counts < 0).any():
        meaning = "one column for each opinion"
        if columns:
            meaning = f"{columns} columns, one for each of the sorted labels"
        raise DataError(
            f"votes must be numbers from 0 on, {count} rows of {meaning}; found shape "
            f"{counts.shape}"
        )
    shares: NDArray[np.float32] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    return shares


def hold_out(
    classes: NDArray[np.generic],
    given: LabelledImages,
    validation: tuple[ArrayLike, ArrayLike] | None,
    settings: Settings,
) -> tuple[LabelledImages, LabelledImages]:
    """Return the images to train on, and those that choose the epoch and stop the trees.

    Parameters
    ----------
    classes : ndarray, shape (classes,)
    given : LabelledImages
    validation : tuple (X, y) or None
        None cuts a part off `given`: stratified, equal images on one side.
    settings : Settings
        Its `data.validation_fraction` and first seed decide the cut.

    Raises
    ------
    DataError
        If the validation images cannot be used, or there are too few images to cut.
    """
    if validation is not None:
        images = read_image_array(validation[0])
        labels = read_label_array(validation[1], len(images))
        return given, LabelledImages(images, encode_labels(labels, classes))
    fraction = settings.data.validation_fraction
    groups = hash_images(given.images)
    picked = stratified_sample(given.labels, groups, fraction, settings.seeds[0])
    if not picked.any():
        raise DataError(
            f"{len(picked)} images of {len(classes)} classes leave none for validation at a "
            f"validation_fraction of {fraction}; give more images, or fit(..., validation=(X, y))"
        )
    return given.select(~picked), given.select(picked)
