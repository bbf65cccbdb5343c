"""What trees are compared with: it learns, starts as the CNN, is kept, and says what it lacks."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ferboost.baselines import Baseline, load_baseline, new_baseline
from ferboost.boosting import BoostedTrees
from ferboost.config import TreeSettings
from ferboost.errors import DataError, RunError
from ferboost.variants import BASELINES

KINDS = tuple(BASELINES)
CLASSES = 3
SETTINGS = TreeSettings(rounds=10, max_depth=3)


def rows(n: int = 300, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return features of which two tell the class, one says nothing and one is constant."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, CLASSES, n)
    centers = np.array([[0, 4], [4, 0], [-4, -4]])[labels]
    told = centers + generator.standard_normal((n, 2))
    features = np.column_stack([told, generator.standard_normal(n), np.full(n, 7.0)])
    return features.astype(np.float32), labels


FEATURES, LABELS = rows()
FRESH, TRUE = rows(seed=1)
LOGITS = np.random.default_rng(2).standard_normal((300, CLASSES)).astype(np.float32)

# Of few values, which XGBoost and LightGBM cut at the same places; the last one in fewer rows than
# a leaf of LightGBM's has by default.
_RANDOM = np.random.default_rng(6)
FEW = _RANDOM.integers(0, 8, (400, 3)).astype(np.float32)
FEW_LABELS = (FEW[:, 0] + _RANDOM.integers(0, 3, 400)).astype(np.int64) % 5
FEW[:6], FEW_LABELS[:6] = (9, 0, 0), 4
FEW_LOGITS = 0.3 * _RANDOM.standard_normal((400, 5)).astype(np.float32)


def fitted(kind: str, *, residual: bool = False, **changes: object) -> Baseline:
    """Return a fitted baseline."""
    settings = SETTINGS.model_copy(update=changes)
    baseline = new_baseline(kind, settings, CLASSES, 0, residual=residual)
    return baseline.fit(FEATURES, LABELS, logits=LOGITS if residual else None)


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return probabilities."""
    powers = np.exp(scores.astype(np.float64))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_what_can_be_learnt(kind: str) -> None:
    probabilities = fitted(kind).predict_proba(FRESH)
    assert probabilities.shape == (300, CLASSES)
    assert probabilities.dtype == np.float32
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) == TRUE).mean() > 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_a_residual_one_adds_to_the_logits(kind: str) -> None:
    baseline = fitted(kind, residual=True)
    zero = np.zeros_like(LOGITS)
    added = np.log(np.maximum(baseline.predict_proba(FRESH, zero), 1e-30))
    together = baseline.predict_proba(FRESH, LOGITS)
    assert np.allclose(softmax(added + LOGITS), together, atol=1e-4)
    alone = (LOGITS.argmax(1) == LABELS).mean()
    assert (baseline.predict_proba(FEATURES, LOGITS).argmax(1) == LABELS).mean() > alone + 0.2


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_without_anything_to_learn_a_residual_one_stays_near_the_cnn(kind: str) -> None:
    sure = 8 * np.eye(CLASSES, dtype=np.float32)[LABELS]
    baseline = new_baseline(kind, SETTINGS, CLASSES, 0, residual=True)
    noise = np.random.default_rng(3).standard_normal((300, 4)).astype(np.float32)
    baseline.fit(noise, LABELS, logits=sure)
    assert (baseline.predict_proba(noise, sure).argmax(1) == LABELS).all()


@pytest.mark.parametrize("kind", KINDS)
def test_validation_can_choose_nothing_and_then_changes_nothing(kind: str, tmp_path: Path) -> None:
    settings = TreeSettings(rounds=10, max_depth=3, early_stopping=2)
    others = (LABELS + 1) % CLASSES  # what is learnt is wrong for these
    certain = 10 * np.eye(CLASSES, dtype=np.float32)[others]
    baseline = new_baseline(kind, settings, CLASSES, 0, residual=True)
    baseline.fit(FEATURES, LABELS, (FEATURES, others), logits=LOGITS, validation_logits=certain)
    assert baseline.rounds_ == 0
    baseline.save(tmp_path / "kept")
    for own in (baseline, load_baseline(kind, tmp_path / "kept", settings, CLASSES)):
        np.testing.assert_allclose(own.predict_proba(FRESH, LOGITS), softmax(LOGITS), atol=1e-6)


def test_the_penalty_of_the_regression_is_chosen_on_validation_images() -> None:
    """Of 200 features of noise, few are believed where other images show what they are worth."""
    generator = np.random.default_rng(7)
    wide, new = (
        np.hstack([told, generator.standard_normal((300, 200)).astype(np.float32)])
        for told in (FEATURES, FRESH)
    )
    labels, true = (
        np.where(generator.random(300) < 0.5, y, generator.integers(0, CLASSES, 300))
        for y in (LABELS, TRUE)
    )
    fixed = new_baseline("logistic", SETTINGS, CLASSES, 0, residual=False).fit(wide, labels)
    chosen = new_baseline("logistic", SETTINGS, CLASSES, 0, residual=False)
    chosen.fit(wide[:200], labels[:200], (wide[200:], labels[200:]))
    losses = [
        -np.log(np.maximum(model.predict_proba(new)[np.arange(300), true], 1e-30)).mean()
        for model in (fixed, chosen)
    ]
    assert losses[1] < 1.1 < losses[0]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"reg_lambda": 1.0},
        {"reg_lambda": 50.0, "max_depth": 1},
        {"min_child_weight": 12.0},
        {"learning_rate": 0.9},
        {"max_depth": 1},
    ],
)
@pytest.mark.parametrize("voted", [False, True])
def test_the_settings_of_xgboost_mean_the_same_to_lightgbm(
    changes: dict[str, float], voted: bool
) -> None:
    settings = TreeSettings(rounds=3, max_depth=3).model_copy(update=changes)
    targets = 0.9 * np.eye(5, dtype=np.float32)[FEW_LABELS] + np.float32(0.02) if voted else None
    found = [
        model.fit(FEW, FEW_LABELS, logits=FEW_LOGITS, targets=targets).predict_proba(
            FEW, FEW_LOGITS
        )
        for model in (
            BoostedTrees(settings, 5, 0, residual=True),
            new_baseline("lightgbm", settings, 5, 0, residual=True),
        )
    ]
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)
    assert np.abs(found[0] - softmax(FEW_LOGITS)).max() > 0.005


@pytest.mark.parametrize("gamma", [4.0, 10.0, 12.0, 20.0])
def test_a_split_needs_the_same_gain_in_both(gamma: float, tmp_path: Path) -> None:
    settings = TreeSettings(rounds=1, max_depth=1, gamma=gamma)
    trees = BoostedTrees(settings, 5, 0, residual=True)
    trees.fit(FEW, FEW_LABELS, logits=FEW_LOGITS)
    other = new_baseline("lightgbm", settings, 5, 0, residual=True)
    other.fit(FEW, FEW_LABELS, logits=FEW_LOGITS).save(tmp_path / "kept")
    split = sum(dump.count("yes=") for dump in trees.booster_.get_dump())
    assert json.loads((tmp_path / "kept").read_bytes())["trees"].count("num_leaves=2") == split


def test_balanced_trees_are_stopped_by_a_balanced_loss() -> None:
    """Few rows of a rare class, which get ever worse, stop what gets better for all others."""
    settings = TreeSettings(rounds=40, max_depth=3, early_stopping=3, class_weights="balanced")
    rare = np.flatnonzero(LABELS == 0)[8:]
    kept = np.setdiff1d(np.arange(len(LABELS)), rare)
    seen, true = FEATURES[kept], LABELS[kept]
    misleading = np.where((true == 0)[:, None], seen[true == 1][0], seen)
    trees = new_baseline("lightgbm", settings, CLASSES, 0, residual=False)
    trees.fit(seen, true, (misleading, true))
    assert trees.rounds_ < 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("residual", [False, True])
def test_what_is_kept_predicts_the_same(kind: str, residual: bool, tmp_path: Path) -> None:
    baseline = fitted(kind, residual=residual)
    logits = LOGITS if residual else None
    baseline.save(tmp_path / "kept")
    loaded = load_baseline(kind, tmp_path / "kept", SETTINGS, CLASSES)
    assert (loaded.residual, loaded.rounds_) == (residual, baseline.rounds_)
    before, after = (b.predict_proba(FRESH, logits) for b in (baseline, loaded))
    assert np.allclose(before, after, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_model(kind: str) -> None:
    assert np.array_equal(fitted(kind).predict_proba(FRESH), fitted(kind).predict_proba(FRESH))


@pytest.mark.parametrize("kind", ["mlp", "lightgbm"])
def test_what_cannot_be_learnt_is_stopped_early(kind: str) -> None:
    generator = np.random.default_rng(4)
    settings = TreeSettings(rounds=200, max_depth=3, early_stopping=3)
    baseline = new_baseline(kind, settings, CLASSES, 0, residual=False)
    shuffled = generator.permutation(LABELS)
    baseline.fit(FEATURES, shuffled, (FRESH, generator.permutation(TRUE)))
    assert baseline.rounds_ < 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_rare_class_weighs_more_where_that_is_asked_for(kind: str) -> None:
    generator = np.random.default_rng(5)
    labels = np.where(generator.random(600) < 0.05, 2, generator.integers(0, 2, 600))
    features = (labels[:, None] + 2 * generator.standard_normal((600, 2))).astype(np.float32)
    found = {}
    for weights in ("none", "balanced"):
        settings = SETTINGS.model_copy(update={"class_weights": weights})
        baseline = new_baseline(kind, settings, CLASSES, 0, residual=False)
        predicted = baseline.fit(features, labels).predict_proba(features).argmax(1)
        found[weights] = (predicted == 2).sum()
    assert found["balanced"] > found["none"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_without_rows_is_said(kind: str) -> None:
    baseline = new_baseline(kind, SETTINGS, CLASSES + 1, 0, residual=False)
    with pytest.raises(DataError, match="class 3 of 4 has no image to learn from"):
        baseline.fit(FEATURES, LABELS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [None, b"", b"nonsense", b"{}"])
def test_a_missing_or_damaged_file_is_said(
    kind: str, content: bytes | None, tmp_path: Path
) -> None:
    file = tmp_path / "kept"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RunError, match="restore the run"):
        load_baseline(kind, file, SETTINGS, CLASSES)


def test_a_digit_that_changed_in_the_trees_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    fitted("lightgbm").save(file)
    content = json.loads(file.read_bytes())
    at = content["trees"].index("leaf_value=") + len("leaf_value=") + 3
    content["trees"] = content["trees"][:at] + "7" + content["trees"][at + 1 :]
    file.write_text(json.dumps(content), "utf-8")
    with pytest.raises(RunError, match="the SHA-256 of its trees is not the recorded one"):
        load_baseline("lightgbm", file, SETTINGS, CLASSES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_other_classes_is_refused(kind: str, tmp_path: Path) -> None:
    fitted(kind).save(tmp_path / "kept")
    with pytest.raises(RunError, match="restore the run"):
        load_baseline(kind, tmp_path / "kept", SETTINGS, CLASSES + 1)
