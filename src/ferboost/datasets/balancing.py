"""Equally many images of every class (section 3.2 of the study)."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["balance"]


def balance(labels: NDArray[np.int64], seed: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Choose images so that every class has as many as the classes have on average.

    Classes with more lose images at random; classes with fewer get copies, which the study made
    different by augmentation.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    seed : int

    Returns
    -------
    index : ndarray of intp, shape (m,)
        Positions of the chosen images.
    copied : ndarray of bool, shape (m,)
        True where an image had been chosen already, so that it is to be augmented.
    """
    random = np.random.default_rng(seed)
    classes, counts = np.unique(labels, return_counts=True)
    target = round(len(labels) / len(classes))
    chosen, copied = [], []
    for label, count in zip(classes, counts, strict=True):
        own = random.permutation(np.flatnonzero(labels == label))[:target]
        copies = random.choice(own, size=max(target - count, 0))
        chosen += [own, copies]
        copied += [np.zeros(len(own), bool), np.ones(len(copies), bool)]
    return np.concatenate(chosen), np.concatenate(copied)
