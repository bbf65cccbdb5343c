"""Measures of probabilities against true classes."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from ferboost.errors import DataError
from ferboost.evaluation.metrics import (
    Metrics,
    evaluate_probabilities,
    reliability_bins,
    roc_curve_points,
)

CLASSES = ("angry", "happy", "sad")

# Predicted: angry, happy, happy, sad. True: angry, happy, sad, sad.
PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.4, 0.3], [0.2, 0.2, 0.6]], np.float32
)
LABELS = np.array([0, 1, 2, 2])


def evaluate(labels: list[int], rows: NDArray[np.float32] | None = None) -> Metrics:
    chosen = PROBABILITIES[: len(labels)] if rows is None else rows
    return evaluate_probabilities(chosen, np.array(labels), CLASSES)


def test_measures_of_four_images_are_those_computed_by_hand() -> None:
    found = evaluate_probabilities(PROBABILITIES, LABELS, CLASSES)
    assert (found.n, found.accuracy) == (4, 0.75)
    assert found.balanced_accuracy == pytest.approx((1 + 1 + 0.5) / 3)
    assert found.macro_f1 == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert found.log_loss == pytest.approx(-np.log([0.7, 0.8, 0.3, 0.6]).mean(), rel=1e-5)
    assert found.ece == pytest.approx((0.3 + 0.2 + 0.4 + 0.4) / 4, rel=1e-5)
    np.testing.assert_array_equal(found.confusion, [[1, 0, 0], [0, 1, 0], [0, 1, 1]])


def test_measures_of_a_class_are_those_computed_by_hand() -> None:
    happy = evaluate_probabilities(PROBABILITIES, LABELS, CLASSES).per_class["happy"]
    assert (happy.n, happy.accuracy, happy.precision) == (1, 1, 0.5)
    assert happy.f1 == pytest.approx(2 / 3)
    assert happy.auc == 1


def test_a_tie_of_scores_counts_half_in_the_auc() -> None:
    rows = np.array([[0.5, 0.5, 0], [0.5, 0.5, 0]], np.float32)
    assert evaluate([0, 1], rows).per_class["angry"].auc == 0.5


def test_the_first_of_equally_probable_classes_is_the_prediction() -> None:
    assert evaluate([0], np.full((1, 3), 1 / 3, np.float32)).accuracy == 1


def test_the_interval_of_the_accuracy_is_the_binomial_one() -> None:
    labels = np.zeros(1000, np.int64)
    rows = np.eye(3, dtype=np.float32)[np.arange(1000) % 5 // 3]
    found = evaluate_probabilities(rows, labels, CLASSES)
    half_width = 1.96 * np.sqrt(0.6 * 0.4 / 1000)
    assert found.accuracy == pytest.approx(0.6)
    assert found.interval == pytest.approx((0.6 - half_width, 0.6 + half_width), abs=0.004)


def test_clean_images_are_measured_apart() -> None:
    clean = np.array([True, True, True, False])
    found = evaluate_probabilities(PROBABILITIES, LABELS, CLASSES, clean)
    assert found.n_clean == 3
    assert found.accuracy_clean == pytest.approx(2 / 3)
    assert found.interval_clean is not None
    assert found.interval_clean[0] < 2 / 3 < found.interval_clean[1]


def test_clean_is_undefined_where_it_is_not_known() -> None:
    found = evaluate_probabilities(PROBABILITIES, LABELS, CLASSES)
    assert (found.n_clean, found.accuracy_clean, found.interval_clean) == (None, None, None)


def test_clean_is_undefined_where_every_image_is_a_copy() -> None:
    found = evaluate_probabilities(PROBABILITIES, LABELS, CLASSES, np.zeros(4, bool))
    assert (found.n_clean, found.accuracy_clean, found.interval_clean) == (0, None, None)


def test_an_absent_class_is_undefined_and_outside_the_balanced_accuracy() -> None:
    found = evaluate([0, 1])
    absent = found.per_class["sad"]
    assert (absent.n, absent.accuracy, absent.precision, absent.f1, absent.auc) == (
        0,
        None,
        None,
        None,
        None,
    )
    assert (found.balanced_accuracy, found.macro_f1) == (1, 1)
    assert found.confusion.shape == (3, 3)


def test_an_absent_class_that_is_predicted_has_an_f1_of_zero() -> None:
    found = evaluate([0, 0])
    assert found.per_class["happy"].f1 == 0
    assert found.per_class["happy"].precision == 0
    assert found.macro_f1 == pytest.approx((2 / 3 + 0) / 2)


def test_a_single_image_is_measured() -> None:
    found = evaluate([1])
    assert (found.n, found.accuracy, found.interval) == (1, 0, (0, 0))


def test_certain_and_right_costs_nothing_and_certain_and_wrong_a_finite_loss() -> None:
    certain = np.eye(3, dtype=np.float32)
    perfect = evaluate_probabilities(certain, np.array([0, 1, 2]), CLASSES)
    assert (perfect.accuracy, perfect.interval, perfect.ece) == (1, (1, 1), 0)
    assert perfect.log_loss == pytest.approx(0, abs=1e-5)
    wrong = evaluate_probabilities(certain, np.array([1, 2, 0]), CLASSES)
    assert wrong.log_loss == pytest.approx(-np.log(np.finfo(np.float32).eps), rel=1e-3)


def test_every_case_becomes_json_without_nan() -> None:
    for found in (
        evaluate([0]),
        evaluate([0, 1, 2, 2]),
        evaluate_probabilities(PROBABILITIES, LABELS, CLASSES, LABELS > 0),
    ):
        again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert again == found.to_dict()
        assert set(again["per_class"]["sad"]) == {"n", "accuracy", "precision", "f1", "auc"}


def test_the_calibration_error_agrees_with_a_loop_over_the_bins() -> None:
    random = np.random.default_rng(0)
    rows = random.dirichlet(np.ones(3), 500).astype(np.float32)
    labels = random.integers(0, 3, 500)
    confidence, correct = rows.max(axis=1), rows.argmax(axis=1) == labels
    expected = 0.0
    for edge in range(15):
        inside = (confidence > edge / 15) & (confidence <= (edge + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    assert evaluate_probabilities(rows, labels, CLASSES).ece == pytest.approx(expected, rel=1e-5)


def test_reliability_leaves_empty_bins_out_and_keeps_every_image() -> None:
    bins = reliability_bins(PROBABILITIES, LABELS)
    assert bins.count.tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(bins.confidence, [0.4, 0.6, 0.7, 0.8], rtol=1e-5)
    assert bins.accuracy.tolist() == [0, 1, 1, 1]


def test_a_roc_curve_runs_from_corner_to_corner() -> None:
    curve = roc_curve_points(PROBABILITIES, LABELS, 2)
    assert curve is not None
    assert (curve.false_positive_rate[0], curve.true_positive_rate[0]) == (0, 0)
    assert (curve.false_positive_rate[-1], curve.true_positive_rate[-1]) == (1, 1)
    assert curve.auc == 1


def test_a_class_without_any_image_has_no_roc_curve() -> None:
    assert roc_curve_points(PROBABILITIES[:2], LABELS[:2], 2) is None


@pytest.mark.parametrize(
    ("rows", "labels", "clean", "message"),
    [
        (PROBABILITIES[:0], LABELS[:0], None, "no image"),
        (PROBABILITIES[:3], LABELS, None, "shape"),
        (PROBABILITIES[:, :2], LABELS, None, "shape"),
        (PROBABILITIES, LABELS, np.ones(3, bool), "clean"),
        (PROBABILITIES, LABELS + 1, None, "0 to 2, found 1 to 3"),
        (PROBABILITIES * np.float32(np.nan), LABELS, None, "diverged"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_its_reason(
    rows: NDArray[np.float32],
    labels: NDArray[np.int64],
    clean: NDArray[np.bool_] | None,
    message: str,
) -> None:
    with pytest.raises(DataError, match=message):
        evaluate_probabilities(rows, labels, CLASSES, clean)
