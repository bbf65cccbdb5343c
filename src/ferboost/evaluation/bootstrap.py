"""Bootstrap means over images and seeds, exact and in bounded memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import DataError, SettingsError

__all__ = ["Measure", "bootstrap_means", "cluster_interval", "percentile_interval"]

#: Counts held at once, 8 bytes each.
_CHUNK = 2**21
# Kept of the limits of an interval.
_DECIMALS = 12


@dataclass(frozen=True)
class Measure:
    """A number and its 95 % bootstrap interval."""

    value: float
    interval: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:  # Any: numbers and lists, as JSON has them
        """Return what `from_dict` reads."""
        return {"value": self.value, "interval": list(self.interval)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Measure":
        """Return what `to_dict` described.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is something else.
        """
        low, high = content["interval"]
        return cls(float(content["value"]), (float(low), float(high)))


def bootstrap_means(
    values: NDArray[np.bool_] | NDArray[np.int8] | NDArray[np.float64],
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return the mean of `values` in bootstrap resamples of its images and of its seeds.

    Every resample draws the images with replacement, the same images for all seeds, and, where
    there are several, the seeds (Owen, 2007, for crossed factors). Images with equal columns are
    exchangeable, so a resample of the images is one multinomial draw over the distinct columns:
    that is exact, and for one seed of zeros and ones it is a binomial draw.

    Parameters
    ----------
    values : ndarray of bool, int8 or float64, shape (seeds, n)
    resamples : int
    seed : int
        Of the random generator; equal seeds give equal results.

    Returns
    -------
    ndarray of float64, shape (resamples,)

    Raises
    ------
    DataError
        If `values` is not two-dimensional or is empty.
    SettingsError
        If `resamples` is less than 1.

    References
    ----------
    .. [1] Efron, B. (1979). Bootstrap methods: another look at the jackknife. The Annals of
       Statistics, 7(1), 1-26.
    .. [2] Owen, A. B. (2007). The pigeonhole bootstrap. The Annals of Applied Statistics, 1(2),
       386-411.
    """
    if values.ndim != 2 or values.size == 0:
        raise DataError(f"a bootstrap needs values of shape (seeds, n), found {values.shape}")
    if resamples < 1:
        raise SettingsError(f"a bootstrap needs at least 1 resample, found {resamples}")
    seeds, images = values.shape
    numbers = values.astype(np.int8) if values.dtype == np.bool_ else values
    columns, counts = np.unique(numbers, axis=1, return_counts=True)
    random = np.random.default_rng(seed)
    means = np.empty(resamples)
    rows = max(1, _CHUNK // len(counts))
    for start in range(0, resamples, rows):
        drawn = means[start : start + rows]
        image_weights = random.multinomial(images, counts / images, size=len(drawn)) / images
        seed_weights = np.full((len(drawn), seeds), 1 / seeds)
        if seeds > 1:
            seed_weights = random.multinomial(seeds, seed_weights[0], size=len(drawn)) / seeds
        drawn[:] = ((image_weights @ columns.T) * seed_weights).sum(axis=1)
    return means


def percentile_interval(draws: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % percentile interval of bootstrap draws (Efron, 1979).

    A limit of 0 is 0: what sums of floats add to it would decide whether 0 is left out.
    """
    low, high = np.round(np.quantile(draws, (0.025, 0.975)), _DECIMALS) + 0.0
    return float(low), float(high)


def cluster_interval(
    values: NDArray[np.float64],
    clusters: NDArray[np.int64],
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the 95 % interval of the mean of `values`, whole clusters drawn with replacement.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
    clusters : ndarray of int64, shape (n,)
        Values of one cluster are not independent of each other; numbered from 0.
    resamples, seed : int

    References
    ----------
    .. [1] Cameron, A. C., Gelbach, J. B. & Miller, D. L. (2008). Bootstrap-based improvements for
       inference with clustered errors. Review of Economics and Statistics, 90(3), 414-427.
    """
    sums, sizes = np.bincount(clusters, values), np.bincount(clusters)
    count = len(sums)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    return percentile_interval((drawn @ sums) / (drawn @ sizes))
