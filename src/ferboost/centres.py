"""Distances of a layer's values to the centre of each class."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ferboost.errors import DataError, RunError
from ferboost.files import write_bytes

__all__ = ["ClassCentres", "fit_centres"]

# How far the variance of each value is drawn to their mean: a value that hardly ever changes would
# otherwise decide the distance alone.
_SHRINKAGE = 0.1


@dataclass(frozen=True, eq=False)
class ClassCentres:
    """Where the images of each class lie in a layer.

    Attributes
    ----------
    centres : ndarray of float32, shape (classes, width)
        Mean of each class.
    precision : ndarray of float32, shape (width,)
        One over the standard deviation of each value within the classes.
    counts : ndarray of int64, shape (classes,)
        Images of each class.
    """

    centres: NDArray[np.float32]
    precision: NDArray[np.float32]
    counts: NDArray[np.int64]

    def distances(
        self, values: NDArray[np.float32], members: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Return the mean squared distance to each centre, in variances within the classes.

        Parameters
        ----------
        values : ndarray of float32, shape (n, width)
        members : ndarray of int64, shape (n,), optional
            The classes of the rows, where the centres are means of these very rows: each is then
            left out of its own centre, which would otherwise tell its class.

        Returns
        -------
        ndarray of float32, shape (n, classes)
        """
        found = np.empty((len(values), len(self.centres)), dtype=np.float32)
        for label, centre in enumerate(self.centres):
            found[:, label] = np.square((values - centre) * self.precision).mean(axis=1)
        if members is not None:
            # Without one of its n members, a centre lies n / (n - 1) times as far from it.
            n = self.counts[members]
            found[np.arange(len(values)), members] *= ((n / (n - 1)) ** 2).astype(np.float32)
        return found

    def save(self, path: Path) -> None:
        """Write them as safetensors."""
        tensors: dict[str, NDArray[Any]] = {
            "centres": self.centres,
            "precision": self.precision,
            "counts": self.counts,
        }
        write_bytes(path, save(tensors))

    @classmethod
    def load(cls, path: Path) -> "ClassCentres":
        """Read what `save` wrote.

        Raises
        ------
        RunError
            If the file is missing or damaged.
        """
        try:
            return cls(**load(path.read_bytes()))
        except (OSError, SafetensorError, TypeError, ValueError) as error:
            raise RunError(
                f"cannot read the class centres {path} ({error}); restore the run"
            ) from error


def fit_centres(
    values: NDArray[np.float32], labels: NDArray[np.int64], classes: int
) -> ClassCentres:
    """Return the centres of classes, of images that the network was not trained on.

    Parameters
    ----------
    values : ndarray of float32, shape (n, width)
    labels : ndarray of int64, shape (n,)
    classes : int

    Raises
    ------
    DataError
        If a class has fewer than two images.
    """
    counts = np.bincount(labels, minlength=classes)
    if counts.min() < 2:
        raise DataError(
            f"class {counts.argmin()} of {classes} has too few images that its CNN has not learnt "
            f"for a centre: {counts.min()}, and it takes 2; add images or leave out -centres"
        )
    centres = np.stack([values[labels == label].mean(axis=0) for label in range(classes)])
    variance = np.square(values - centres[labels]).mean(axis=0)
    shrunk = (1 - _SHRINKAGE) * variance + _SHRINKAGE * variance.mean()
    precision = 1 / np.sqrt(np.where(shrunk > 0, shrunk, 1))
    return ClassCentres(
        centres.astype(np.float32), precision.astype(np.float32), counts.astype(np.int64)
    )
