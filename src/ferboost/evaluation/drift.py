"""Whether new, unlabelled faces are like those that a model is known to work on."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ferboost.datasets.traits import TRAITS, TraitLimits, face_traits
from ferboost.errors import DataError
from ferboost.evaluation.comparison import holm

__all__ = ["Drift", "TraitShift", "kernel_test", "measure_drift"]

# Two faces are always alike or not; a test of so few says nothing.
_LEAST = 10
_MOST = 500
_PERMUTATIONS = 999
_LEVEL = 0.05


@dataclass(frozen=True)
class TraitShift:
    """How one trait of the new faces differs.

    Attributes
    ----------
    trait : str
    reference, new : float
        Medians, in gray values.
    outside : float
        Share of the new faces beyond the limits of the training faces (1 % of these are).
    p : float
        Of the Kolmogorov-Smirnov test, adjusted for the number of traits by Holm.
    """

    trait: str
    reference: float
    new: float
    outside: float
    p: float


@dataclass(frozen=True)
class Drift:
    """What a comparison of new faces with known ones found.

    Attributes
    ----------
    features : str
        What was compared.
    n_reference, n_new : int
    mmd : float
        Squared maximum mean discrepancy of the features; 0 where both are alike, but for chance.
    mmd_by_chance : float
        Its 95 % quantile where both are drawn from the same faces.
    p : float
        Of the permutation test that there is no difference.
    traits : tuple of TraitShift
    outside : float
        Share of the new faces that are beyond a limit of any trait.
    outside_reference : float
        The same share of the known ones.
    """

    features: str
    n_reference: int
    n_new: int
    mmd: float
    mmd_by_chance: float
    p: float
    traits: tuple[TraitShift, ...]
    outside: float
    outside_reference: float

    @property
    def drifted(self) -> bool:
        """Whether a difference is shown at the level of 5 %."""
        return self.p < _LEVEL

    def sentence(self) -> str:
        """Return what was found."""
        p = f"p = {self.p:.3f}"
        if not self.drifted:
            small = " With so few faces, only a large one would be." if self.n_new < 100 else ""
            return (
                f"No difference is shown between the {self.n_new:,} new faces and "
                f"{self.n_reference:,} known ones ({p}).{small}"
            )
        shifted = [
            f"{shift.trait} {shift.new:.0f} against {shift.reference:.0f}"
            for shift in self.traits
            if shift.p < _LEVEL
        ]
        how = f" Medians: {', '.join(shifted)}." if shifted else ""
        return (
            f"The {self.n_new:,} new faces differ from {self.n_reference:,} known ones ({p}): what "
            f"was measured on those does not carry over.{how} {100 * self.outside:.0f} % of the "
            f"new ones lie outside of what was trained in brightness, contrast or sharpness, and "
            f"{100 * self.outside_reference:.0f} % of the known ones."
        )

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return it as JSON can hold it."""
        return {**asdict(self), "drifted": self.drifted, "sentence": self.sentence()}


def measure_drift(
    known: NDArray[np.uint8],
    new: NDArray[np.uint8],
    limits: TraitLimits,
    features: str,
    compute: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
) -> Drift:
    """Compare new faces with known ones, by features and by simple traits.

    Parameters
    ----------
    known, new : ndarray of uint8, shape (n, 48, 48)
        The known ones must be images that the network was not trained on: it knows others by heart,
        and their features show it.
    limits : TraitLimits
        Of the training images.
    features : str
        What the features are called.
    compute : callable
        Returns the features of images, float32 (n, width). It is asked of at most 500 faces of
        either side, drawn at random.

    Raises
    ------
    DataError
        If there are fewer than 10 faces on a side.
    """
    for side, images in (("known", known), ("new", new)):
        if len(images) < _LEAST:
            raise DataError(
                f"drift is judged on {_LEAST} faces or more, found {len(images)} {side} ones"
            )
    random = np.random.default_rng(0)
    first, second = [_sample(images, random) for images in (known, new)]
    mmd, by_chance, p = kernel_test(compute(first), compute(second), random)
    traits = [face_traits(images) for images in (known, new)]
    outside = limits.outside(new)
    tests = [stats.ks_2samp(traits[0][:, i], traits[1][:, i]) for i in range(len(TRAITS))]
    adjusted = holm([float(test.pvalue) for test in tests])
    shifts = tuple(
        TraitShift(
            name,
            float(np.median(traits[0][:, i])),
            float(np.median(traits[1][:, i])),
            float(outside[:, i].mean()),
            float(adjusted[i]),
        )
        for i, name in enumerate(TRAITS)
    )
    return Drift(
        features=features,
        n_reference=len(known),
        n_new=len(new),
        mmd=mmd,
        mmd_by_chance=by_chance,
        p=p,
        traits=shifts,
        outside=float(outside.any(axis=1).mean()),
        outside_reference=float(limits.outside(known).any(axis=1).mean()),
    )


def kernel_test(
    first: NDArray[np.float32], second: NDArray[np.float32], random: np.random.Generator
) -> tuple[float, float, float]:
    """Test whether two samples come from the same distribution.

    Parameters
    ----------
    first, second : ndarray of float32, shape (n, width) and (m, width)
        Standardised by the mean and deviation of all.
    random : Generator

    Returns
    -------
    mmd : float
        Squared maximum mean discrepancy with a Gaussian kernel as wide as the median distance.
    by_chance : float
        The 95 % quantile of it in 999 permutations.
    p : float
        Share of the permutations, the observed one included, with as much.

    References
    ----------
    .. [1] Gretton, A. et al. (2012). A kernel two-sample test. Journal of Machine Learning
       Research, 13, 723-773.
    """
    both = np.concatenate((first, second)).astype(np.float64)
    deviation = both.std(axis=0)
    scaled = (both - both.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    norms = (scaled**2).sum(axis=1)
    distances = np.maximum(norms[:, None] + norms - 2 * scaled @ scaled.T, 0)
    width = float(np.median(distances[np.triu_indices(len(both), 1)])) or 1.0
    kernel = np.exp(-distances / width)
    weights = np.where(np.arange(len(both)) < len(first), 1 / len(first), -1 / len(second))
    orders: Sequence[NDArray[np.float64]] = [weights] + [
        random.permutation(weights) for _ in range(_PERMUTATIONS)
    ]
    columns = np.stack(orders, axis=1)
    found = (columns * (kernel @ columns)).sum(axis=0)
    # Equal but for rounding counts as equal.
    p = float((found >= found[0] - 1e-12).mean())
    return float(found[0]), float(np.quantile(found[1:], 0.95)), p


def _sample(images: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    if len(images) <= _MOST:
        return images
    return images[random.choice(len(images), _MOST, replace=False)]
