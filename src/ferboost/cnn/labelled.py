"""Images and what networks and trees learn of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LabelledImages"]


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and what is learnt of them.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, 48, 48)
    labels : ndarray of int64, shape (n,)
    beliefs : ndarray of float32, shape (n, classes), or None
        What is learnt instead of the labels: a share for each class. An image counts as much as its
        row sums to, at most 1.
    targets : ndarray of float32, shape (n, classes), or None
        What trees learn instead of the labels; rows sum to 1.
    votes : ndarray of float32, shape (n, columns), or None
        Shares of people's votes, which the network learns beside the labels by outputs of their
        own; rows sum to 1, or to 0 where nobody voted.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    beliefs: NDArray[np.float32] | None = None
    targets: NDArray[np.float32] | None = None
    votes: NDArray[np.float32] | None = None

    def select(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> "LabelledImages":
        """Return the images that `index` (a mask or positions) picks, in its order."""
        beliefs, targets, votes = (
            None if rows is None else rows[index]
            for rows in (self.beliefs, self.targets, self.votes)
        )
        return LabelledImages(self.images[index], self.labels[index], beliefs, targets, votes)

    def learnt(self) -> dict[str, NDArray[Any]]:
        """Return by name the images and what a network learns of them."""
        arrays: dict[str, NDArray[Any] | None] = {
            "images": self.images,
            "labels": self.labels,
            "beliefs": self.beliefs,
            "votes": self.votes,
        }
        return {name: array for name, array in arrays.items() if array is not None}
