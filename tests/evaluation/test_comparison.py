"""Paired comparison of two models."""

from itertools import product
from math import comb

import numpy as np
import pytest
from numpy.typing import NDArray

from ferboost.errors import DataError, SettingsError
from ferboost.evaluation.bootstrap import Measure, percentile_interval
from ferboost.evaluation.comparison import (
    Comparison,
    Discordance,
    adjusted,
    compare,
    compare_variants,
)
from ferboost.evaluation.results import PredictTime, Results, SeedResults


def outcomes(both: int, only_a: int, only_b: int, neither: int) -> tuple[NDArray[np.bool_], ...]:
    a = [True] * both + [True] * only_a + [False] * only_b + [False] * neither
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return np.array([a]), np.array([b])


def width(found: Comparison) -> float:
    low, high = found.interval
    return high - low


def test_the_difference_is_b_minus_a_in_percent_points() -> None:
    found = compare(*outcomes(both=50, only_a=10, only_b=15, neither=25))
    assert found.n == 100
    assert found.difference == pytest.approx(5)


def test_mcnemar_is_the_exact_binomial_test_of_the_images_that_one_model_gets_right() -> None:
    found = compare(*outcomes(both=7, only_a=1, only_b=7, neither=5))
    p_by_hand = 2 * (comb(8, 0) + comb(8, 1)) / 2**8
    (only,) = found.per_seed
    assert (only.only_a, only.only_b) == (1, 7)
    assert only.p == pytest.approx(p_by_hand)
    assert found.pooled == only


def test_models_that_never_disagree_have_a_p_of_one_and_an_interval_of_no_width() -> None:
    found = compare(*outcomes(both=6, only_a=0, only_b=0, neither=4))
    assert (found.difference, found.interval) == (0, (0, 0))
    assert found.pooled == Discordance(0, 0, 1.0)
    assert not found.shown


def test_the_interval_is_that_of_all_resamples_of_three_images() -> None:
    gains = np.array([1, 0, -1])
    every = [100 * gains[list(index)].mean() for index in product(range(3), repeat=3)]
    found = compare(
        np.array([[False, True, True]]), np.array([[True, True, False]]), resamples=40_000
    )
    limits = np.quantile(every, (0.025, 0.975), method="inverted_cdf")
    assert found.interval == pytest.approx(tuple(limits))


def test_the_interval_agrees_with_resampling_images_and_seeds_one_by_one() -> None:
    random = np.random.default_rng(3)
    a, b = random.random((4, 120)) < 0.5, random.random((4, 120)) < 0.6
    gains = b.astype(int) - a
    by_hand = [
        100 * gains[np.ix_(random.integers(4, size=4), random.integers(120, size=120))].mean()
        for _ in range(10_000)
    ]
    found = compare(a, b)
    assert found.interval == pytest.approx(tuple(np.quantile(by_hand, (0.025, 0.975))), abs=0.6)


def test_seeds_that_disagree_widen_the_interval() -> None:
    a, b = outcomes(both=500, only_a=0, only_b=100, neither=400)
    agreeing = compare(np.repeat(a, 2, axis=0), np.repeat(b, 2, axis=0))
    disagreeing = compare(np.concatenate([a, b]), np.concatenate([b, a]))
    assert width(disagreeing) > 3 * width(agreeing)


def test_pooled_counts_take_each_image_once() -> None:
    a = np.array([[True, False, False], [True, False, True]])
    b = np.array([[False, True, False], [False, True, False]])
    found = compare(a, b)
    assert [(d.only_a, d.only_b) for d in found.per_seed] == [(1, 1), (2, 1)]
    assert (found.pooled.only_a, found.pooled.only_b) == (2, 1)


def test_one_image_shows_nothing() -> None:
    found = compare(np.array([[False]]), np.array([[True]]))
    assert found.interval == (100, 100)
    assert found.pooled.p == 1
    assert not found.shown


def comparison(difference: float, low: float, high: float, p: float) -> Comparison:
    counts = Discordance(10, 20, p)
    return Comparison(3589, difference, (low, high), (counts,), counts, p)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            comparison(1.1, 0.6, 1.6, 0.001),
            "Boosting on fc1 adds 1.1 points [0.6, 1.6] to the CNN.",
        ),
        (
            comparison(-3.4, -4.0, -2.8, 0.001),
            "Boosting on fc1 is 3.4 points [2.8, 4.0] below the CNN.",
        ),
        (
            comparison(0.2, -0.3, 0.7, 0.5),
            "No difference shown between the CNN and boosting on fc1 (0.2 points [-0.3, 0.7]).",
        ),
        (
            comparison(0.6, 0.02, 1.2, 0.07),
            (
                "No difference shown between the CNN and boosting on fc1 "
                "(0.6 points [0.02, 1.2], McNemar p = 0.07)."
            ),
        ),
        (
            comparison(-0.001, -0.3, 0.3, 1),
            "No difference shown between the CNN and boosting on fc1 (0.0 points [-0.3, 0.3]).",
        ),
    ],
)
def test_the_sentence_says_what_the_numbers_support(found: Comparison, sentence: str) -> None:
    assert found.sentence("the CNN", "boosting on fc1") == sentence


def test_a_difference_that_one_of_many_pairs_has_by_chance_is_not_shown() -> None:
    chance = comparison(1.1, 0.1, 2.1, 0.02)
    clear = comparison(3.4, 2.4, 4.4, 0.001)
    none = comparison(0.2, -0.8, 1.2, 0.5)
    assert chance.shown
    found = adjusted([chance, none, clear])
    assert [pair.p for pair in found] == pytest.approx([0.04, 0.5, 0.003])
    assert [pair.shown for pair in found] == [True, False, True]
    of_four = adjusted([chance, none, clear, none])[0]
    assert not of_four.shown
    assert of_four.pooled.p == 0.02
    assert of_four.sentence("the CNN", "boosting on fc1") == (
        "No difference shown between the CNN and boosting on fc1 "
        "(1.1 points [0.1, 2.1], McNemar p = 0.06, adjusted)."
    )


def test_one_comparison_needs_no_adjustment() -> None:
    alone = comparison(1.1, 0.1, 2.1, 0.02)
    assert adjusted([alone]) == (alone,)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.ones((1, 3), bool), np.ones((1, 4), bool)),
        (np.ones((1, 3), bool), np.ones((2, 3), bool)),
        (np.ones(3, bool), np.ones(3, bool)),
        (np.ones((1, 0), bool), np.ones((1, 0), bool)),
        (np.ones((0, 3), bool), np.ones((0, 3), bool)),
    ],
)
def test_what_cannot_be_paired_is_refused(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> None:
    with pytest.raises(DataError, match="compare"):
        compare(a, b)


def test_a_limit_of_nothing_does_not_leave_nothing_out() -> None:
    for limits in ((1e-16, 0.1), (-1e-16, 0.1)):
        low, _ = percentile_interval(np.array(limits[:1] * 100 + limits[1:]))
        assert low == 0


def test_the_log_loss_is_compared_over_images_and_seeds() -> None:
    generator = np.random.default_rng(0)
    a = generator.exponential(1.0, (2, 400))
    better = a - generator.normal(0.05, 0.1, (2, 400))
    right = np.ones((2, 400), dtype=np.bool_)
    loss = compare(right, right, losses=(a, better)).loss
    assert loss is not None
    low, high = loss.interval
    assert loss.value == pytest.approx((better - a).mean())
    assert low < loss.value < high < 0
    assert compare(right, right, losses=(a, better)).loss_p < 0.01
    of_images = np.abs((better - a).mean(axis=0)).std() / 20
    assert high - low > 3 * of_images
    assert compare(right, right).loss is None


@pytest.mark.parametrize(
    ("loss", "clause"),
    [
        (None, ""),
        (Measure(-0.01, (-0.03, 0.01)), ""),
        (Measure(-0.03, (-0.04, -0.02)), "; by log loss {b} is better by 0.030 nats [0.020, 0.040]"),
        (Measure(0.02, (0.01, 0.03)), "; by log loss {b} is worse by 0.020 nats [0.010, 0.030]"),
    ],
)  # fmt: skip
def test_the_sentence_adds_what_the_log_loss_shows(loss: Measure | None, clause: str) -> None:
    none = Discordance(0, 0, 1.0)
    same = Comparison(9, 0.0, (-1.0, 1.0), (none,), none, 1.0, loss, 0.01)
    said = same.sentence("the CNN", "boosting on fc1")
    assert said == (
        "No difference shown between the CNN and boosting on fc1 (0.0 points [-1.0, 1.0])"
        f"{clause.format(b='boosting on fc1')}."
    )
    more = Comparison(9, 2.0, (1.0, 3.0), (none,), none, 0.001, loss, 0.01)
    said = more.sentence("the CNN", "boosting on fc1")
    assert said == f"Boosting on fc1 adds 2.0 points [1.0, 3.0] to the CNN{clause.format(b='it')}."


def test_a_log_loss_that_one_of_many_pairs_has_by_chance_is_not_said() -> None:
    none = Discordance(0, 0, 1.0)
    loss = Measure(-0.02, (-0.039, -0.001))
    found = [Comparison(9, 0.0, (-1.0, 1.0), (none,), none, 1.0, loss, 0.04)] * 2
    assert "by log loss" in found[0].sentence("a", "b")
    assert [own.loss_p for own in adjusted(found)] == pytest.approx([0.08, 0.08])
    assert "by log loss" not in adjusted(found)[0].sentence("a", "b")


@pytest.mark.parametrize("gain", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(2, 5), (1, 1)])
def test_losses_that_do_not_vary_show_nothing(shape: tuple[int, int], gain: float) -> None:
    right, losses = np.ones(shape, dtype=np.bool_), np.full(shape, 0.3)
    found = compare(right, right, losses=(losses, losses - gain))
    assert found.loss_p == 1
    assert "by log loss" not in found.sentence("a", "b")


def test_variants_of_a_run_are_compared_on_the_images_that_count() -> None:
    said = {
        "cnn": [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]],
        "fc1": [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]],
    }
    shares = {variant: np.array(own, dtype=np.float32) for variant, own in said.items()}
    seed = SeedResults(
        0, (), 1, shares, dict.fromkeys(said, 1.0), dict.fromkeys(said, PredictTime(0, 0, 0))
    )
    results = Results(("happy", "sad"), np.array([0, 0, 1]), None, (seed,))
    whole = compare_variants(results, "cnn", "fc1")
    assert whole.n == 3
    assert whole.difference == pytest.approx(100 / 3)
    assert whole.loss is not None
    assert whole.loss.value == pytest.approx(np.log(0.4 / 0.6) / 3, abs=1e-6)
    part = compare_variants(results, "cnn", "fc1", images=np.array([True, True, False]))
    assert (part.n, part.difference) == (2, 0)


def test_no_resamples_are_refused() -> None:
    with pytest.raises(SettingsError, match="at least 1"):
        compare(np.ones((1, 2), bool), np.ones((1, 2), bool), resamples=0)
