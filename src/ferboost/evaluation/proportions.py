"""What shares and counts of images can be told apart from."""

from math import comb

import numpy as np
from numpy.typing import NDArray

__all__ = ["mcnemar", "wilson_interval"]

# Of the normal distribution: 95 % lie within.
_DEVIATIONS = 1.959964


def wilson_interval(
    share: NDArray[np.float64], count: NDArray[np.int64] | NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Wilson's 95 % interval [1]_ of shares, from 0 to 1, of so many images each.

    References
    ----------
    .. [1] Wilson, E. B. (1927). Probable inference, the law of succession, and statistical
       inference. Journal of the American Statistical Association, 22(158).
    """
    squared = _DEVIATIONS**2
    middle = (share + squared / (2 * count)) / (1 + squared / count)
    spread = np.sqrt(share * (1 - share) / count + squared / (4 * count**2))
    spread *= _DEVIATIONS / (1 + squared / count)
    return np.clip(middle - spread, 0, 1), np.clip(middle + spread, 0, 1)


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the probability of McNemar's exact test [1]_; 1 where both are 0.

    Parameters
    ----------
    only_a, only_b : int
        Images that one of two models gets right and the other wrong.

    References
    ----------
    .. [1] McNemar, Q. (1947). Note on the sampling error of the difference between correlated
       proportions or percentages. Psychometrika, 12(2).
    """
    both = only_a + only_b
    # Both tails of a binomial distribution of 1/2 are alike.
    ways = sum(comb(both, k) for k in range(min(only_a, only_b) + 1))
    return min(1.0, ways / 2 ** (both - 1)) if both else 1.0
