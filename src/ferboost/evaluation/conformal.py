"""Sets of classes that hold the true one as often as asked, and the price of abstaining.

Needs numpy alone, so that an exported model can give sets where nothing else is installed.
"""

from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import DataError, SettingsError
from ferboost.evaluation.bootstrap import bootstrap_means, percentile_interval

__all__ = [
    "SET_METHODS",
    "ConformalSets",
    "RiskCoverage",
    "SetMetrics",
    "fit_conformal",
    "measure_sets",
    "risk_coverage",
]

SetMethod = Literal["lac", "aps", "raps"]

#: The methods of `fit_conformal`.
SET_METHODS: tuple[SetMethod, ...] = ("lac", "aps", "raps")

# Regularised sets: from the third class on, each costs as much as 5 % more probability.
_FREE_RANKS = 2
_PENALTY = 0.05


@dataclass(frozen=True)
class ConformalSets:
    """What decides which classes belong to the set of an image.

    Attributes
    ----------
    method : {"lac", "aps", "raps"}
    coverage : float
        The share of images whose set is to hold their true class, between 0 and 1.
    by_class : bool
        Whether the coverage holds for the images of each class by themselves.
    thresholds : tuple of float, length k
        A class belongs to the set where its score is not above its threshold; infinity where
        there were too few images to say less.
    """

    method: SetMethod
    coverage: float
    by_class: bool
    thresholds: tuple[float, ...]

    def predict(self, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Say which classes belong to the set of each image.

        A set of one class is a verdict; of several, "not sure which"; an empty one, which only
        least ambiguous sets have, says that no class is probable enough.

        Parameters
        ----------
        probabilities : ndarray of float32, shape (..., k)

        Returns
        -------
        ndarray of bool, shape (..., k)

        Raises
        ------
        DataError
            If there are not k classes.
        """
        if probabilities.shape[-1] != len(self.thresholds):
            raise DataError(
                f"sets of {len(self.thresholds)} classes cannot be made of probabilities of "
                f"{probabilities.shape[-1]}"
            )
        return np.asarray(_scores(probabilities, self.method) <= np.array(self.thresholds))

    def to_dict(self) -> dict[str, Any]:  # Any: strings, numbers, lists, as JSON has them
        """Return what `from_dict` reads; an infinite threshold is null."""
        finite = [t if np.isfinite(t) else None for t in self.thresholds]
        return {
            "method": self.method,
            "coverage": self.coverage,
            "by_class": self.by_class,
            "thresholds": finite,
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "ConformalSets":
        """Return the sets that `to_dict` described.

        Raises
        ------
        DataError
            If it describes none.
        """
        try:
            thresholds = tuple(
                np.inf if value is None else float(value) for value in content["thresholds"]
            )
            method, coverage = content["method"], float(content["coverage"])
            by_class = bool(content["by_class"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"these are no conformal sets ({error!r}); fit them again") from error
        if method not in SET_METHODS:
            raise DataError(f"these are no conformal sets (method {method!r}); fit them again")
        return cls(method, coverage, by_class, thresholds)


def fit_conformal(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    coverage: float = 0.9,
    method: SetMethod = "lac",
    *,
    by_class: bool = False,
) -> ConformalSets:
    """Choose the thresholds that reach a coverage on images like these.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, k)
        Of images that the model was not trained on, and that do not count in its evaluation.
    labels : ndarray of int64, shape (n,)
        The true classes.
    coverage : float
        Share of images whose set is to hold their true class, between 0 and 1.
    method : {"lac", "aps", "raps"}
        Least ambiguous sets are the smallest on average, those of hard images too small [1]_.
        Adaptive sets take in classes by falling probability until enough is in [2]_: larger for
        hard images, never empty. Regularised ones make a third and every further class cost 5 %
        more [3]_.
    by_class : bool
        Reach the coverage among the images of each class [4]_.

    Notes
    -----
    Adaptive scores are the probability of all more probable classes, without the random tie
    breaking of [2]_: the same image always gets the same set. At a coverage below the model's
    accuracy they therefore cover more than asked.

    Raises
    ------
    SettingsError
        If the coverage is not between 0 and 1, or there is no such method.
    DataError
        If there is no image, or shapes do not fit.

    References
    ----------
    .. [1] Sadinle, M., Lei, J. & Wasserman, L. (2019). Least ambiguous set-valued classifiers with
       bounded error levels. Journal of the American Statistical Association, 114(525).
    .. [2] Romano, Y., Sesia, M. & Candès, E. (2020). Classification with valid and adaptive
       coverage. NeurIPS.
    .. [3] Angelopoulos, A., Bates, S., Malik, J. & Jordan, M. I. (2021). Uncertainty sets for image
       classifiers using conformal prediction. ICLR.
    .. [4] Vovk, V. (2012). Conditional validity of inductive conformal predictors. ACML.
    """
    if not 0 < coverage < 1:
        raise SettingsError(f"a coverage lies between 0 and 1, such as 0.9; found {coverage}")
    if method not in SET_METHODS:
        raise SettingsError(f"no conformal sets {method!r}; there are: {', '.join(SET_METHODS)}")
    if len(labels) == 0 or probabilities.shape[:1] != labels.shape or probabilities.ndim != 2:
        raise DataError(
            f"conformal sets need a row of probabilities for each label, found "
            f"{probabilities.shape} for {len(labels)} labels"
        )
    classes = probabilities.shape[1]
    scores = _scores(probabilities, method)[np.arange(len(labels)), labels]
    if by_class:
        thresholds = [_quantile(scores[labels == index], coverage) for index in range(classes)]
    else:
        thresholds = [_quantile(scores, coverage)] * classes
    return ConformalSets(method, coverage, by_class, tuple(thresholds))


def _quantile(scores: NDArray[np.float64], coverage: float) -> float:
    rank = ceil((len(scores) + 1) * coverage)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else float("inf")


def _scores(probabilities: NDArray[np.float32], method: SetMethod) -> NDArray[np.float64]:
    """Return how badly each class fits each image."""
    shares = probabilities.astype(np.float64)
    if method == "lac":
        return 1 - shares
    order = np.argsort(-shares, axis=-1, kind="stable")
    falling = np.take_along_axis(shares, order, axis=-1)
    before = np.cumsum(falling, axis=-1) - falling
    if method == "raps":
        before += _PENALTY * np.maximum(np.arange(shares.shape[-1]) + 1 - _FREE_RANKS, 0)
    scores = np.empty_like(shares)
    np.put_along_axis(scores, order, before, axis=-1)
    return scores


@dataclass(frozen=True)
class SetMetrics:
    """What sets of classes are worth, mean over seeds; shares from 0 to 1.

    Attributes
    ----------
    coverage : float
        Share of images whose set holds their true class.
    interval : tuple of float
        Its 95 % bootstrap interval over images and seeds.
    by_class : tuple of float or None
        The same among the images of each true class; None where there are none.
    size : float
        Mean number of classes in a set.
    single : float
        Share of images whose set has one class: those that get a verdict.
    single_accuracy : float or None
        Share of these verdicts that are right.
    empty : float
        Share of images with an empty set.
    """

    coverage: float
    interval: tuple[float, float]
    by_class: tuple[float | None, ...]
    size: float
    single: float
    single_accuracy: float | None
    empty: float


def measure_sets(
    sets: NDArray[np.bool_], labels: NDArray[np.int64], *, seed: int = 0
) -> SetMetrics:
    """Measure sets of classes on images that they were not fitted on.

    Parameters
    ----------
    sets : ndarray of bool, shape (seeds, n, k)
    labels : ndarray of int64, shape (n,)
    seed : int
        Of the bootstrap.

    Raises
    ------
    DataError
        If there is no image, or shapes do not fit.
    """
    if sets.ndim != 3 or sets.shape[1] != len(labels) or sets.size == 0:
        raise DataError(f"{len(labels)} labels need as many sets, found shape {sets.shape}")
    covered = sets[:, np.arange(len(labels)), labels]
    sizes = sets.sum(axis=2)
    single = sizes == 1
    return SetMetrics(
        coverage=float(covered.mean()),
        interval=percentile_interval(bootstrap_means(covered, seed=seed)),
        by_class=tuple(
            float(covered[:, labels == index].mean()) if (labels == index).any() else None
            for index in range(sets.shape[2])
        ),
        size=float(sizes.mean()),
        single=float(single.mean()),
        single_accuracy=float(covered[single].mean()) if single.any() else None,
        empty=float((sizes == 0).mean()),
    )


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """The error among the images that a model is surest of.

    Attributes
    ----------
    answered : ndarray of float64, shape (n,)
        Share of images that get an answer, rising to 1.
    risk : ndarray of float64, shape (n,)
        Share of wrong answers among them.
    threshold : ndarray of float64, shape (n,)
        The least confidence that is answered.
    area : float
        Area under the curve: the mean risk (AURC).
    least_area : float
        The area if every right answer had more confidence than every wrong one.
    """

    answered: NDArray[np.float64]
    risk: NDArray[np.float64]
    threshold: NDArray[np.float64]
    area: float
    least_area: float


def risk_coverage(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> RiskCoverage:
    """Let a model abstain where it is least confident.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, k)
        Of one seed.
    labels : ndarray of int64, shape (n,)

    Raises
    ------
    DataError
        If there is no image, or shapes do not fit.

    References
    ----------
    .. [1] Geifman, Y., Uziel, G. & El-Yaniv, R. (2019). Bias-reduced uncertainty estimation for
       deep neural classifiers. ICLR.
    """
    if len(labels) == 0 or probabilities.ndim != 2 or len(probabilities) != len(labels):
        raise DataError(
            f"{len(labels)} labels need as many rows of probabilities, found {probabilities.shape}"
        )
    confidence = probabilities.max(axis=1).astype(np.float64)
    wrong = probabilities.argmax(axis=1) != labels
    order = np.argsort(-confidence, kind="stable")
    count = np.arange(1, len(labels) + 1)
    risk = np.cumsum(wrong[order]) / count
    best = np.cumsum(np.sort(wrong)) / count
    return RiskCoverage(
        answered=count / len(labels),
        risk=risk,
        threshold=confidence[order],
        area=float(risk.mean()),
        least_area=float(best.mean()),
    )
