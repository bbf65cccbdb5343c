"""How far probabilities are from what happens: measures, and reliability by confidence."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import SettingsError
from ferboost.evaluation.bootstrap import Measure
from ferboost.evaluation.metrics import CALIBRATION_BINS, confidence_bins, reliability_bins
from ferboost.evaluation.proportions import wilson_interval
from ferboost.evaluation.scaling import check_probabilities, log_losses

__all__ = ["CalibrationMetrics", "ReliabilityCurve", "measure_calibration", "reliability_curve"]


@dataclass(frozen=True)
class CalibrationMetrics:
    """How far probabilities are from what happens; lower is better everywhere.

    Attributes
    ----------
    ece : Measure
        Expected calibration error of the most probable class in 15 bins of equal width [1]_, as
        a share from 0 to 1.
    ace : Measure
        Adaptive calibration error: of all classes, in 15 bins of equally many images [2]_.
    brier : Measure
        Mean squared distance of the probabilities to the truth, 0 to 2 [3]_.
    log_loss : Measure
        Mean negative log probability of the true class, in nats.
    ece_by_chance : float
        The expected calibration error that a perfectly calibrated model with these probabilities
        would show on as many images [4]_.

    Notes
    -----
    Both calibration errors count chance as error, since they add up absolute differences. Their
    interval is the basic bootstrap's, which takes that out again [5]_: it can lie below the value.

    References
    ----------
    .. [1] Guo, C. et al. (2017). On calibration of modern neural networks. ICML.
    .. [2] Nixon, J. et al. (2019). Measuring calibration in deep learning. CVPR workshops.
    .. [3] Brier, G. W. (1950). Verification of forecasts expressed in terms of probability.
       Monthly Weather Review, 78(1).
    .. [4] Bröcker, J. & Smith, L. A. (2007). Increasing the reliability of reliability diagrams.
       Weather and Forecasting, 22(3).
    .. [5] Davison, A. C. & Hinkley, D. V. (1997). Bootstrap methods and their application.
       Cambridge University Press, section 5.2.
    """

    ece: Measure
    ace: Measure
    brier: Measure
    log_loss: Measure
    ece_by_chance: float

    def to_dict(self) -> dict[str, Any]:  # Any: numbers and lists, as JSON has them
        """Return the measures as JSON can hold them."""
        measures = {"ece": self.ece, "ace": self.ace, "brier": self.brier}
        measures["log_loss"] = self.log_loss
        return {
            **{name: measure.to_dict() for name, measure in measures.items()},
            "ece_by_chance": self.ece_by_chance,
        }


def measure_calibration(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    resamples: int = 500,
    seed: int = 0,
) -> CalibrationMetrics:
    """Measure how far probabilities are from what happens, mean over seeds.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (seeds, n, k)
    labels : ndarray of int64, shape (n,)
    resamples : int
        Of the bootstrap over images, the same images for all seeds, and over seeds.
    seed : int
        Of the bootstrap.

    Raises
    ------
    DataError
        If there is no image, or shapes do not fit.
    SettingsError
        If `resamples` is less than 1.
    """
    check_probabilities(probabilities, labels)
    if resamples < 1:
        raise SettingsError(f"a bootstrap needs at least 1 resample, found {resamples}")
    random = np.random.default_rng(seed)
    seeds, n, classes = probabilities.shape
    expected = [_confidence_gaps(shares, labels) for shares in probabilities]
    adaptive = [_class_gaps(shares, labels) for shares in probabilities]
    truth = np.eye(classes)[labels]
    squares = ((probabilities.astype(np.float64) - truth) ** 2).sum(axis=2)
    surprises = log_losses(probabilities, labels)

    def measures(
        images: NDArray[np.float64], drawn_seeds: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        ece = np.stack([np.abs(images @ gaps).sum(axis=1) for gaps in expected], axis=1)
        ace = np.stack([np.abs(images @ gaps).sum(axis=1) for gaps in adaptive], axis=1) / classes
        by_seed = np.stack([ece, ace, images @ squares.T, images @ surprises.T])
        return np.asarray((by_seed * drawn_seeds).sum(axis=2))

    values = measures(np.full((1, n), 1 / n), np.full((1, seeds), 1 / seeds))[:, 0]
    draws = np.concatenate(
        [measures(images, chosen) for images, chosen in _resample(n, seeds, resamples, random)],
        axis=1,
    )
    low, high = np.quantile(draws, (0.025, 0.975), axis=1)
    ece, ace = [
        Measure(float(v), (max(0.0, float(2 * v - h)), max(0.0, float(2 * v - b))))
        for v, b, h in zip(values[:2], low[:2], high[:2], strict=True)
    ]
    brier, log_loss = [
        Measure(float(v), (float(b), float(h)))
        for v, b, h in zip(values[2:], low[2:], high[2:], strict=True)
    ]
    return CalibrationMetrics(ece, ace, brier, log_loss, _error_by_chance(probabilities, random))


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """How often predictions of a given confidence are right, with 95 % intervals.

    Attributes
    ----------
    confidence, accuracy : ndarray of float64, shape (bins,)
        Mean probability of the most probable class, and share that is right; 0 to 1. Empty bins
        are left out.
    low, high : ndarray of float64, shape (bins,)
        Wilson's 95 % interval of the accuracy, for the images of a bin counted once whatever
        the number of seeds [1]_.
    share : ndarray of float64, shape (bins,)
        Of all images, in a bin.

    References
    ----------
    .. [1] Wilson, E. B. (1927). Probable inference, the law of succession, and statistical
       inference. Journal of the American Statistical Association, 22(158).
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    share: NDArray[np.float64]


def reliability_curve(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64]
) -> ReliabilityCurve:
    """Group predictions by confidence into 15 bins of equal width, all seeds together.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (seeds, n, k)
    labels : ndarray of int64, shape (n,)

    Raises
    ------
    DataError
        If there is no image, or shapes do not fit.
    """
    check_probabilities(probabilities, labels)
    seeds, _, classes = probabilities.shape
    bins = reliability_bins(probabilities.reshape(-1, classes), np.tile(labels, seeds))
    low, high = wilson_interval(bins.accuracy, bins.count / seeds)
    share = bins.count / bins.count.sum()
    return ReliabilityCurve(bins.confidence, bins.accuracy, low, high, share)


def _confidence_gaps(shares: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return confidence minus correctness in the column of each image's bin, shape (n, bins).

    The calibration error of any weighting w of the images is then the sum of |w @ gaps|.
    """
    confidence = shares.max(axis=1).astype(np.float64)
    gaps = np.zeros((len(labels), CALIBRATION_BINS))
    rows = np.arange(len(labels))
    gaps[rows, confidence_bins(confidence)] = confidence - (shares.argmax(axis=1) == labels)
    return gaps


def _class_gaps(shares: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the same for every class in bins of equally many images, shape (n, classes x bins)."""
    n, classes = shares.shape
    gaps = np.zeros((n, classes * CALIBRATION_BINS))
    for index in range(classes):
        ranks = np.empty(n, dtype=np.int64)
        ranks[np.argsort(shares[:, index], kind="stable")] = np.arange(n)
        columns = index * CALIBRATION_BINS + ranks * CALIBRATION_BINS // n
        gaps[np.arange(n), columns] = shares[:, index] - (labels == index)
    return gaps


def _resample(
    n: int, seeds: int, resamples: int, random: np.random.Generator
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield weights of images and of seeds that sum to 1, some hundred resamples at a time."""
    chunk = max(1, 2**20 // n)
    for start in range(0, resamples, chunk):
        count = min(chunk, resamples - start)
        images = random.multinomial(n, np.full(n, 1 / n), size=count) / n
        chosen = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=count) / seeds
        yield images, chosen


def _error_by_chance(
    probabilities: NDArray[np.float32], random: np.random.Generator, repeats: int = 20
) -> float:
    errors = []
    for shares in probabilities:
        confidence = shares.max(axis=1).astype(np.float64)
        place = confidence_bins(confidence)
        for _ in range(repeats):
            gap = confidence - (random.random(len(confidence)) < confidence)
            errors.append(np.abs(np.bincount(place, gap)).sum() / len(confidence))
    return float(np.mean(errors))
