"""Sets that hold the true class as often as asked, and abstaining."""

from typing import Literal

import numpy as np
import pytest
from shares import draw

from ferboost.errors import DataError, SettingsError
from ferboost.evaluation.conformal import (
    SET_METHODS,
    ConformalSets,
    fit_conformal,
    measure_sets,
    risk_coverage,
)

SHARES, LABELS = draw(4000, seed=5)
NEW_SHARES, NEW_LABELS = draw(4000, seed=6)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("method", SET_METHODS)
def test_sets_cover_new_images_as_often_as_asked(
    method: Literal["lac", "aps", "raps"], coverage: float
) -> None:
    sets = fit_conformal(SHARES, LABELS, coverage, method).predict(NEW_SHARES)
    assert measure_sets(sets[None], NEW_LABELS).coverage == pytest.approx(coverage, abs=0.025)


def test_sets_by_class_cover_each_class_as_often_as_asked() -> None:
    sets = fit_conformal(SHARES, LABELS, 0.9, by_class=True).predict(NEW_SHARES)
    by_class = measure_sets(sets[None], NEW_LABELS).by_class
    np.testing.assert_allclose(np.array(by_class, dtype=float), 0.9, atol=0.04)


def test_least_ambiguous_sets_are_the_smallest() -> None:
    sizes = [
        measure_sets(fit_conformal(SHARES, LABELS, 0.9, m).predict(NEW_SHARES)[None], NEW_LABELS)
        for m in SET_METHODS
    ]
    assert sizes[0].size <= min(sizes[1].size, sizes[2].size)


def test_adaptive_sets_are_never_empty_and_hold_the_verdict() -> None:
    sets = fit_conformal(SHARES, LABELS, 0.7, "aps").predict(NEW_SHARES)
    assert sets[np.arange(len(sets)), NEW_SHARES.argmax(axis=1)].all()


def test_more_coverage_needs_larger_sets() -> None:
    few = fit_conformal(SHARES, LABELS, 0.8).predict(NEW_SHARES)
    many = fit_conformal(SHARES, LABELS, 0.95).predict(NEW_SHARES)
    assert (many >= few).all()


def test_too_few_images_give_the_set_of_all_classes() -> None:
    sets = fit_conformal(SHARES[:5], LABELS[:5], 0.95)
    assert sets.predict(NEW_SHARES).all()
    assert ConformalSets.from_dict(sets.to_dict()) == sets
    assert sets.to_dict()["thresholds"] == [None] * 4


def test_the_measures_are_those_of_their_definitions() -> None:
    sets = np.array([[[True, False], [True, True], [False, False], [False, True]]])
    found = measure_sets(sets, np.array([0, 1, 0, 0]))
    assert (found.coverage, found.size) == (0.5, 1.0)
    assert (found.single, found.single_accuracy, found.empty) == (0.5, 0.5, 0.25)
    assert found.by_class[0] == pytest.approx(1 / 3)
    assert found.by_class[1] == 1


def test_risk_rises_to_the_error_as_unsure_images_are_answered() -> None:
    risk = risk_coverage(NEW_SHARES, NEW_LABELS)
    error = float((NEW_SHARES.argmax(axis=1) != NEW_LABELS).mean())
    assert risk.answered[-1] == 1
    assert risk.risk[-1] == pytest.approx(error)
    assert risk.risk[len(risk.risk) // 4] < error
    assert risk.least_area < risk.area < error
    assert (np.diff(risk.threshold) <= 0).all()


def test_what_does_not_fit_is_refused() -> None:
    for coverage in (0, 1, 90):
        with pytest.raises(SettingsError, match="a coverage lies between 0 and 1"):
            fit_conformal(SHARES, LABELS, coverage)
    with pytest.raises(SettingsError, match="no conformal sets 'top'"):
        fit_conformal(SHARES, LABELS, 0.9, "top")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="a row of probabilities for each label"):
        fit_conformal(SHARES, LABELS[:3])
    with pytest.raises(DataError, match="sets of 4 classes"):
        fit_conformal(SHARES, LABELS).predict(SHARES[:, :2])
    with pytest.raises(DataError, match="these are no conformal sets"):
        ConformalSets.from_dict({"method": "lac"})
