"""Views of a face: mirrored and shifted by whole pixels, the same ones for every face."""

import numpy as np
from numpy.typing import NDArray

from ferboost.config import Views
from ferboost.datasets.dataset import IMAGE_SIZE

__all__ = ["View", "view_faces", "views_of"]

#: Where each row and each column of a view comes from.
View = tuple[NDArray[np.int64], NDArray[np.int64]]

_SHIFT = 2
_SHIFTS = {
    "mirror": ((0, 0),),
    "jitter": ((0, 0), (-_SHIFT, 0), (_SHIFT, 0), (0, -_SHIFT), (0, _SHIFT)),
}


def views_of(kind: Views) -> tuple[View, ...]:
    """Return the views of a kind, the face itself first.

    What comes in from outside of the image repeats its border.
    """
    places = np.arange(IMAGE_SIZE)
    shifted = [
        tuple(np.clip(places - by, 0, IMAGE_SIZE - 1) for by in shift) for shift in _SHIFTS[kind]
    ]
    return tuple(
        (rows, columns[::-1] if mirrored else columns)
        for mirrored in (False, True)
        for rows, columns in shifted
    )


def view_faces(images: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """Return one view of every image, uint8 of shape (n, 48, 48)."""
    rows, columns = view
    return images[:, rows[:, None], columns]
