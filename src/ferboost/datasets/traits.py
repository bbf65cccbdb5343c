"""Simple traits of faces, and whether a face lies within those of the training images.

Needs numpy alone, so that prediction can warn where nothing else is installed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import DataError

__all__ = ["TRAITS", "TraitLimits", "face_traits", "fit_trait_limits"]

#: In the order of the columns of `face_traits`.
TRAITS = ("brightness", "contrast", "sharpness")

# Below and above what a face is called.
_WORDS = {
    "brightness": ("darker", "brighter"),
    "contrast": ("flatter", "starker"),
    "sharpness": ("more blurred", "sharper or noisier"),
}
# One training face in 200 lies below, one above.
_QUANTILES = (0.005, 0.995)


def face_traits(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return brightness, contrast and sharpness of faces.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width)

    Returns
    -------
    ndarray of float64, shape (n, 3)
        In gray values: the mean, the standard deviation, and the standard deviation of the
        Laplacian, which blur takes away and noise adds to (Pech-Pacheco et al., 2000).
    """
    gray = images.astype(np.int16)
    laplacian = gray[:, 1:-1] * np.int16(-4)
    laplacian += gray[:, :-2]
    laplacian += gray[:, 2:]
    laplacian[:, :, 1:] += gray[:, 1:-1, :-1]
    laplacian[:, :, :-1] += gray[:, 1:-1, 1:]
    brightness, contrast = _mean_and_deviation(gray)
    _, sharpness = _mean_and_deviation(laplacian[:, :, 1:-1])
    return np.stack((brightness, contrast, sharpness), axis=1).astype(np.float64)


def _mean_and_deviation(
    values: NDArray[np.int16],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    flat = values.reshape(len(values), -1).astype(np.float32)
    mean = flat.mean(axis=1)
    flat -= mean[:, None]
    # Of every predicted face: numpy's own deviation takes half as long again.
    return mean, np.sqrt(np.einsum("ij,ij->i", flat, flat) / flat.shape[1])


@dataclass(frozen=True)
class TraitLimits:
    """The range of each trait that all but one in a hundred training faces lie in.

    Attributes
    ----------
    low, high : tuple of float
        By `TRAITS`.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def outside(self, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Say which traits of each face, uint8 (n, height, width), lie outside, shape (n, 3)."""
        return self._outside(face_traits(images))

    def warnings(self, images: NDArray[np.uint8]) -> tuple[str | None, ...]:
        """Return for each face, uint8 (n, height, width), what to warn of, or None.

        A face that is outside may still be told rightly; how often is not known.
        """
        traits = face_traits(images)
        warnings: list[str | None] = [None] * len(traits)
        for place in np.flatnonzero(self._outside(traits).any(axis=1)).tolist():
            warnings[place] = self._warning(traits[place])
        return tuple(warnings)

    def _outside(self, traits: NDArray[np.float64]) -> NDArray[np.bool_]:
        beyond: NDArray[np.bool_] = (traits < self.low) | (traits > self.high)
        return beyond

    def _warning(self, traits: NDArray[np.float64]) -> str:
        found = []
        for name, value, low, high in zip(TRAITS, traits, self.low, self.high, strict=True):
            if not low <= value <= high:
                word = _WORDS[name][int(value > high)]
                found.append(f"{word} ({name} {value:.0f}; trained on {low:.0f} to {high:.0f})")
        return f"outside of what was trained: {', '.join(found)}"

    def to_dict(self) -> dict[str, list[float]]:
        """Return what `from_dict` reads: the limits by trait."""
        return {
            name: [low, high] for name, low, high in zip(TRAITS, self.low, self.high, strict=True)
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "TraitLimits":
        """Return what `to_dict` described.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is something else.
        """
        limits = [(float(low), float(high)) for low, high in (content[name] for name in TRAITS)]
        return cls(tuple(low for low, _ in limits), tuple(high for _, high in limits))


def fit_trait_limits(images: NDArray[np.uint8]) -> TraitLimits:
    """Return the limits that one training face in 200 lies below, and one above.

    Raises
    ------
    DataError
        If there is no image.
    """
    if not len(images):
        raise DataError("limits are taken from training images, and there is none")
    low, high = np.quantile(face_traits(images), _QUANTILES, axis=0)
    return TraitLimits(tuple(low.tolist()), tuple(high.tolist()))
