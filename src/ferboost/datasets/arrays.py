"""Images and labels that are handed over as arrays: checked, and brought into ferboost's form."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.errors import DataError

__all__ = ["encode_labels", "find_classes", "read_image_array", "read_label_array"]


def read_image_array(values: ArrayLike) -> NDArray[np.uint8]:
    """Return images of any numeric type as uint8.

    Parameters
    ----------
    values : array-like, shape (n, 48, 48) or (n, 2304)
        Whole gray values, 0 black to 255 white.

    Returns
    -------
    ndarray of uint8, shape (n, 48, 48)

    Raises
    ------
    DataError
        If there is no image, or shape, type or values are not these.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(f"the images are no array ({error})") from error
    side = IMAGE_SIZE
    if array.shape[1:] not in {(side, side), (side * side,)}:
        raise DataError(
            f"images must have shape (n, {side}, {side}) or (n, {side * side}), found {array.shape}"
        )
    if len(array) == 0:
        raise DataError(f"there is no image in an array of shape {array.shape}")
    if array.dtype.kind not in "uif":
        raise DataError(f"images must be numbers, found the type {array.dtype}")
    if array.dtype != np.uint8:
        _check_gray_values(array)
    return array.reshape(-1, side, side).astype(np.uint8, copy=False)


def _check_gray_values(array: NDArray[np.generic]) -> None:
    lowest, highest = array.min(), array.max()
    if not (lowest >= 0 and highest <= 255):  # so that NaN is refused, too
        raise DataError(
            f"the images have values from {lowest} to {highest}; gray values go from 0 to 255"
        )
    if not np.array_equal(array, np.rint(array)):
        raise DataError(
            f"the images have fractions, from {lowest} to {highest}; gray values are whole numbers "
            "from 0 to 255: multiply by 255 what goes from 0 to 1, and round"
        )


def read_label_array(values: ArrayLike, count: int) -> NDArray[np.generic]:
    """Return labels as an array.

    Parameters
    ----------
    values : array-like, shape (count,)
        Of any type that can be sorted.
    count : int
        Number of images.

    Raises
    ------
    DataError
        If there is not one label for each image, or a label is NaN.
    """
    labels: NDArray[np.generic] = np.asarray(values)
    if labels.shape != (count,):
        raise DataError(
            f"there must be one label for each image, shape ({count},), found {labels.shape}"
        )
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise DataError("a label is NaN; leave images without label out")
    return labels


def find_classes(labels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the different labels in sorted order.

    Raises
    ------
    DataError
        If they cannot be sorted, or there are fewer than two.
    """
    try:
        classes: NDArray[np.generic] = np.unique(labels)
    except TypeError as error:
        raise DataError(f"labels must be of one type ({error})") from error
    if len(classes) < 2:
        raise DataError(f"the images have the single label {classes[0]}; at least two are needed")
    return classes


def encode_labels(labels: NDArray[np.generic], classes: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return the position of each label in `classes`.

    Raises
    ------
    DataError
        If a label is not among `classes`.
    """
    positions = {name: position for position, name in enumerate(classes.tolist())}
    try:
        return np.array([positions[name] for name in labels.tolist()], dtype=np.int64)
    except KeyError as error:
        known = ", ".join(map(str, classes))
        raise DataError(f"no training image has the label {error}; they have: {known}") from error
