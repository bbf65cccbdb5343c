"""Which images trees put right, and which they spoil."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferboost.evaluation.comparison import Comparison, adjusted, compare_variants
from ferboost.evaluation.results import Results
from ferboost.variants import CNN

__all__ = ["ChangedFaces", "ClassChange", "changes_by_class", "pick_changed"]


@dataclass(frozen=True)
class ClassChange:
    """What trees change among the images of one class, means over seeds.

    Attributes
    ----------
    name : str
    n : int
        Images of the class.
    fixed, broken : float
        Images that the CNN gets wrong and the trees right, and the other way round.
    gain : Comparison
        The trees (b) against the CNN (a) on these images, its p adjusted for the number of classes.
    """

    name: str
    n: int
    fixed: float
    broken: float
    gain: Comparison


@dataclass(frozen=True, eq=False)
class ChangedFaces:
    """Images that trees put right or spoil.

    Attributes
    ----------
    variant : str
    images : ndarray of uint8, shape (n, 48, 48)
    labels, cnn, trees : ndarray of int64, shape (n,)
        True class, and what the CNN and the trees say.
    """

    variant: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    cnn: NDArray[np.int64]
    trees: NDArray[np.int64]

    @property
    def fixed(self) -> NDArray[np.bool_]:
        """Which of them the trees put right."""
        return np.asarray(self.trees == self.labels)


def changes_by_class(
    results: Results, variant: str, *, resamples: int = 10_000
) -> tuple[ClassChange, ...]:
    """Count what a variant fixes and breaks, by true class.

    Parameters
    ----------
    results : Results
    variant : str
        One with trees.
    resamples : int
        Bootstrap resamples of the intervals.
    """
    before, after = results.correct(CNN), results.correct(variant)
    fixed, broken = ~before & after, before & ~after
    counts, gains = [], []
    for label, name in enumerate(results.classes):
        members = results.labels == label
        if members.any():
            fixes, breaks = (float(p[:, members].sum(axis=1).mean()) for p in (fixed, broken))
            counts.append((name, int(members.sum()), fixes, breaks))
            gains.append(
                compare_variants(results, CNN, variant, images=members, resamples=resamples)
            )
    return tuple(
        ClassChange(*count, gain) for count, gain in zip(counts, adjusted(gains), strict=True)
    )


def pick_changed(
    results: Results, variant: str, images: NDArray[np.uint8], most: int
) -> ChangedFaces:
    """Pick the images of the first seed on which trees change the verdict most.

    Parameters
    ----------
    results : Results
    variant : str
        One with trees.
    images : ndarray of uint8, shape (n, 48, 48)
        What the results are of.
    most : int
        How many are picked of those that are put right, and of those that are spoilt.
    """
    first = results.seeds[0].probabilities
    rows = np.arange(len(results.labels))
    gain = first[variant][rows, results.labels] - first[CNN][rows, results.labels]
    cnn, trees = first[CNN].argmax(axis=1), first[variant].argmax(axis=1)
    fixed = (cnn != results.labels) & (trees == results.labels)
    broken = (cnn == results.labels) & (trees != results.labels)
    picked = np.concatenate([_greatest(gain, fixed, most), _greatest(-gain, broken, most)])
    return ChangedFaces(variant, images[picked], results.labels[picked], cnn[picked], trees[picked])


def _greatest(values: NDArray[np.float32], among: NDArray[np.bool_], most: int) -> NDArray[np.intp]:
    index = np.flatnonzero(among)
    return index[np.argsort(-values[index], kind="stable")[:most]]
