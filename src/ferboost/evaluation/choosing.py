"""Which of several models with trees is shown, without a look at the images it is judged on."""

from collections.abc import Sequence

import numpy as np

from ferboost.evaluation.trust import RunCalibration
from ferboost.variants import has_trees

__all__ = ["choose_trees"]


def choose_trees(variants: Sequence[str], calibration: RunCalibration | None) -> str | None:
    """Return the variant with trees that is most accurate on the images that calibrate a run.

    Parameters
    ----------
    variants : sequence of str
        Of the run.
    calibration : RunCalibration or None
        Without it, the first variant with trees is taken.

    Returns
    -------
    str or None
        The highest mean over seeds, the first of equals; None where no variant has trees.
    """
    boosted = [variant for variant in variants if has_trees(variant)]
    if calibration is None:
        return next(iter(boosted), None)
    accuracies = {variant: _accuracy(calibration, variant) for variant in boosted}
    return max(boosted, key=accuracies.__getitem__, default=None)


def _accuracy(calibration: RunCalibration, variant: str) -> float:
    right = []
    for seed in calibration.probabilities:
        labels, shares = calibration.counted(variant, [seed])
        right.append((shares.argmax(axis=1) == labels).mean())
    return float(np.mean(right))
