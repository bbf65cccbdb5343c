"""What trees learn of a row: votes instead of its label, and how much it weighs."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ferboost.config import TreeSettings
from ferboost.errors import DataError, SettingsError

__all__ = ["Objective", "class_weights", "mix_targets", "soft_objective", "soft_start"]

#: From margins, shape (n, classes), to the first and second derivatives of the loss by them.
Objective = Callable[[NDArray[np.float32], object], tuple[NDArray[np.float32], NDArray[np.float32]]]

_LEAST_CURVATURE = np.float32(1e-16)


def class_weights(
    labels: NDArray[np.int64],
    classes: int,
    settings: TreeSettings,
    logits: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return how much a row of each class weighs.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    classes : int
    settings : TreeSettings
        Of these, `class_weights` says what a class's weight is the inverse of: nothing, how many
        rows it has ("balanced"), or how many of them are recognised ("recall"). It is taken to
        `class_power`.
    logits : ndarray of float32, shape (n, classes), optional
        What a network says of the rows, for "recall".

    Returns
    -------
    ndarray of float32, shape (classes,)
        The rows weigh n in all.

    Raises
    ------
    DataError
        If a class has no row.
    SettingsError
        If there are no logits to go by.
    """
    counts = np.bincount(labels, minlength=classes)
    if counts.min() == 0:
        raise DataError(
            f"class {counts.argmin()} of {classes} has no image to learn from; add some"
        )
    if settings.class_weights == "none":
        return np.ones(classes, dtype=np.float32)
    common = counts
    if settings.class_weights == "recall":
        if logits is None:
            raise SettingsError("class_weights=recall takes trees that correct logits")
        # One more, for a class of which none is recognised.
        common = 1 + np.bincount(labels[logits.argmax(axis=1) == labels], minlength=classes)
    inverse = common**-settings.class_power
    weights: NDArray[np.float32] = (inverse * len(labels) / (inverse @ counts)).astype(np.float32)
    return weights


def mix_targets(
    labels: NDArray[np.int64], shares: NDArray[np.float32], weight: float
) -> NDArray[np.float32]:
    """Return targets between labels and votes.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    shares : ndarray of float32, shape (n, classes)
        Of the votes, as `ferboost.datasets.votes.soft_labels` gives them; rows of zeros where an
        image has none: it keeps its label.
    weight : float
        Of the votes, 0 to 1; the rest is the label's.

    Returns
    -------
    ndarray of float32, shape (n, classes)
        Rows sum to 1.
    """
    hard = np.eye(shares.shape[1], dtype=np.float32)[labels]
    voted = shares.sum(axis=1, keepdims=True) > 0
    mixed = (1 - weight) * hard + weight * np.where(voted, shares, hard)
    return mixed.astype(np.float32)


def soft_start(targets: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the margins, shape (classes,), whose softmax is the weighted mean of the targets."""
    mean = np.average(targets, axis=0, weights=weights)
    logs = np.log(np.maximum(mean, np.finfo(np.float32).tiny))
    return np.asarray(logs - logs.mean(), dtype=np.float32)


def soft_objective(targets: NDArray[np.float32], weights: NDArray[np.float32]) -> Objective:
    """Return the softmax cross-entropy with soft targets, as XGBoost and LightGBM take a loss.

    With p the softmax of the margins and t the targets, the gradient is w (p - t). In place of the
    second derivatives there stands 2 w p (1 - p), as in XGBoost's own multi:softprob: twice the
    diagonal, for what the trees of other classes change in the same round.

    Parameters
    ----------
    targets : ndarray of float32, shape (n, classes)
        Rows sum to 1.
    weights : ndarray of float32, shape (n,)
        Of the rows.
    """
    weight = weights[:, None]

    def derivatives(
        margins: NDArray[np.float32], _data: object
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        powers = np.exp(margins - margins.max(axis=1, keepdims=True))
        shares = powers / powers.sum(axis=1, keepdims=True)
        curvature = np.maximum(2 * shares * (1 - shares), _LEAST_CURVATURE)
        return (
            np.asarray(weight * (shares - targets), dtype=np.float32),
            np.asarray(weight * curvature, dtype=np.float32),
        )

    return derivatives
