"""Is one model better than another on the same images, and by how much."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import DataError
from ferboost.evaluation.bootstrap import Measure, bootstrap_means, percentile_interval
from ferboost.evaluation.proportions import mcnemar
from ferboost.evaluation.results import Results

__all__ = [
    "Comparison",
    "Discordance",
    "adjusted",
    "compare",
    "compare_variants",
    "holm",
    "in_points",
]


@dataclass(frozen=True)
class Discordance:
    """Images on which two models disagree, and McNemar's test of them.

    Attributes
    ----------
    only_a, only_b : int
        Images that only the first, and only the second, model gets right.
    p : float
        Exact two-sided binomial probability of a split at least as uneven as this one if both
        models were equally accurate (McNemar, 1947); 1 where they never disagree.
    """

    only_a: int
    only_b: int
    p: float


@dataclass(frozen=True)
class Comparison:
    """The second model (b) against the first (a) on the same images.

    Attributes
    ----------
    n : int
        Images compared.
    difference : float
        Accuracy of b minus accuracy of a, mean over seeds, in percent points.
    interval : tuple of float
        95 % bootstrap interval of `difference` over images and seeds, in percent points. With
        one seed it leaves out how much training varies.
    per_seed : tuple of Discordance
        One for each seed.
    pooled : Discordance
        All seeds in one: images that a, or b, gets right in more seeds than the other does.
        Counting every seed's images anew would take each image for several independent ones.
    p : float
        That of `pooled`; where it is one of several comparisons, adjusted for how many (Holm).
    loss : Measure or None
        Log loss of b minus that of a, mean over images and seeds, in nats, with its 95 % bootstrap
        interval: what b makes of the probabilities of all classes, also where no verdict changes.
        None where it is not known.
    loss_p : float
        Two-sided, of the bootstrap's deviation by the normal distribution; adjusted as `p` is. 1
        where `loss` is None.
    """

    n: int
    difference: float
    interval: tuple[float, float]
    per_seed: tuple[Discordance, ...]
    pooled: Discordance
    p: float
    loss: Measure | None = None
    loss_p: float = 1.0

    @property
    def shown(self) -> bool:
        """Whether the data show a difference: the interval leaves 0 out and `p` is below 0.05.

        The interval alone would be sure of a difference after a single image.
        """
        low, high = self.interval
        return (low > 0 or high < 0) and self.p < 0.05

    def sentence(self, name_a: str, name_b: str) -> str:
        """Return the sentence that the numbers support.

        Parameters
        ----------
        name_a, name_b : str
            The models, as they stand inside a sentence, such as ``"the CNN"`` and
            ``"boosting on fc1"``.
        """
        low, high = self.interval
        if not self.shown:
            numbers = f"{in_points(self.difference)} points [{in_points(low)}, {in_points(high)}]"
            if low > 0 or high < 0:
                numbers += f", McNemar p = {self.p:.2f}" + ", adjusted" * (self.p != self.pooled.p)
            both = f"{name_a} and {name_b}"
            return f"No difference shown between {both} ({numbers}){self._loss_clause(name_b)}."
        subject = name_b[0].upper() + name_b[1:]
        limits = ", ".join(in_points(limit) for limit in sorted((abs(low), abs(high))))
        gap = f"{in_points(abs(self.difference))} points [{limits}]"
        if self.difference > 0:
            return f"{subject} adds {gap} to {name_a}{self._loss_clause()}."
        return f"{subject} is {gap} below {name_a}{self._loss_clause()}."

    def _loss_clause(self, name_b: str = "it") -> str:
        """Return what the log loss shows of b, by interval and p as `shown`, if anything."""
        if self.loss is None or self.loss_p >= 0.05:
            return ""
        if self.loss.interval[0] <= 0 <= self.loss.interval[1]:
            return ""
        low, high = sorted(map(abs, self.loss.interval))
        judged = "better" if self.loss.value < 0 else "worse"
        by = f"{abs(self.loss.value):.3f} nats [{low:.3f}, {high:.3f}]"
        return f"; by log loss {name_b} is {judged} by {by}"


def compare(
    correct_a: NDArray[np.bool_],
    correct_b: NDArray[np.bool_],
    *,
    losses: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare two models that have seen the same images with the same seeds.

    Parameters
    ----------
    correct_a, correct_b : ndarray of bool, shape (seeds, n)
        Whether each seed of the model got each image right, as `Results.correct` says.
    losses : tuple of two ndarray of float64, shape (seeds, n), optional
        The log loss of either model on each image, as `Results.losses` says.
    resamples : int
        Bootstrap resamples of the interval; for losses a fifth of them.
    seed : int
        Of the bootstrap.

    Raises
    ------
    DataError
        If the shapes differ or there is nothing to compare.
    SettingsError
        If `resamples` is less than 1.

    References
    ----------
    .. [1] McNemar, Q. (1947). Note on the sampling error of the difference between correlated
       proportions or percentages. Psychometrika, 12(2), 153-157.
    .. [2] Efron, B. & Tibshirani, R. J. (1993). An introduction to the bootstrap. Chapman & Hall.
    """
    if correct_a.shape != correct_b.shape or correct_a.ndim != 2:
        raise DataError(
            "models can be compared on the same images and seeds only, found results of shape "
            f"{correct_a.shape} and {correct_b.shape} instead of (seeds, n) twice"
        )
    if correct_a.size == 0:
        raise DataError("there is no image to compare the models on")
    gains = correct_b.astype(np.int8) - correct_a.astype(np.int8)
    low, high = percentile_interval(bootstrap_means(gains, resamples=resamples, seed=seed))
    pooled = _discordance(np.sign(gains.sum(axis=0, dtype=np.int64)))
    loss, loss_p = None, 1.0
    if losses is not None:
        rises = losses[1] - losses[0]
        # Hardly two images have equal losses, which makes resamples slow.
        draws = bootstrap_means(rises, resamples=max(1, resamples // 5), seed=seed)
        loss = Measure(float(rises.mean()), percentile_interval(draws))
        deviation = float(draws.std())
        # One image, or equal gains of all, show nothing of how much they vary.
        loss_p = 1.0 if deviation < 1e-12 else erfc(abs(loss.value) / deviation / sqrt(2))
    return Comparison(
        n=gains.shape[1],
        difference=float(100 * gains.mean()),
        interval=(100 * low, 100 * high),
        per_seed=tuple(_discordance(row) for row in gains),
        pooled=pooled,
        p=pooled.p,
        loss=loss,
        loss_p=loss_p,
    )


def compare_variants(
    results: Results,
    variant_a: str,
    variant_b: str,
    *,
    images: NDArray[np.bool_] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare two variants of one run by `compare`, on all of its images or on some.

    Parameters
    ----------
    results : Results
    variant_a, variant_b : str
    images : ndarray of bool, shape (n,), optional
        Which images count.
    resamples, seed : int
        As for `compare`.
    """
    own = slice(None) if images is None else images
    a, b = ((results.correct(v)[:, own], results.losses(v)[:, own]) for v in (variant_a, variant_b))
    return compare(a[0], b[0], losses=(a[1], b[1]), resamples=resamples, seed=seed)


def adjusted(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Return comparisons that are shown together, their p adjusted for how many they are.

    Of twenty pairs of models that are equally good, one shows a difference otherwise. Accuracy and
    log loss are adjusted each for itself.
    """
    p = holm([comparison.pooled.p for comparison in comparisons])
    loss_p = holm([comparison.loss_p for comparison in comparisons])
    return tuple(
        replace(comparison, p=float(own), loss_p=float(of_loss))
        for comparison, own, of_loss in zip(comparisons, p, loss_p, strict=True)
    )


def _discordance(gains: NDArray[np.int8] | NDArray[np.int64]) -> Discordance:
    only_a, only_b = int((gains < 0).sum()), int((gains > 0).sum())
    return Discordance(only_a, only_b, mcnemar(only_a, only_b))


def in_points(value: float) -> str:
    """Return a number of points with one decimal, or two where one would hide its side of 0."""
    decimals = next((n for n in (1, 2) if round(abs(value), n)), 1)
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def holm(p: Sequence[float]) -> NDArray[np.float64]:
    """Return probabilities adjusted for how many there are.

    References
    ----------
    .. [1] Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian
       Journal of Statistics, 6(2), 65-70.
    """
    given = np.asarray(p, dtype=np.float64)
    order = np.argsort(given)
    factors = np.arange(len(given), 0, -1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(given[order] * factors))
    return adjusted
