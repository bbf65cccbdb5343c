"""Scaling, calibration errors, and what they promise."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ferboost.errors import DataError, SettingsError
from ferboost.evaluation.calibration import (
    Scaling,
    fit_scaling,
    measure_calibration,
    reliability_curve,
)

Floats = NDArray[np.float32]


def softmax(logits: NDArray[np.float64]) -> Floats:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)


def draw(n: int = 4000, classes: int = 4, seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    """Draw probabilities and labels that have them, so that they are perfectly calibrated."""
    random = np.random.default_rng(seed)
    shares = softmax(random.normal(scale=1.5, size=(n, classes)))
    chosen = (shares.cumsum(axis=1) < random.random((n, 1))).sum(axis=1)
    return shares, np.minimum(chosen, classes - 1).astype(np.int64)


def overconfident(shares: Floats, factor: float = 2.0) -> Floats:
    return softmax(factor * np.log(shares.astype(np.float64)))


def test_temperature_scaling_finds_the_factor_of_the_overconfidence() -> None:
    shares, labels = draw()
    scaling = fit_scaling(overconfident(shares), labels)
    assert scaling.temperature == pytest.approx(2, rel=0.08)
    assert scaling.bias == (0,) * 4


def test_temperature_scaling_changes_no_verdict() -> None:
    shares, labels = draw()
    scaled = fit_scaling(shares, labels).apply(shares)
    np.testing.assert_array_equal(scaled.argmax(axis=1), shares.argmax(axis=1))
    np.testing.assert_allclose(scaled.sum(axis=1), 1, rtol=1e-5)


def test_vector_scaling_finds_the_bias_of_a_class() -> None:
    shares, labels = draw()
    bias = np.array([1.5, 0, 0, 0])
    scaling = fit_scaling(softmax(np.log(shares.astype(np.float64)) + bias), labels, "vector")
    found = np.array(scaling.bias)
    np.testing.assert_allclose(found - found.mean(), bias.mean() - bias, atol=0.2)
    np.testing.assert_allclose(scaling.scale, 1, atol=0.15)


def test_vector_scaling_fits_no_worse_than_temperature_scaling() -> None:
    shares, labels = draw(800)
    skewed = softmax(2 * np.log(shares.astype(np.float64)) + np.array([1, 0, -1, 0]))
    losses = [
        measure_calibration(fit_scaling(skewed, labels, m).apply(skewed)[None], labels).log_loss
        for m in ("temperature", "vector")
    ]
    assert losses[1].value < losses[0].value


def test_classes_told_apart_without_an_error_give_finite_factors() -> None:
    labels = np.arange(60) % 3
    for method in ("temperature", "vector"):
        scaling = fit_scaling(np.eye(3, dtype=np.float32)[labels], labels, method)
        assert np.isfinite([*scaling.scale, *scaling.bias]).all()


def test_a_scaling_survives_json() -> None:
    shares, labels = draw(200)
    scaling = fit_scaling(shares, labels, "vector")
    assert Scaling.from_dict(scaling.to_dict()) == scaling


@pytest.mark.parametrize(
    "content",
    [{}, {"method": "guess", "scale": [1], "bias": [0]}, {"method": "vector", "scale": 3}],
)
def test_what_is_no_scaling_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(DataError, match="that is no calibration"):
        Scaling.from_dict(content)


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
