"""Scaling of probabilities."""

import numpy as np
import pytest
from shares import draw, overconfident, softmax

from ferboost.errors import DataError
from ferboost.evaluation.calibration import measure_calibration
from ferboost.evaluation.scaling import Scaling, ScalingMethod, fit_scaling, fit_shown_scaling


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


def test_a_scaling_that_is_shown_to_help_is_kept() -> None:
    shares, labels = draw()
    wrong = overconfident(shares)
    assert fit_shown_scaling(wrong, labels) == fit_scaling(wrong, labels)
    assert not fit_scaling(wrong, labels).changes_nothing
    biased = softmax(np.log(shares.astype(np.float64)) + np.array([1.5, 0, 0, 0]))
    assert fit_shown_scaling(biased, labels, "vector") == fit_scaling(biased, labels, "vector")


@pytest.mark.parametrize("method", ["temperature", "vector"])
def test_probabilities_that_are_right_are_left_alone(method: ScalingMethod) -> None:
    shares, labels = draw()
    assert not fit_scaling(shares, labels, method).changes_nothing
    scaling = fit_shown_scaling(shares, labels, method)
    assert scaling.changes_nothing
    assert scaling.method == method
    assert scaling.temperature == 1
    np.testing.assert_allclose(scaling.apply(shares), shares, atol=1e-6)


def test_one_image_shows_nothing() -> None:
    one = np.array([[0.2, 0.8]], dtype=np.float32)
    assert fit_shown_scaling(one, np.array([1])).changes_nothing


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
