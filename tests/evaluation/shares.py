"""Probabilities that are right, and some that promise too much."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def softmax(logits: NDArray[np.float64]) -> Floats:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)


def draw(n: int = 4000, classes: int = 4, seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    """Draw probabilities and labels that have them, so that they are perfectly calibrated."""
    random = np.random.default_rng(seed)
    shares = softmax(random.normal(scale=1.5, size=(n, classes)))
    chosen = (shares.cumsum(axis=1) < random.random((n, 1))).sum(axis=1)
    return shares, np.minimum(chosen, classes - 1).astype(np.int64)


def overconfident(shares: Floats, factor: float = 2.0) -> Floats:
    return softmax(factor * np.log(shares.astype(np.float64)))
