"""What is said of a claim."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ferboost.evaluation.summary import VariantSummary
from ferboost.reproduction.experiments import GRID, Experiment, find_experiment
from ferboost.reproduction.findings import cnn_claims, experiment_claim, grid_finding
from ferboost.reproduction.results import ExperimentResult, PointResult

IMAGES = 100_000  # whose sampling error is a quarter of a point


def experiment(key: str) -> Experiment:
    """Return an experiment that is there."""
    found = find_experiment(key)
    assert found is not None
    return found


def result(key: str, accuracies: dict[Any, tuple[float, ...]], **changes: Any) -> ExperimentResult:
    """Return a result of one setting with these accuracies by value."""
    tried = experiment(key)
    name = next(iter(tried.values))
    points = tuple(
        PointResult({name: value}, "done", per_seed, tried.printed.get((value,)))
        for value, per_seed in accuracies.items()
    )
    seeds = max(len(p.per_seed) for p in points)
    return replace(
        ExperimentResult(tried, points, missing=0, epochs=50, seeds=seeds, images=IMAGES), **changes
    )


@pytest.mark.parametrize(
    ("accuracies", "word"),
    [
        ({0.3: (50.0,), 0.4: (55.0,), 0.5: (51.0,)}, "repeated"),
        ({0.3: (55.0,), 0.4: (50.0,), 0.5: (51.0,)}, "not repeated"),
        ({0.3: (55.0,), 0.4: (55.1,), 0.5: (51.0,)}, "not told apart from noise"),
        ({0.3: (55.1,), 0.4: (55.0,), 0.5: (51.0,)}, "not told apart from noise"),
        ({0.3: (55.1,), 0.5: (51.0,)}, "not tested"),
        ({0.4: (55.1,)}, "not tested"),
    ],
)
def test_a_choice_holds_where_it_is_better_by_more_than_noise(
    accuracies: dict[float, tuple[float, ...]], word: str
) -> None:
    assert experiment_claim(result("dropout", accuracies), 0.3).word == word


def test_spread_between_seeds_counts_as_noise() -> None:
    close: dict[Any, tuple[float, ...]] = {0.3: (50.0, 56.0), 0.4: (53.0, 59.0)}
    clear: dict[Any, tuple[float, ...]] = {0.3: (53.0, 53.0), 0.4: (56.0, 56.0)}
    assert experiment_claim(result("dropout", close), 0.3).word == "not told apart from noise"
    assert experiment_claim(result("dropout", clear), 0.3).word == "repeated"


def test_one_seed_takes_the_spread_of_other_trainings_or_says_that_it_has_none() -> None:
    one = result("dropout", {0.3: (53.0,), 0.4: (56.0,)})
    assert experiment_claim(one, 3.0).word == "not told apart from noise"
    assert "One seed: trainings are taken to differ as much as" in experiment_claim(one, 3.0).why
    unknown = experiment_claim(one, None)
    assert unknown.word == "not told apart from noise"
    assert "nothing is shown" in unknown.why


def test_few_images_are_noise_too() -> None:
    few = result("dropout", {0.3: (53.0,), 0.4: (56.0,)}, images=100)
    assert experiment_claim(few, 0.3).word == "not told apart from noise"


@pytest.mark.parametrize(("epochs", "word"), [(4, "not tested"), (5, "repeated")])
def test_a_tenth_of_the_epochs_is_the_least_that_tells(epochs: int, word: str) -> None:
    accuracies: dict[Any, tuple[float, ...]] = {0.3: (50.0,), 0.4: (55.0,)}
    assert experiment_claim(result("dropout", accuracies, epochs=epochs), 0.3).word == word


def test_the_best_of_many_equal_points_is_seldom_better_than_the_printed_one() -> None:
    rng = np.random.default_rng(0)
    words = []
    for _ in range(200):
        seen = dict(zip(GRID.printed, rng.normal(50, 3, len(GRID.printed)), strict=True))
        found = grid_finding(grid_result(seen), 24.7, 3.0)
        assert found is not None
        words.append(found.claim.word)
    assert words.count("not told apart from noise") >= 180


def test_a_better_point_among_many_is_still_found() -> None:
    better = next(iter(GRID.printed))
    seen = dict.fromkeys(GRID.printed, 30.0) | {better: 50.0}
    found = grid_finding(grid_result(seen), 24.7, 3.0)
    assert found is not None
    assert found.claim.word == "not repeated"


def test_points_judged_on_the_same_images_do_not_make_more_images() -> None:
    two = {(3, "valid"): 50.0, (3, "zero"): 58.0, (4, "valid"): 47.0, (4, "zero"): 55.0}
    points = tuple(
        PointResult({"cnn.kernel_size": size, "cnn.padding": padding}, "done", (value,), None)
        for (size, padding), value in two.items()
    )
    found = ExperimentResult(experiment("kernel-size"), points, 0, epochs=9, seeds=1, images=1_500)
    assert experiment_claim(found, 0.0).word == "not told apart from noise"
    many = replace(found, images=IMAGES)
    assert experiment_claim(many, 1.8).word == "not told apart from noise"
    assert experiment_claim(many, 1.2).word == "repeated"


def test_means_are_taken_along_what_the_authors_did_not_choose() -> None:
    tried = experiment("kernel-size")
    accuracies = {(3, "valid"): 50.0, (3, "zero"): 58.0, (4, "valid"): 53.0, (4, "zero"): 52.0}
    points = tuple(
        PointResult({"cnn.kernel_size": size, "cnn.padding": padding}, "done", (value,), None)
        for (size, padding), value in accuracies.items()
    )
    found = ExperimentResult(tried, points, missing=0, epochs=9, seeds=1, images=IMAGES)
    claim = experiment_claim(found, 0.3)
    assert claim.word == "repeated"
    assert "1.5 points better than 4" in claim.why


def test_the_printed_values_stand_beside_ours() -> None:
    claim = experiment_claim(result("table-2", {4: (50.0,), 8: (51.0,)}), 0.3)
    assert (claim.published, claim.ours) == ("56.85 to 57.86 %", "50.00 to 51.00 %")


def grid_result(seen: dict[tuple[float, float, int], float], epochs: int = 300) -> ExperimentResult:
    """Return the grid with these accuracies."""
    points = tuple(
        PointResult(dict(zip(GRID.values, at, strict=True)), "done", (value,), GRID.printed[at])
        for at, value in seen.items()
    )
    return ExperimentResult(GRID, points, missing=0, epochs=epochs, seeds=1, images=IMAGES)


def test_the_authors_own_grid_says_that_the_printed_axes_are_swapped() -> None:
    found = grid_finding(grid_result(dict(GRID.printed)), 24.7, 0.3)
    assert found is not None
    assert found.right == pytest.approx(1)
    assert found.swapped is not None
    assert found.swapped < 0.5
    assert min(found.stuck_by_rate[0.1], found.stuck_by_rate[0.01]) > 0.9
    assert max(found.stuck_by_rate[1e-3], found.stuck_by_rate[1e-5]) < 0.5
    assert found.claim.word == "not repeated"
    assert "learning rate 0.0001, L2 1e-05, batch size 128" in found.claim.ours
    assert "learning rate 1e-4, L2 1e-5" in found.claim_right.what
    assert found.claim_right.word == "not told apart from noise"  # 0.3 points above the next


def test_a_grid_of_one_value_everywhere_has_no_correlation() -> None:
    flat = grid_result(dict.fromkeys(GRID.printed, 30.0))
    found = grid_finding(flat, 24.7, 0.3)
    assert found is not None
    assert (found.right, found.swapped) == (None, None)
    assert found.claim.word == "not told apart from noise"


@pytest.mark.parametrize(("epochs", "word"), [(29, "not tested"), (30, "repeated")])
def test_a_grid_where_the_printed_point_is_best_repeats_it_if_trained_long_enough(
    epochs: int, word: str
) -> None:
    printed = (1e-5, 1e-4, 128)
    seen = dict.fromkeys(GRID.printed, 30.0) | {printed: 50.0}
    found = grid_finding(grid_result(seen, epochs), 24.7, 0.3)
    assert found is not None
    assert found.claim.word == word
    assert ("of their 300 epochs are too few" in found.claim.why) == (word == "not tested")


def test_a_grid_without_the_printed_point_tests_nothing() -> None:
    seen = {at: 30.0 for at in GRID.printed if at[2] != 128}
    found = grid_finding(grid_result(seen), 24.7, 0.3)
    assert found is not None
    assert found.claim.word == "not tested"


def test_a_grid_of_one_point_says_nothing() -> None:
    first = next(iter(GRID.printed))
    assert grid_finding(grid_result({first: 30.0}), 24.7, None) is None


def cnn(low: float, high: float, seeds: int) -> VariantSummary:
    """Return a CNN whose accuracy has these limits; nothing else of it is asked for."""
    unknown: Any = None
    return VariantSummary(
        variant="cnn",
        per_seed=(unknown,) * seeds,
        accuracy=(low + high) / 2,
        deviation=None,
        interval=(low, high),
        accuracy_clean=None,
        interval_clean=None,
        train_accuracy=0.9,
        predict_time=unknown,
        against_cnn=None,
    )


@pytest.mark.parametrize(
    ("low", "high", "fewer", "word"),
    [
        (0.55, 0.58, False, "repeated"),
        (0.55, 0.58, True, "repeated"),
        (0.53, 0.56, False, "not repeated"),
        (0.53, 0.56, True, "not tested"),  # it might still have risen
        (0.58, 0.60, False, "not repeated"),
        (0.58, 0.60, True, "not repeated"),
    ],
)
def test_a_cnn_of_fewer_epochs_that_is_worse_says_nothing(
    low: float, high: float, fewer: bool, word: str
) -> None:
    [claim] = cnn_claims([cnn(low, high, 3)], [], fewer=fewer)
    assert claim.word == word
    assert ("fewer epochs" in claim.why) is fewer
    assert "no spread between trainings" not in claim.why


def test_a_level_of_one_seed_says_what_its_interval_lacks() -> None:
    [claim] = cnn_claims([cnn(0.55, 0.58, 1)], [], fewer=False)
    assert "of 1 seed, which counts no spread between trainings" in claim.why
