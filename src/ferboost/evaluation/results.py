"""What a finished run knows of itself: predictions, learning curves and times, per seed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferboost.curves import EpochRecord
from ferboost.evaluation.scaling import log_losses

__all__ = ["EpochRecord", "PredictTime", "Results", "SeedResults"]


@dataclass(frozen=True)
class PredictTime:
    """Seconds to predict all test images, median of several runs."""

    cnn: float
    """The network up to its softmax; 0 for trees on pixels."""
    trees: float
    """The trees alone, their features given."""
    whole: float
    """From uint8 images to probabilities, everything included."""

    def of_more(self, times: float) -> "PredictTime":
        """Return what so many times as many images take."""
        return PredictTime(self.cnn * times, self.trees * times, self.whole * times)


@dataclass(frozen=True)
class SeedResults:
    """The results of one seed.

    Attributes
    ----------
    seed : int
    history : tuple of EpochRecord
        The learning curves of the CNN.
    best_epoch : int
        The epoch whose weights were kept, counted from 1.
    probabilities : mapping of str to ndarray of float32, shape (n, classes)
        Of the evaluated images, by variant: ``"cnn"`` first, then the taps with trees.
    train_accuracy : mapping of str to float
        Accuracy of each variant on the CNN's training images, 0 to 1, also where its trees grew
        on others; NaN where it is not known, as of a model file.
    predict_times : mapping of str to PredictTime
        By variant.
    """

    seed: int
    history: tuple[EpochRecord, ...]
    best_epoch: int
    probabilities: Mapping[str, NDArray[np.float32]]
    train_accuracy: Mapping[str, float]
    predict_times: Mapping[str, PredictTime]


@dataclass(frozen=True)
class Results:
    """The results of a run on one split of one data set.

    Attributes
    ----------
    classes : tuple of str
    labels : ndarray of int64, shape (n,)
        The true classes of the evaluated images.
    clean : ndarray of bool, shape (n,), or None
        False where the image is an exact copy of a training image; None where it is not known.
    seeds : tuple of SeedResults
    images : str or None
        The fingerprint of the evaluated images in their order; None in results of an older version.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    clean: NDArray[np.bool_] | None
    seeds: tuple[SeedResults, ...]
    images: str | None = None

    @property
    def variants(self) -> tuple[str, ...]:
        """The names of the models compared: ``"cnn"``, then taps."""
        return tuple(self.seeds[0].probabilities)

    @property
    def are_mostly_known(self) -> bool:
        """Whether the models were made with most of the images, or with copies of them.

        A test split that shares some copies with the training images is none of these.
        """
        return self.clean is not None and bool(self.clean.mean() < 0.5)

    def correct(self, variant: str) -> NDArray[np.bool_]:
        """Say which images each seed of a variant got right, shape (seeds, n)."""
        return np.stack(
            [s.probabilities[variant].argmax(axis=1) == self.labels for s in self.seeds]
        )

    def losses(self, variant: str) -> NDArray[np.float64]:
        """Return the log loss of each seed of a variant on each image, nats, shape (seeds, n)."""
        given = np.stack([s.probabilities[variant] for s in self.seeds])
        return log_losses(given, self.labels)
