"""Figures of calibration before and after, and of abstaining."""

from dataclasses import replace

import numpy as np
import pytest
from fabricated import fabricate_results
from numpy.typing import NDArray

from ferboost.evaluation.results import Results
from ferboost.evaluation.trust import VariantTrust, fit_calibration, measure_trust
from ferboost.report.trust_figures import plot_calibration_change, plot_risk_coverage


@pytest.fixture(scope="module")
def results() -> Results:
    return fabricate_results(images=600, variants=("cnn", "fc1"))


@pytest.fixture(scope="module")
def trusts(results: Results) -> tuple[VariantTrust, ...]:
    probabilities = {seed.seed: seed.probabilities for seed in results.seeds}
    return measure_trust(results, fit_calibration(results.labels, probabilities))


def labels(results: Results) -> NDArray[np.int64]:
    return np.asarray(results.labels)


def test_the_errors_before_and_after_are_in_the_legend(
    results: Results, trusts: tuple[VariantTrust, ...]
) -> None:
    figure = plot_calibration_change(trusts[0], labels(results))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    for step, name in zip(trusts[0].steps, ("as it comes", "temperature scaled"), strict=False):
        (own,) = [text for text in texts if name in text]
        assert f"{100 * step.metrics.ece.value:.1f} points" in own


def test_one_curve_is_drawn_where_no_temperature_helps(
    results: Results, trusts: tuple[VariantTrust, ...]
) -> None:
    assert trusts[0].is_scaled
    plain = replace(trusts[0], after=trusts[0].before)
    figure = plot_calibration_change(plain, labels(results))
    (text,) = [text.get_text() for text in figure.legends[0].get_texts()]
    assert text.startswith("as it comes")
    assert figure.axes[0].get_title(loc="left") == "CNN: as it comes"


def test_points_are_within_percent(results: Results, trusts: tuple[VariantTrust, ...]) -> None:
    (axes,) = plot_calibration_change(trusts[0], labels(results)).axes
    for line in axes.lines:
        assert 0 <= np.min(line.get_ydata()) <= np.max(line.get_ydata()) <= 100


def test_abstaining_from_nothing_has_the_error_of_all(trusts: tuple[VariantTrust, ...]) -> None:
    (axes,) = plot_risk_coverage(trusts).axes
    curves = [np.asarray(line.get_ydata(), float) for line in axes.lines]
    drawn = [curve[-1] for curve in curves if len(curve) > 2]
    np.testing.assert_allclose(drawn, [100 * trust.risk.risk[-1] for trust in trusts], atol=0.01)
