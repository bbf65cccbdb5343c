"""Which trees are shown is decided by the images that calibrate."""

import numpy as np
from numpy.typing import NDArray

from ferboost.evaluation.choosing import choose_trees
from ferboost.evaluation.trust import RunCalibration

LABELS = np.array([0, 0, 1, 1])
VARIANTS = ("cnn", "fc1", "fc2", "fc2 mlp")


def shares(said: list[int]) -> NDArray[np.float32]:
    """Return probabilities that say these classes."""
    return np.eye(2, dtype=np.float32)[said]


def calibration(
    *seeds: dict[str, list[int]], grown_on: tuple[bool, ...] = (False,) * 4
) -> RunCalibration:
    """Return a calibration of what variants say, seed by seed."""
    given = {n: {v: shares(said) for v, said in own.items()} for n, own in enumerate(seeds)}
    return RunCalibration(LABELS, given, np.array(grown_on), {}, {})


def test_the_most_accurate_trees_are_chosen_over_all_seeds_and_nothing_else() -> None:
    right, half, wrong = [0, 0, 1, 1], [0, 0, 0, 0], [1, 1, 0, 0]
    first = {"cnn": right, "fc1": right, "fc2": half, "fc2 mlp": right}
    assert choose_trees(VARIANTS, calibration(first)) == "fc1"
    second = first | {"fc1": wrong, "fc2": right}
    assert choose_trees(VARIANTS, calibration(first, second)) == "fc2"


def test_images_that_trees_grew_on_do_not_count() -> None:
    said = {"cnn": [0] * 4, "fc1": [0, 0, 1, 0], "fc2": [1, 1, 1, 1], "fc2 mlp": [0] * 4}
    assert choose_trees(VARIANTS, calibration(said)) == "fc1"
    assert choose_trees(VARIANTS, calibration(said, grown_on=(True, True, False, False))) == "fc2"


def test_without_calibration_it_is_the_first_and_without_trees_none() -> None:
    assert choose_trees(VARIANTS, None) == "fc1"
    assert choose_trees(("cnn", "cnn folds"), None) is None
