"""Labels that are probably wrong, and how good it is at finding them that a model says so."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import DataError
from ferboost.evaluation.bootstrap import Measure
from ferboost.evaluation.proportions import wilson_interval

__all__ = ["FinderCurve", "LabelErrors", "find_label_errors", "judge_finder"]


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """Images in the order in which their labels should be looked at again.

    Attributes
    ----------
    order : ndarray of int64, shape (n,)
        Positions of the images, the most suspicious first: by `belief`.
    suspect : ndarray of bool, shape (n,)
        Where the model is as sure of another class as it is, on average, of images of that class.
    suggested : ndarray of int64, shape (n,)
        The most probable class other than the label.
    belief : ndarray of float64, shape (n,)
        Probability of the label as a share of the label's and that of `suggested`, 0 to 1.
    """

    order: NDArray[np.int64]
    suspect: NDArray[np.bool_]
    suggested: NDArray[np.int64]
    belief: NDArray[np.float64]


def find_label_errors(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> LabelErrors:
    """Find likely label errors by confident learning.

    An image counts for the class that it is most probable to be among those whose probability
    reaches the mean that images labelled so have; where that is not its label, it is a suspect.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, k)
        By a model that was not trained on these images.
    labels : ndarray of int64, shape (n,)

    Raises
    ------
    DataError
        If there is no image, or shapes do not fit.

    References
    ----------
    .. [1] Northcutt, C., Jiang, L. & Chuang, I. (2021). Confident learning: estimating uncertainty
       in dataset labels. Journal of Artificial Intelligence Research, 70, 1373-1411.
    """
    if not len(labels) or probabilities.shape[:1] != labels.shape:
        raise DataError(
            f"label errors are found among images with a label and probabilities each; found "
            f"{len(labels)} labels and probabilities of shape {probabilities.shape}"
        )
    rows, classes = np.arange(len(labels)), probabilities.shape[1]
    shares = probabilities.astype(np.float64)
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, shares[rows, labels], minlength=classes)
    # A class without an image is no evidence for anything.
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    reached = np.where(shares >= thresholds, shares, -1)
    suspect = (reached.max(axis=1) >= 0) & (reached.argmax(axis=1) != labels)
    others = shares.copy()
    others[rows, labels] = -1
    suggested = others.argmax(axis=1)
    own, other = shares[rows, labels], shares[rows, suggested]
    belief = own / np.maximum(own + other, np.finfo(np.float64).tiny)
    # Suspects first, each by the difference instead of the ratio, found fewer errors in the first
    # 50 to 500 images of FER-2013's validation and test images.
    return LabelErrors(np.argsort(belief, kind="stable"), suspect, suggested, belief)


@dataclass(frozen=True, eq=False)
class FinderCurve:
    """How many of the first k images really have a wrong label.

    Attributes
    ----------
    wrong : ndarray of bool, shape (judged,)
        Whether the label is wrong, of each judged image in the order of suspicion; some are.
    """

    wrong: NDArray[np.bool_]

    @property
    def judged(self) -> int:
        """Number of judged images."""
        return len(self.wrong)

    @property
    def errors(self) -> int:
        """Judged images whose label is wrong."""
        return int(self.wrong.sum())

    @property
    def base_rate(self) -> float:
        """Share of all judged images whose label is wrong."""
        return self.errors / self.judged

    @cached_property
    def precision(self) -> NDArray[np.float64]:
        """Share of wrong labels among the first, the first two and further images."""
        return self.wrong.cumsum() / np.arange(1, self.judged + 1)

    @cached_property
    def recall(self) -> NDArray[np.float64]:
        """Share of all wrong labels that are among these."""
        found: NDArray[np.float64] = self.wrong.cumsum() / self.errors
        return found

    def precision_at(self, count: int) -> Measure:
        """Return the precision of the first `count` images with Wilson's 95 % interval."""
        n = min(count, self.judged)
        low, high = wilson_interval(self.precision[n - 1 : n], np.array([n]))
        return Measure(float(self.precision[n - 1]), (float(low[0]), float(high[0])))

    def to_dict(self, counts: tuple[int, ...] = (50, 100, 200, 500, 1000)) -> dict[str, Any]:
        """Return the base rate, and precision and recall at some counts, as JSON can hold them."""
        return {
            "judged": self.judged,
            "errors": self.errors,
            "base_rate": self.base_rate,
            "at": {
                str(count): {
                    "precision": self.precision_at(count).to_dict(),
                    "recall": float(self.recall[count - 1]),
                    "times_base_rate": self.precision_at(count).value / self.base_rate,
                }
                for count in counts
                if count <= self.judged
            },
        }


def judge_finder(
    order: NDArray[np.int64], wrong: NDArray[np.bool_], judged: NDArray[np.bool_]
) -> FinderCurve:
    """Compare an order of suspicion with what is known of the labels.

    Parameters
    ----------
    order : ndarray of int64, shape (n,)
    wrong : ndarray of bool, shape (n,)
        Whether each image's label is wrong.
    judged : ndarray of bool, shape (n,)
        Whether that is known; other images are passed over.

    Raises
    ------
    DataError
        If no image is judged, or no judged label is wrong.
    """
    known = order[judged[order]]
    if not wrong[known].any():
        raise DataError(f"none of {len(known):,} judged labels is wrong: there is nothing to find")
    return FinderCurve(wrong[known])
