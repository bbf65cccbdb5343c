"""Probabilities that mean what they say: scaling, and how far they are off.

Needs numpy alone, so that an exported model can be calibrated where nothing else is installed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import DataError, SettingsError

__all__ = [
    "SCALING_METHODS",
    "SMALLEST_PROBABILITY",
    "CalibrationMetrics",
    "Measure",
    "ReliabilityCurve",
    "Scaling",
    "fit_scaling",
    "measure_calibration",
    "reliability_curve",
]

ScalingMethod = Literal["temperature", "vector"]

#: The methods of `fit_scaling`.
SCALING_METHODS: tuple[ScalingMethod, ...] = ("temperature", "vector")

_BINS = 15
#: Less is taken for this much: a float32 softmax gives exact zeros, whose logarithm is infinite.
SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)
# Keeps the weights finite where the images are told apart without an error.
_RIDGE = 1e-4
_STEPS = 100
# A model that knows nothing of the images would be turned around by a factor below 0.
_FACTORS = (0.05, 20.0)


@dataclass(frozen=True)
class Scaling:
    """What is done to log probabilities before they are normalised again.

    Attributes
    ----------
    method : {"temperature", "vector"}
    scale : tuple of float, length k
        Multiplies the logarithm of each class's probability. Temperature scaling has one value
        for all, 1 / T.
    bias : tuple of float, length k
        Added to it, in nats; zeros for temperature scaling.

    References
    ----------
    .. [1] Guo, C., Pleiss, G., Sun, Y. & Weinberger, K. Q. (2017). On calibration of modern
       neural networks. ICML, section 4.2.
    """

    method: ScalingMethod
    scale: tuple[float, ...]
    bias: tuple[float, ...]

    @property
    def temperature(self) -> float:
        """The T that divides the logits; of vector scaling 1 over the mean factor."""
        return 1 / float(np.mean(self.scale))

    def apply(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated probabilities.

        The logarithm of a softmax is its logits but for a constant, which the softmax takes out
        again: scaling probabilities is scaling logits.

        Parameters
        ----------
        probabilities : ndarray of float32, shape (..., k)
            Rows sum to 1.

        Returns
        -------
        ndarray of float32, shape (..., k)

        Raises
        ------
        DataError
            If there are not k classes.
        """
        if probabilities.shape[-1] != len(self.scale):
            raise DataError(
                f"a calibration of {len(self.scale)} classes cannot scale probabilities of "
                f"{probabilities.shape[-1]}"
            )
        logits = _logarithms(probabilities) * np.array(self.scale) + np.array(self.bias)
        return _softmax(logits).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:  # Any: strings and lists, as JSON has them
        """Return what `from_dict` reads."""
        return {"method": self.method, "scale": list(self.scale), "bias": list(self.bias)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Scaling":
        """Return the scaling that `to_dict` described.

        Raises
        ------
        DataError
            If it is none.
        """
        try:
            scale = tuple(float(value) for value in content["scale"])
            bias = tuple(float(value) for value in content["bias"])
            method = content["method"]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"that is no calibration ({error!r}); fit it again") from error
        if method not in SCALING_METHODS or len(scale) != len(bias) or not scale:
            raise DataError("that is no calibration (its parts do not fit); fit it again")
        return cls(method, scale, bias)


def fit_scaling(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    method: ScalingMethod = "temperature",
) -> Scaling:
    """Fit a scaling that makes the true classes most probable.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, k)
        Of images that the model was not trained on, and that do not count in its evaluation.
    labels : ndarray of int64, shape (n,)
        The true classes.
    method : {"temperature", "vector"}
        One factor for all classes, which changes no verdict; or a factor and a bias for each.

    Notes
    -----
    The negative log likelihood is convex in the factors and biases. Newton's method with step
    halving finds its minimum; a ridge of 1e-4 around the identity keeps it finite.

    Raises
    ------
    DataError
        If there is no image, or shapes do not fit.
    SettingsError
        If there is no such method.
    """
    if method not in SCALING_METHODS:
        raise SettingsError(f"no calibration {method!r}; there are: {', '.join(SCALING_METHODS)}")
    _check(probabilities[None], labels)
    logits = _logarithms(probabilities)
    classes = logits.shape[1]
    if method == "temperature":
        factor = _minimize(logits[:, :, None], labels, np.ones(1))
        # The loss is convex: where its minimum lies outside, the nearest limit is the best inside.
        bounded = float(np.clip(factor[0], *_FACTORS))
        return Scaling(method, (bounded,) * classes, (0.0,) * classes)
    # Column j of the design is how parameter j moves each class's logit.
    design = np.zeros((len(logits), classes, 2 * classes))
    index = np.arange(classes)
    design[:, index, index] = logits
    design[:, index, classes + index] = 1
    found = _minimize(design, labels, np.concatenate([np.ones(classes), np.zeros(classes)]))
    return Scaling(method, tuple(found[:classes].tolist()), tuple(found[classes:].tolist()))


def _minimize(
    design: NDArray[np.float64], labels: NDArray[np.int64], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Minimise the log loss of softmax(design @ parameters), which is convex."""
    rows = np.arange(len(labels))
    true = design[rows, labels].mean(axis=0)

    def loss(parameters: NDArray[np.float64]) -> float:
        shares = _softmax(design @ parameters)[rows, labels]
        penalty = _RIDGE / 2 * float(((parameters - start) ** 2).sum())
        return penalty - float(np.log(np.maximum(shares, np.finfo(float).tiny)).mean())

    parameters, best = start.copy(), loss(start)
    for _ in range(_STEPS):
        shares = _softmax(design @ parameters)
        mean = np.einsum("nk,nkp->np", shares, design)
        gradient = mean.mean(axis=0) - true + _RIDGE * (parameters - start)
        weighted = shares[:, :, None] * design
        second = np.einsum("nkp,nkq->pq", weighted, design, optimize=True) - mean.T @ mean
        second = second / len(labels) + _RIDGE * np.eye(len(start))
        step = np.linalg.solve(second, gradient)
        size = 1.0
        while (found := loss(parameters - size * step)) > best and size > 1e-6:
            size /= 2
        if best - found < 1e-12:
            break
        parameters, best = parameters - size * step, found
    return parameters


@dataclass(frozen=True)
class Measure:
    """A number and its 95 % bootstrap interval over images and seeds."""

    value: float
    interval: tuple[float, float]


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
            **{n: {"value": m.value, "interval": list(m.interval)} for n, m in measures.items()},
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
    _check(probabilities, labels)
    if resamples < 1:
        raise SettingsError(f"a bootstrap needs at least 1 resample, found {resamples}")
    random = np.random.default_rng(seed)
    seeds, n, classes = probabilities.shape
    expected = [_confidence_gaps(shares, labels) for shares in probabilities]
    adaptive = [_class_gaps(shares, labels) for shares in probabilities]
    truth = np.eye(classes)[labels]
    squares = ((probabilities.astype(np.float64) - truth) ** 2).sum(axis=2)
    surprises = -_logarithms(probabilities)[:, np.arange(n), labels]

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
    _check(probabilities, labels)
    confidence = probabilities.max(axis=2).astype(np.float64).ravel()
    correct = (probabilities.argmax(axis=2) == labels).ravel()
    place = _confidence_bins(confidence)
    count = np.bincount(place, minlength=_BINS)
    filled = count > 0
    accuracy = np.bincount(place, correct, minlength=_BINS)[filled] / count[filled]
    images = count[filled] / len(probabilities)
    z = 1.959964
    middle = (accuracy + z**2 / (2 * images)) / (1 + z**2 / images)
    spread = np.sqrt(accuracy * (1 - accuracy) / images + z**2 / (4 * images**2))
    spread *= z / (1 + z**2 / images)
    return ReliabilityCurve(
        confidence=np.bincount(place, confidence, minlength=_BINS)[filled] / count[filled],
        accuracy=accuracy,
        low=np.clip(middle - spread, 0, 1),
        high=np.clip(middle + spread, 0, 1),
        share=count[filled] / len(confidence),
    )


def _confidence_bins(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.clip(np.ceil(confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)


def _confidence_gaps(shares: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return confidence minus correctness in the column of each image's bin, shape (n, bins).

    The calibration error of any weighting w of the images is then the sum of |w @ gaps|.
    """
    confidence = shares.max(axis=1).astype(np.float64)
    gaps = np.zeros((len(labels), _BINS))
    rows = np.arange(len(labels))
    gaps[rows, _confidence_bins(confidence)] = confidence - (shares.argmax(axis=1) == labels)
    return gaps


def _class_gaps(shares: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the same for every class in bins of equally many images, shape (n, classes x bins)."""
    n, classes = shares.shape
    gaps = np.zeros((n, classes * _BINS))
    for index in range(classes):
        ranks = np.empty(n, dtype=np.int64)
        ranks[np.argsort(shares[:, index], kind="stable")] = np.arange(n)
        columns = index * _BINS + ranks * _BINS // n
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
        place = _confidence_bins(confidence)
        for _ in range(repeats):
            gap = confidence - (random.random(len(confidence)) < confidence)
            errors.append(np.abs(np.bincount(place, gap)).sum() / len(confidence))
    return float(np.mean(errors))


def _logarithms(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    clipped = np.clip(probabilities.astype(np.float64), SMALLEST_PROBABILITY, 1)
    logarithms: NDArray[np.float64] = np.log(clipped / clipped.sum(axis=-1, keepdims=True))
    return logarithms


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def _check(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    if len(labels) == 0:
        raise DataError("there is no image to calibrate with")
    if probabilities.ndim != 3 or probabilities.shape[1] != len(labels):
        raise DataError(
            f"{len(labels)} labels need as many rows of probabilities, found "
            f"{probabilities.shape[1:]}"
        )
    if labels.min() < 0 or labels.max() >= probabilities.shape[2]:
        raise DataError(f"labels must count from 0 to {probabilities.shape[2] - 1}")
    if not np.isfinite(probabilities).all():
        raise DataError("a predicted probability is not a number: the training has diverged")
