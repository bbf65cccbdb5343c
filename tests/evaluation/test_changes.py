"""What trees put right and spoil."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ferboost.evaluation.changes import changes_by_class, pick_changed
from ferboost.evaluation.comparison import holm
from ferboost.evaluation.results import PredictTime, Results, SeedResults

LABELS = np.array([0, 0, 0, 1, 1, 1])
CNN = [0, 1, 1, 1, 1, 0]
TREES = [0, 0, 1, 0, 1, 0]  # put one image of class 0 right, spoil one of class 1
IMAGES = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8)


def shares(said: list[int], sure: float = 0.9) -> NDArray[np.float32]:
    """Return probabilities that say these classes."""
    found = np.full((len(said), 2), 1 - sure, dtype=np.float32)
    found[np.arange(len(said)), said] = sure
    return found


def results(*trees: list[int]) -> Results:
    """Return results of a seed for each of what trees say."""
    seeds = tuple(
        SeedResults(
            seed=number,
            history=(),
            best_epoch=1,
            probabilities={"cnn": shares(CNN), "fc1": shares(said)},
            train_accuracy={"cnn": 1.0, "fc1": 1.0},
            predict_times=dict.fromkeys(("cnn", "fc1"), PredictTime(0.0, 0.0, 0.0)),
        )
        for number, said in enumerate(trees)
    )
    return Results(("happy", "sad"), LABELS, None, seeds)


def test_changes_are_counted_by_true_class() -> None:
    happy, sad = changes_by_class(results(TREES), "fc1")
    assert (happy.name, happy.n, happy.fixed, happy.broken) == ("happy", 3, 1, 0)
    assert (sad.name, sad.n, sad.fixed, sad.broken) == ("sad", 3, 0, 1)


def test_seeds_are_averaged() -> None:
    happy, sad = changes_by_class(results(TREES, CNN), "fc1")
    assert (happy.fixed, sad.broken) == (0.5, 0.5)


def test_trees_that_change_nothing_have_a_p_of_one() -> None:
    gains = [change.gain for change in changes_by_class(results(CNN), "fc1")]
    assert [(gain.p, gain.difference, gain.interval) for gain in gains] == 2 * [(1, 0, (0, 0))]


def test_each_class_is_compared_over_images_and_seeds_and_p_is_adjusted() -> None:
    """One of two seeds puts ten images of a class right: a split of 10 to 0 among its images."""
    before, after = [1] * 10 + [1] * 10, [0] * 10 + [1] * 10
    labels = np.repeat([0, 1], 10)
    made = results(TREES, CNN)
    seeds = tuple(
        replace(seed, probabilities={"cnn": shares(before), "fc1": shares(said)})
        for seed, said in zip(made.seeds, (after, before), strict=True)
    )
    happy, sad = changes_by_class(replace(made, labels=labels, seeds=seeds), "fc1")
    assert (happy.fixed, happy.gain.difference, happy.gain.interval) == (5, 50, (0, 100))
    assert happy.gain.p == pytest.approx(2 * 2 / 2**10)
    assert sad.gain.p == 1


def test_the_greatest_changes_are_picked_first_what_was_put_right() -> None:
    picked = pick_changed(results(TREES), "fc1", IMAGES, most=8)
    assert picked.images[:, 0, 0].tolist() == [1, 3]
    assert picked.fixed.tolist() == [True, False]
    assert (picked.cnn.tolist(), picked.trees.tolist()) == ([1, 1], [0, 0])


def test_no_more_are_picked_than_asked_for() -> None:
    all_right = LABELS.tolist()
    picked = pick_changed(results(all_right), "fc1", IMAGES, most=2)
    assert picked.images[:, 0, 0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("given", "adjusted"),
    [([0.01, 0.04], [0.02, 0.04]), ([0.04, 0.03], [0.06, 0.06]), ([0.9, 0.8], [1, 1]), ([], [])],
)
def test_probabilities_are_adjusted_for_their_number(
    given: list[float], adjusted: list[float]
) -> None:
    assert holm(given) == pytest.approx(adjusted)
