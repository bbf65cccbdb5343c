"""Variants over seeds."""

import numpy as np
import pytest

from ferboost.evaluation.results import PredictTime, Results, SeedResults
from ferboost.evaluation.summary import against_baselines, summarize

LABELS = np.array([0, 0, 1, 1])
RIGHT = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]], np.float32)


def one_seed(seed: int, cnn_wrong: int, trees_wrong: int) -> SeedResults:
    def with_errors(count: int) -> np.ndarray:
        rows = RIGHT.copy()
        rows[:count] = rows[:count, ::-1]
        return rows

    return SeedResults(
        seed=seed,
        history=(),
        best_epoch=1,
        probabilities={"cnn": with_errors(cnn_wrong), "fc1": with_errors(trees_wrong)},
        train_accuracy={"cnn": 0.8 + 0.1 * seed, "fc1": 1.0},
        predict_times={"cnn": PredictTime(1 + seed, 0, 2), "fc1": PredictTime(1 + seed, 0.1, 3)},
    )


def results(*seeds: SeedResults) -> Results:
    return Results(("calm", "tense"), LABELS, np.array([True, True, True, False]), seeds)


def test_accuracy_is_the_mean_over_seeds_with_its_sample_deviation() -> None:
    cnn, _ = summarize(results(one_seed(0, 1, 0), one_seed(1, 2, 0)))
    assert cnn.variant == "cnn"
    assert cnn.accuracy == pytest.approx((0.75 + 0.5) / 2)
    assert cnn.deviation == pytest.approx(0.25 / np.sqrt(2))
    assert cnn.accuracy_clean == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert cnn.train_accuracy == pytest.approx(0.85)
    assert cnn.predict_time == PredictTime(1.5, 0, 2)
    assert [metrics.accuracy for metrics in cnn.per_seed] == [0.75, 0.5]


def test_one_seed_has_no_deviation() -> None:
    cnn, _ = summarize(results(one_seed(0, 1, 0)))
    assert cnn.deviation is None


def test_trees_are_compared_with_the_cnn_and_the_cnn_with_nothing() -> None:
    cnn, trees = summarize(results(one_seed(0, 2, 1), one_seed(1, 2, 1)))
    assert cnn.against_cnn is None
    assert trees.against_cnn is not None
    assert trees.against_cnn.difference == pytest.approx(25)


def test_comparisons_of_several_variants_are_adjusted_for_how_many() -> None:
    labels = np.zeros(40, int)
    right, wrong = np.array([[0.9, 0.1]], np.float32), np.array([[0.1, 0.9]], np.float32)
    spoilt = {"cnn": 0, "fc1": 7, "fc2": 6, "fc1 logistic": 15, "fc1 mlp": 1, "fc2 mlp": 0}
    seed = SeedResults(
        seed=0,
        history=(),
        best_epoch=1,
        probabilities={
            name: np.concatenate([wrong.repeat(n, axis=0), right.repeat(40 - n, axis=0)])
            for name, n in spoilt.items()
        },
        train_accuracy=dict.fromkeys(spoilt, 1.0),
        predict_times=dict.fromkeys(spoilt, PredictTime(1, 0, 1)),
    )
    found = Results(("calm", "tense"), labels, None, (seed,))
    own = {s.variant: s.against_cnn for s in summarize(found, resamples=50) if s.against_cnn}
    assert own["fc1"].pooled.p == pytest.approx(2 / 2**7)
    assert own["fc1"].p == pytest.approx(4 * 2 / 2**7)
    assert not own["fc1"].shown
    assert own["fc1 logistic"].p == pytest.approx(5 * 2 / 2**15)
    assert own["fc1 logistic"].shown
    beside = {a: comparison for a, _, comparison in against_baselines(found, resamples=50)}
    assert beside["fc2 mlp"].pooled.p == pytest.approx(2 / 2**6)
    assert beside["fc2 mlp"].p == pytest.approx(2 * 2 / 2**6)


def test_measures_are_means_over_the_seeds() -> None:
    cnn, _ = summarize(results(one_seed(0, 0, 0), one_seed(1, 2, 0)))
    losses = [metrics.log_loss for metrics in cnn.per_seed]
    assert cnn.log_loss == pytest.approx(np.mean(losses))
    assert cnn.balanced_accuracy == pytest.approx((1 + 0.5) / 2)
    assert cnn.by_class("accuracy") == {"calm": 0.5, "tense": 1}


def test_a_class_measure_is_the_mean_of_the_seeds_that_define_it() -> None:
    # The second seed takes every image for "tense", so "calm" has a precision in the first only.
    one_sided = one_seed(1, 2, 0)
    one_sided.probabilities["cnn"][:] = [0.1, 0.9]
    cnn, _ = summarize(results(one_seed(0, 0, 0), one_sided))
    assert cnn.by_class("precision")["calm"] == 1


def test_clean_accuracy_is_undefined_where_every_image_is_a_copy() -> None:
    copies = Results(("calm", "tense"), LABELS, np.zeros(4, bool), (one_seed(0, 1, 0),))
    cnn, _ = summarize(copies)
    assert (cnn.accuracy_clean, cnn.interval_clean) == (None, None)


def test_the_seeds_together_are_measured_by_their_mean_and_one_seed_is_not() -> None:
    seeds = (one_seed(1, 1, 0), one_seed(2, 2, 0))
    cnn, _ = summarize(results(*seeds), resamples=20)
    mean = np.mean([seed.probabilities["cnn"] for seed in seeds], axis=0)
    assert cnn.together is not None
    assert cnn.together.accuracy == (mean.argmax(axis=1) == results(*seeds).labels).mean()
    alone, _ = summarize(results(seeds[0]), resamples=20)
    assert alone.together is None
