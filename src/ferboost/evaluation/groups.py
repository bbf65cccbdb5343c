"""Whether a model serves groups of faces alike, with care for how many are compared."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ferboost.datasets.naming import read_named_rows
from ferboost.errors import DataError
from ferboost.evaluation.bootstrap import bootstrap_means, percentile_interval
from ferboost.evaluation.comparison import holm

__all__ = ["GroupMetrics", "measure_groups", "read_groups"]

# With fewer, neither the interval nor the test means anything.
_LEAST = 10


@dataclass(frozen=True)
class GroupMetrics:
    """How one group of faces fares, next to all others.

    Attributes
    ----------
    group : str
    n : int
    accuracy : float
        0 to 1, mean over seeds.
    interval : tuple of float
        95 % bootstrap interval over images and seeds.
    difference : float
        Accuracy less that of all other grouped faces, in percent points.
    difference_interval : tuple of float
        95 % interval of Agresti and Caffo, with shares over seeds in place of ones and zeros.
    p : float
        That there is no difference, adjusted for the number of groups by Holm: of Fisher's exact
        test; with several seeds, of the difference against its deviation when images are shuffled.
    """

    group: str
    n: int
    accuracy: float
    interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    p: float

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return the measures as JSON can hold them."""
        return asdict(self)

    def sentence(self) -> str:
        """Say what the test supports."""
        if self.p >= 0.05:
            return f"{self.group}: no difference to the others shown."
        side = "above" if self.difference > 0 else "below"
        low, high = (f"{limit:.1f}" for limit in sorted(map(abs, self.difference_interval)))
        return (
            f"{self.group} is {abs(self.difference):.1f} points [{low}, {high}] {side} the others "
            f"(p = {self.p:.2g}, adjusted)."
        )


def read_groups(path: Path, names: NDArray[np.str_]) -> dict[str, NDArray[np.bool_]]:
    """Read which images belong to which group.

    Parameters
    ----------
    path : Path
        CSV with the columns ``image`` and ``group``: an image's name as in the data set
        (``test/happy/1.png``), or its end where that is one image's alone (``1.png``). An image may
        stand in several groups, one row each.
    names : ndarray of str, shape (n,)
        Of the evaluated images.

    Returns
    -------
    dict of str to ndarray of bool, shape (n,)
        By group, in the order of the file; images of no group are in none.

    Raises
    ------
    DataError
        If the file is missing or no such table, names an image twice in a group, or none that is
        evaluated.
    """
    groups: dict[str, NDArray[np.bool_]] = {}
    unknown = 0
    for row in read_named_rows(path, names, ("image", "group"), "groups"):
        group = row.cells["group"]
        if row.place is None:
            unknown += 1
            continue
        members = groups.setdefault(group, np.zeros(len(names), dtype=bool))
        if members[row.place]:
            raise DataError(f"{row.where}: {row.image} is in {group} twice")
        members[row.place] = True
    if not groups:
        raise DataError(
            f"none of the {unknown:,} images that {path} names is evaluated; names are like "
            f"{names[0] if len(names) else 'test/happy/1.png'}"
        )
    return groups


def measure_groups(
    correct: NDArray[np.bool_],
    groups: Mapping[str, NDArray[np.bool_]],
    clean: NDArray[np.bool_] | None = None,
) -> tuple[GroupMetrics, ...]:
    """Measure the accuracy of each group, and its difference to all other grouped images.

    Parameters
    ----------
    correct : ndarray of bool, shape (seeds, n)
        Whether each seed got each image right, see `Results.correct`.
    groups : mapping of str to ndarray of bool, shape (n,)
    clean : ndarray of bool, shape (n,), optional
        The images that count, see `Results.clean`; by default all. A group with more copies of
        training images than another would look better for these alone.

    Raises
    ------
    DataError
        If there are fewer than two groups, or one has, or leaves, fewer than 10 images.

    References
    ----------
    .. [1] Fisher, R. A. (1935). The logic of inductive inference. Journal of the Royal Statistical
       Society, 98(1), 39-82.
    .. [2] Agresti, A. & Caffo, B. (2000). Simple and effective confidence intervals for proportions
       and differences of proportions result from adding two successes and two failures. The
       American Statistician, 54(4), 280-288.
    """
    if len(groups) < 2:
        raise DataError(
            f"groups are compared to each other, and there is {len(groups)}; give two or more"
        )
    if clean is not None:
        correct = correct[:, clean]
        groups = {group: members[clean] for group, members in groups.items()}
    kind = "evaluated images" if clean is None else "evaluated images that are not in train"
    anyone = np.logical_or.reduce(list(groups.values()))
    shares = correct.mean(axis=0)
    tests = {}
    for group, members in groups.items():
        others = anyone & ~members
        for who, count in ((group, members.sum()), (f"the others than {group}", others.sum())):
            if count < _LEAST:
                raise DataError(
                    f"{who}: {count} {kind} are too few to say anything; at least {_LEAST} are "
                    "needed"
                )
        tests[group] = _compare(shares[members], shares[others])
    adjusted = holm([p for _, _, p in tests.values()])
    return tuple(
        GroupMetrics(
            group,
            int(members.sum()),
            float(correct[:, members].mean()),
            percentile_interval(bootstrap_means(correct[:, members])),
            *tests[group][:2],
            float(p),
        )
        for (group, members), p in zip(groups.items(), adjusted, strict=True)
    )


def _compare(
    own: NDArray[np.float64], others: NDArray[np.float64]
) -> tuple[float, tuple[float, float], float]:
    """Return the difference of the means in percent points, its 95 % interval and p."""
    pair = (own, others)
    difference = float(own.mean() - others.mean())
    # A right and a wrong verdict more: ten right ones of ten do not say that all are right.
    means = [(shares.sum() + 1) / (len(shares) + 2) for shares in pair]
    variances = [
        ((shares**2).sum() + 1) / (len(shares) + 2) - mean**2
        for shares, mean in zip(pair, means, strict=True)
    ]
    error = sqrt(sum(v / (len(s) + 2) for v, s in zip(variances, pair, strict=True)))
    reach = float(stats.norm.ppf(0.975)) * error
    middle = means[0] - means[1]
    # The adjusted middle lies nearer to 0 than the difference, which the interval is to hold.
    low, high = min(middle - reach, difference), max(middle + reach, difference)
    return 100 * difference, (100 * low, 100 * high), _p_of_no_difference(own, others)


def _p_of_no_difference(own: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    both = np.concatenate([own, others])
    if np.isin(both, (0, 1)).all():
        table = [[part.sum(), len(part) - part.sum()] for part in (own, others)]
        return float(stats.fisher_exact(np.array(table, dtype=np.int64)).pvalue)
    # How the difference varies when the images are shuffled, which needs no variance of a few.
    error = sqrt(float(both.var(ddof=1)) * (1 / len(own) + 1 / len(others)))
    return float(2 * stats.norm.sf(abs(own.mean() - others.mean()) / error))
