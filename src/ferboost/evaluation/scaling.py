"""Scaling probabilities so that they mean what they say.

Needs numpy alone, so that an exported model can be calibrated where nothing else is installed.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import DataError, SettingsError

__all__ = [
    "SCALING_METHODS",
    "SMALLEST_PROBABILITY",
    "Scaling",
    "ScalingMethod",
    "check_probabilities",
    "fit_scaling",
    "fit_shown_scaling",
    "log_losses",
    "logarithms",
]

ScalingMethod = Literal["temperature", "vector"]

#: The methods of `fit_scaling`.
SCALING_METHODS: tuple[ScalingMethod, ...] = ("temperature", "vector")

#: Less is taken for this much: a float32 softmax gives exact zeros, whose logarithm is infinite.
SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)
# Keeps the weights finite where the images are told apart without an error.
_RIDGE = 1e-4
_STEPS = 100
_PARTS = 5
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
    def changes_nothing(self) -> bool:
        """Whether probabilities stay what they are."""
        return set(self.scale) == {1.0} and not any(self.bias)

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
        if self.changes_nothing:
            return probabilities
        logits = logarithms(probabilities) * np.array(self.scale) + np.array(self.bias)
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
    check_probabilities(probabilities[None], labels)
    logits = logarithms(probabilities)
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


def fit_shown_scaling(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    method: ScalingMethod = "temperature",
) -> Scaling:
    """Fit a scaling, or leave probabilities as they are where that is not shown to be worse.

    In five parts of the images, each scaled as the other four say, the log loss must fall by more
    than the standard error of its mean: a few images are easier or harder than all by chance, and a
    model that is right about itself would learn that of them.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, k)
    labels : ndarray of int64, shape (n,)
    method : {"temperature", "vector"}
        As for `fit_scaling`.

    Returns
    -------
    Scaling
        With factors of 1 and no bias where it changes nothing.

    Raises
    ------
    DataError, SettingsError
        As `fit_scaling`.

    References
    ----------
    .. [1] Breiman, L., Friedman, J., Stone, C. & Olshen, R. (1984). Classification and Regression
       Trees, section 3.4.3: the rule of one standard error.
    """
    found = fit_scaling(probabilities, labels, method)
    parts = np.arange(len(labels)) % _PARTS
    gains = np.zeros(len(labels))
    for part in range(min(_PARTS, len(labels))):
        own, others = parts == part, parts != part
        if others.any():
            scaling = fit_scaling(probabilities[others], labels[others], method)
            before, after = probabilities[own], scaling.apply(probabilities[own])
            gains[own] = log_losses(before, labels[own]) - log_losses(after, labels[own])
    if _are_shown(gains):
        return found
    classes = len(found.scale)
    return Scaling(method, (1.0,) * classes, (0.0,) * classes)


def _are_shown(gains: NDArray[np.float64]) -> bool:
    return bool(gains.mean() > gains.std() / len(gains) ** 0.5)


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


def logarithms(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the logarithms of probabilities, kept finite; the shape stays."""
    clipped = np.clip(probabilities.astype(np.float64), SMALLEST_PROBABILITY, 1)
    found: NDArray[np.float64] = np.log(clipped / clipped.sum(axis=-1, keepdims=True))
    return found


def log_losses(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the negative logarithm of the probability of each image's class, in nats, finite.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, k) or (seeds, n, k)
    labels : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of float64, shape (n,) or (seeds, n)
    """
    found: NDArray[np.float64] = -logarithms(probabilities)[..., np.arange(len(labels)), labels]
    return found


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def check_probabilities(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    """Check that probabilities, shape (seeds, n, k), and labels, shape (n,), belong together.

    Raises
    ------
    DataError
        If there is no image, shapes do not fit, or a probability is not a number.
    """
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
