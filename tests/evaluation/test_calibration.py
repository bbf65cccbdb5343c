"""Calibration errors, and what they promise."""

import numpy as np
import pytest
from shares import draw, overconfident

from ferboost.errors import DataError, SettingsError
from ferboost.evaluation.calibration import measure_calibration, reliability_curve
from ferboost.evaluation.scaling import fit_scaling


def test_calibration_reduces_the_errors_of_an_overconfident_model_on_new_images() -> None:
    shares, labels = draw(seed=1)
    new_shares, new_labels = draw(seed=2)
    scaling = fit_scaling(overconfident(shares), labels)
    before = measure_calibration(overconfident(new_shares)[None], new_labels)
    after = measure_calibration(scaling.apply(overconfident(new_shares))[None], new_labels)
    assert before.ece.value > 0.08
    assert after.ece.value < 0.03
    assert after.ace.value < before.ace.value
    assert after.brier.value < before.brier.value
    assert after.log_loss.value < before.log_loss.value


def test_measures_are_those_of_their_definitions() -> None:
    shares = np.array([[[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]]], dtype=np.float32)
    found = measure_calibration(shares, np.array([0, 1, 1]))
    assert found.ece.value == pytest.approx((2 * abs(0.9 - 0.5) + abs(0.8 - 1)) / 3, abs=1e-6)
    assert found.brier.value == pytest.approx((0.02 + 1.62 + 0.08) / 3, abs=1e-6)
    expected = -np.log([0.9, 0.1, 0.8]).mean()
    assert found.log_loss.value == pytest.approx(expected, abs=1e-6)
    # With three images every bin of the adaptive error holds one.
    assert found.ace.value == pytest.approx((0.1 + 0.9 + 0.2) / 3, abs=1e-6)


def test_a_perfect_model_shows_the_error_of_chance_and_its_interval_takes_it_out() -> None:
    shares, labels = draw(2000, seed=3)
    found = measure_calibration(shares[None], labels)
    assert found.ece.value == pytest.approx(found.ece_by_chance, abs=0.012)
    assert found.ece.interval[0] < 0.01
    low, high = found.brier.interval
    assert low < found.brier.value < high


def test_reliability_counts_an_image_once_whatever_the_number_of_seeds() -> None:
    shares, labels = draw(500)
    one = reliability_curve(shares[None], labels)
    three = reliability_curve(np.stack([shares] * 3), labels)
    np.testing.assert_allclose(three.accuracy, one.accuracy)
    np.testing.assert_allclose(three.low, one.low)
    assert (one.low <= one.accuracy).all()
    assert (one.accuracy <= one.high).all()


def test_what_does_not_fit_is_refused() -> None:
    shares, labels = draw(10)
    with pytest.raises(DataError, match="no image"):
        fit_scaling(shares[:0], labels[:0])
    with pytest.raises(DataError, match="as many rows"):
        fit_scaling(shares, labels[:5])
    with pytest.raises(DataError, match="count from 0 to 3"):
        fit_scaling(shares, labels + 4)
    with pytest.raises(DataError, match="not a number"):
        fit_scaling(np.full_like(shares, np.nan), labels)
    with pytest.raises(SettingsError, match="no calibration 'platt'"):
        fit_scaling(shares, labels, "platt")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="4 classes cannot scale"):
        fit_scaling(shares, labels).apply(shares[:, :3])
