"""Sets of emotions that hold the true one as often as asked, from a model file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import SettingsError

__all__ = ["SetThresholds"]


@dataclass(frozen=True)
class SetThresholds:
    """The least probability with which a class belongs to a face's set, by coverage.

    Made of images that the model was not trained on: least ambiguous sets, the smallest that hold
    the true class of so many images like these (Sadinle et al., 2019).

    Attributes
    ----------
    coverages : tuple of float
        Rising, between 0 and 1.
    overall : tuple of float
        One threshold for each coverage; 0 takes every class.
    by_class : tuple of tuple of float
        For each coverage one for each class, so that it holds among the faces of each class.
    """

    coverages: tuple[float, ...]
    overall: tuple[float, ...]
    by_class: tuple[tuple[float, ...], ...]

    def predict(
        self, probabilities: NDArray[np.float32], coverage: float, *, by_class: bool = False
    ) -> NDArray[np.bool_]:
        """Say which classes belong to the set of each face.

        Parameters
        ----------
        probabilities : ndarray of float32, shape (..., classes)
        coverage : float
            The next higher tabulated one counts.
        by_class : bool
            Whether it is to hold among the faces of each class.

        Raises
        ------
        SettingsError
            If there is no table up to this coverage.
        """
        if not 0 < coverage <= self.coverages[-1]:
            raise SettingsError(
                f"a coverage lies between 0 and {self.coverages[-1]:g} for this model; "
                f"found {coverage}"
            )
        place = int(np.searchsorted(np.array(self.coverages) + 1e-9, coverage))
        least = self.by_class[place] if by_class else self.overall[place]
        return np.asarray(probabilities >= np.array(least, dtype=np.float32))

    def to_dict(self) -> dict[str, Any]:  # Any: numbers and lists, as JSON has them
        """Return what `from_dict` reads."""
        return {
            "coverages": list(self.coverages),
            "overall": list(self.overall),
            "by_class": [list(row) for row in self.by_class],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "SetThresholds":
        """Return the thresholds that `to_dict` described.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it describes none.
        """
        coverages, overall = (tuple(map(float, content[name])) for name in ("coverages", "overall"))
        by_class = tuple(tuple(map(float, row)) for row in content["by_class"])
        if not coverages or not len(coverages) == len(overall) == len(by_class):
            raise ValueError("the thresholds of sets do not fit together")
        return cls(coverages, overall, by_class)
