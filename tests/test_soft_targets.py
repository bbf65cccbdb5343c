"""Soft targets: what they are, and their loss."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ferboost.baselines import new_baseline
from ferboost.boosting import BoostedTrees
from ferboost.config import TreeSettings
from ferboost.errors import SettingsError
from ferboost.soft_targets import class_weights, mix_targets, soft_objective, soft_start
from ferboost.variants import BASELINES

CLASSES = 3
RANDOM = np.random.default_rng(0)
LABELS = np.minimum(RANDOM.integers(0, 4, 240), 2)  # the last class is as large as both others
ROWS = (RANDOM.standard_normal((240, 4)) + np.eye(3, 4)[LABELS] * 3).astype(np.float32)
MARGINS = RANDOM.standard_normal((240, CLASSES)).astype(np.float32)
SHARES = RANDOM.dirichlet(np.ones(CLASSES), 240).astype(np.float32)
WEIGHTS = RANDOM.uniform(0.5, 2, 240).astype(np.float32)
HARD = np.eye(CLASSES, dtype=np.float32)[LABELS]
SMALL = TreeSettings(rounds=5, max_depth=3)


def loss(margins: NDArray[np.float64]) -> float:
    """Return the weighted cross-entropy of `SHARES`, summed over the rows."""
    logs = margins - np.log(np.exp(margins).sum(axis=1, keepdims=True))
    return float(-(WEIGHTS[:, None] * SHARES * logs).sum())


@pytest.mark.parametrize(("row", "label"), [(0, 0), (7, 1), (239, 2)])
def test_the_gradient_is_that_of_the_cross_entropy(row: int, label: int) -> None:
    step = 1e-5
    at = MARGINS.astype(np.float64)
    aside = np.zeros_like(at)
    aside[row, label] = step
    numeric = (loss(at + aside) - loss(at - aside)) / (2 * step)
    curvature = (loss(at + 100 * aside) - 2 * loss(at) + loss(at - 100 * aside)) / (100 * step) ** 2
    gradient, second = soft_objective(SHARES, WEIGHTS)(MARGINS, None)
    assert gradient[row, label] == pytest.approx(numeric, rel=1e-3, abs=1e-6)
    assert second[row, label] == pytest.approx(2 * curvature, rel=1e-3)


def test_hard_targets_grow_the_trees_that_labels_grow() -> None:
    by_labels = BoostedTrees(SMALL, CLASSES).fit(ROWS, LABELS)
    by_targets = BoostedTrees(SMALL, CLASSES).fit(ROWS, LABELS, targets=HARD)
    np.testing.assert_allclose(
        by_targets.predict_proba(ROWS), by_labels.predict_proba(ROWS), atol=1e-5
    )


def test_hard_targets_grow_the_residual_trees_that_labels_grow() -> None:
    settings = SMALL.model_copy(update={"class_weights": "balanced"})
    grown = [
        BoostedTrees(settings, CLASSES, residual=True)
        .fit(ROWS, LABELS, logits=MARGINS, targets=targets)
        .predict_proba(ROWS, MARGINS)
        for targets in (None, HARD)
    ]
    np.testing.assert_allclose(grown[1], grown[0], atol=1e-5)


def test_trees_approach_the_shares_of_votes() -> None:
    settings = TreeSettings(rounds=60, max_depth=6, learning_rate=0.5)
    grown = BoostedTrees(settings, CLASSES).fit(ROWS, LABELS, targets=SHARES)
    assert np.abs(grown.predict_proba(ROWS) - SHARES).mean() < 0.05


def test_early_stopping_watches_the_labels() -> None:
    settings = SMALL.model_copy(update={"early_stopping": 2, "rounds": 50})
    grown = BoostedTrees(settings, CLASSES).fit(
        ROWS[:200], LABELS[:200], (ROWS[200:], LABELS[200:]), targets=SHARES[:200]
    )
    assert grown.rounds_ < 50


@pytest.mark.parametrize("kind", list(BASELINES))
def test_baselines_learn_the_targets(kind: str) -> None:
    settings = TreeSettings(rounds=30, max_depth=3)
    baseline = new_baseline(kind, settings, CLASSES, 0, residual=False)
    baseline.fit(ROWS, LABELS, targets=np.roll(HARD, 1, axis=1))
    assert (baseline.predict_proba(ROWS).argmax(axis=1) == (LABELS + 1) % 3).mean() > 0.8


def test_a_lightgbm_that_learns_shares_is_stopped_by_the_labels() -> None:
    settings = TreeSettings(rounds=200, max_depth=3, early_stopping=3)
    baseline = new_baseline("lightgbm", settings, CLASSES, 0, residual=False)
    watched = (ROWS[200:], LABELS[200:])
    baseline.fit(ROWS[:200], LABELS[:200], watched, targets=HARD[:200])
    plain = new_baseline("lightgbm", settings, CLASSES, 0, residual=False)
    plain.fit(ROWS[:200], LABELS[:200], watched)
    assert 0 < baseline.rounds_ < 200
    assert (baseline.predict_proba(ROWS).argmax(1) == plain.predict_proba(ROWS).argmax(1)).all()


def test_targets_are_between_the_label_and_the_votes() -> None:
    shares = np.array([[0.25, 0.75, 0], [0, 0, 0]], dtype=np.float32)
    labels = np.array([0, 2])
    expected = np.array([[0.7, 0.3, 0], [0, 0, 1]])
    np.testing.assert_allclose(mix_targets(labels, shares, 0.4), expected, rtol=1e-6)
    np.testing.assert_array_equal(mix_targets(labels, shares, 0), np.eye(3)[labels])


def test_the_start_is_the_mean_of_the_targets() -> None:
    start = soft_start(SHARES, WEIGHTS)
    shares = np.exp(start) / np.exp(start).sum()
    np.testing.assert_allclose(shares, np.average(SHARES, axis=0, weights=WEIGHTS), rtol=1e-5)


class TestClassWeights:
    LABELS = np.repeat([0, 1, 2], [60, 30, 10])
    #: Recognised are 50, 5 and 4 rows.
    LOGITS = np.eye(3, dtype=np.float32)[
        np.concatenate(
            [np.repeat([0, 1], [50, 10]), np.repeat([1, 0], [5, 25]), np.repeat([2, 0], [4, 6])]
        )
    ]

    def weights(self, **trees: Any) -> Any:
        found = class_weights(self.LABELS, 3, TreeSettings(**trees), self.LOGITS)
        assert found[self.LABELS].sum() == pytest.approx(len(self.LABELS))
        return found / found[0]

    def test_without_any_all_rows_weigh_the_same(self) -> None:
        np.testing.assert_array_equal(self.weights(), [1, 1, 1])

    def test_balanced_classes_weigh_the_same(self) -> None:
        np.testing.assert_allclose(self.weights(class_weights="balanced"), [1, 2, 6], rtol=1e-6)

    def test_what_is_rarely_recognised_weighs_more(self) -> None:
        residual = {"mode": "residual", "features": "held-out", "class_weights": "recall"}
        np.testing.assert_allclose(self.weights(**residual), [1, 51 / 6, 51 / 5], rtol=1e-6)

    def test_a_power_softens_them(self) -> None:
        found = self.weights(class_weights="balanced", class_power=0.5)
        np.testing.assert_allclose(found, np.sqrt([1, 2, 6]), rtol=1e-6)

    def test_a_class_that_is_never_recognised_has_a_weight(self) -> None:
        nothing = np.tile(np.array([1, 0, 0], dtype=np.float32), (100, 1))
        settings = TreeSettings(mode="residual", features="held-out", class_weights="recall")
        found = class_weights(self.LABELS, 3, settings, nothing)
        np.testing.assert_allclose(found / found[0], [1, 61, 61], rtol=1e-6)

    def test_recall_takes_logits(self) -> None:
        settings = TreeSettings(mode="residual", features="held-out", class_weights="recall")
        with pytest.raises(SettingsError, match="takes trees that correct logits"):
            class_weights(self.LABELS, 3, settings)


@pytest.mark.parametrize("kind", [None, *BASELINES])
def test_a_class_that_is_rarely_recognised_is_predicted_more_often(kind: str | None) -> None:
    missed = MARGINS.copy()
    missed[:, 0] -= 5  # the network never says the first class
    shares = []
    for weights in ("none", "recall"):
        settings = SMALL.model_copy(update={"class_weights": weights})
        model = (
            BoostedTrees(settings, CLASSES, residual=True)
            if kind is None
            else new_baseline(kind, settings, CLASSES, 0, residual=True)
        )
        model.fit(ROWS, LABELS, logits=missed)
        shares.append(model.predict_proba(ROWS, missed)[:, 0].mean())
    assert shares[1] > shares[0]
