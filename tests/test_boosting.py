"""The trees: published defaults, probabilities, early stopping, files."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ferboost import boosting
from ferboost.boosting import BoostedTrees
from ferboost.config import TreeSettings
from ferboost.errors import DataError, RunError

CLASSES = 3
SMALL = TreeSettings(rounds=6, max_depth=3)


def blobs(count: int, noise: float, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return rows around one corner for each class."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    rows = np.eye(CLASSES, 5)[labels] + noise * random.normal(size=(count, 5))
    return rows.astype(np.float32), labels.astype(np.int64)


ROWS, LABELS = blobs(90, 0.5)


@pytest.fixture(scope="module")
def trees() -> BoostedTrees:
    return BoostedTrees(SMALL, CLASSES).fit(ROWS, LABELS)


def log_loss(trees: BoostedTrees, rows: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    return float(-np.log(trees.predict_proba(rows)[np.arange(len(rows)), labels]).mean())


def test_probabilities_have_a_row_an_image_and_sum_to_one(trees: BoostedTrees) -> None:
    found = trees.predict_proba(ROWS)
    assert found.shape == (90, CLASSES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
    assert found.min() > 0


def test_the_trees_learn(trees: BoostedTrees) -> None:
    rows, labels = blobs(300, 0.5, seed=1)
    assert (trees.predict_proba(rows).argmax(1) == labels).mean() > 0.6


def test_no_row_has_no_probabilities(trees: BoostedTrees) -> None:
    assert trees.predict_proba(ROWS[:0]).shape == (0, CLASSES)


def test_predicting_in_parts_changes_nothing(
    trees: BoostedTrees, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trees.predict_proba(ROWS)
    monkeypatch.setattr(boosting, "_PREDICT_ROWS", 7)
    np.testing.assert_array_equal(trees.predict_proba(ROWS), whole)


def find(config: dict[str, Any], key: str) -> set[str]:
    """Return every value of a key, wherever it is."""
    found = {str(config[key])} if key in config else set()
    for value in config.values():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                found |= find(part, key)
    return found


def test_the_published_settings_reach_xgboost(monkeypatch: pytest.MonkeyPatch) -> None:
    published = BoostedTrees(TreeSettings(), CLASSES).fit(ROWS, LABELS)
    config = json.loads(published.booster_.save_config())
    assert find(config["learner"]["objective"], "name") == {"multi:softprob"}
    assert find(config, "max_depth") == {"8"}
    (eta,) = find(config, "eta")
    (gamma,) = find(config, "gamma")
    (reg_lambda,) = find(config, "lambda")
    assert float(eta) == pytest.approx(0.2)
    assert float(gamma) == 0
    assert float(reg_lambda) == pytest.approx(1e-4)
    assert find(config, "tree_method") == {"hist"}
    assert published.rounds_ == published.booster_.num_boosted_rounds() == 20


@pytest.mark.parametrize(
    ("setting", "value", "key"),
    [
        ("max_depth", 2, "max_depth"),
        ("learning_rate", 0.5, "eta"),
        ("gamma", 0.25, "gamma"),
        ("reg_lambda", 0.75, "lambda"),
    ],
)
def test_every_setting_reaches_xgboost(setting: str, value: float, key: str) -> None:
    changed = SMALL.model_copy(update={setting: value})
    config = json.loads(BoostedTrees(changed, CLASSES).fit(ROWS, LABELS).booster_.save_config())
    assert {float(found) for found in find(config, key)} == {value}


def test_the_seed_reaches_xgboost() -> None:
    largest = BoostedTrees(SMALL, CLASSES, seed=2**32 - 1).fit(ROWS, LABELS)
    assert find(json.loads(largest.booster_.save_config()), "seed") == {str(2**32 - 1)}


def test_the_same_seed_grows_the_same_trees() -> None:
    first, second = (
        BoostedTrees(SMALL, CLASSES, seed=1).fit(ROWS, LABELS).booster_.save_raw("ubj")
        for _ in range(2)
    )
    assert first == second


class TestEarlyStopping:
    SETTINGS = TreeSettings(rounds=60, max_depth=6, learning_rate=0.6, early_stopping=3)
    NOISY = blobs(60, 0.9)
    WATCHED = blobs(60, 0.9, seed=5)

    def test_the_round_with_the_lowest_validation_loss_is_the_last(self) -> None:
        stopped = BoostedTrees(self.SETTINGS, CLASSES).fit(*self.NOISY, self.WATCHED)
        assert 1 <= stopped.rounds_ < 57
        assert stopped.booster_.num_boosted_rounds() == stopped.rounds_
        losses = [
            log_loss(
                BoostedTrees(self.SETTINGS.model_copy(update={"rounds": rounds}), CLASSES).fit(
                    *self.NOISY
                ),
                *self.WATCHED,
            )
            for rounds in range(1, stopped.rounds_ + 4)
        ]
        assert int(np.argmin(losses)) + 1 == stopped.rounds_
        assert log_loss(stopped, *self.WATCHED) == pytest.approx(min(losses), rel=1e-5)

    def test_without_validation_all_rounds_are_grown(self) -> None:
        grown = BoostedTrees(self.SETTINGS, CLASSES).fit(*self.NOISY)
        assert grown.rounds_ == 60

    def test_validation_alone_stops_nothing(self) -> None:
        settings = self.SETTINGS.model_copy(update={"early_stopping": None})
        grown = BoostedTrees(settings, CLASSES).fit(*self.NOISY, self.WATCHED)
        plain = BoostedTrees(settings, CLASSES).fit(*self.NOISY)
        assert grown.rounds_ == 60
        assert grown.booster_.save_raw("ubj") == plain.booster_.save_raw("ubj")

    def test_stopped_trees_survive_a_file(self, tmp_path: Path) -> None:
        stopped = BoostedTrees(self.SETTINGS, CLASSES).fit(*self.NOISY, self.WATCHED)
        stopped.save(tmp_path / "trees.ubj")
        loaded = BoostedTrees.load(tmp_path / "trees.ubj", self.SETTINGS, CLASSES)
        assert loaded.rounds_ == stopped.rounds_
        np.testing.assert_array_equal(
            loaded.predict_proba(self.WATCHED[0]), stopped.predict_proba(self.WATCHED[0])
        )


def test_every_round_is_told() -> None:
    told: list[tuple[int, int, str]] = []
    BoostedTrees(SMALL, CLASSES).fit(ROWS, LABELS, on_round=lambda *news: told.append(news))
    assert told == [(done, 6, "") for done in range(1, 7)]


def test_a_class_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match="class 1 of 3 has no image"):
        BoostedTrees(SMALL, CLASSES).fit(ROWS[LABELS != 1], LABELS[LABELS != 1])


class TestFiles:
    def test_trees_survive_a_file(self, trees: BoostedTrees, tmp_path: Path) -> None:
        trees.save(tmp_path / "trees.ubj")
        loaded = BoostedTrees.load(tmp_path / "trees.ubj", SMALL, CLASSES)
        np.testing.assert_array_equal(loaded.predict_proba(ROWS), trees.predict_proba(ROWS))
        assert loaded.rounds_ == 6

    def test_the_checksum_is_what_sha256sum_checks(
        self, trees: BoostedTrees, tmp_path: Path
    ) -> None:
        trees.save(tmp_path / "trees.ubj")
        digest = hashlib.sha256((tmp_path / "trees.ubj").read_bytes()).hexdigest()
        assert (tmp_path / "trees.ubj.sha256").read_text() == f"{digest}  trees.ubj\n"

    @given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def test_a_single_wrong_bit_is_refused_before_xgboost_reads_it(
        self, trees: BoostedTrees, tmp_path_factory: pytest.TempPathFactory, place: float, bit: int
    ) -> None:
        path = tmp_path_factory.mktemp("damaged") / "trees.ubj"
        trees.save(path)
        content = bytearray(path.read_bytes())
        content[int(place * len(content))] ^= 1 << bit
        path.write_bytes(content)
        with pytest.raises(RunError, match=r"trees\.ubj is damaged: its SHA-256 is not"):
            BoostedTrees.load(path, SMALL, CLASSES)

    @pytest.mark.parametrize("share", [0, 0.3, 0.999])
    def test_a_file_that_is_cut_off_is_refused(
        self, trees: BoostedTrees, share: float, tmp_path: Path
    ) -> None:
        path = tmp_path / "trees.ubj"
        trees.save(path)
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(RunError, match="is damaged"):
            BoostedTrees.load(path, SMALL, CLASSES)

    @pytest.mark.parametrize("missing", ["trees.ubj", "trees.ubj.sha256"])
    def test_trees_without_their_file_or_checksum_are_refused(
        self, trees: BoostedTrees, missing: str, tmp_path: Path
    ) -> None:
        trees.save(tmp_path / "trees.ubj")
        (tmp_path / missing).unlink()
        with pytest.raises(RunError, match=r"cannot read the trees .*trees\.ubj"):
            BoostedTrees.load(tmp_path / "trees.ubj", SMALL, CLASSES)

    @pytest.mark.parametrize("content", ["", "no checksum"])
    def test_a_damaged_checksum_is_refused(
        self, trees: BoostedTrees, content: str, tmp_path: Path
    ) -> None:
        trees.save(tmp_path / "trees.ubj")
        (tmp_path / "trees.ubj.sha256").write_text(content)
        with pytest.raises(RunError, match="is damaged"):
            BoostedTrees.load(tmp_path / "trees.ubj", SMALL, CLASSES)

    def test_trees_for_other_classes_are_refused(self, trees: BoostedTrees, tmp_path: Path) -> None:
        trees.save(tmp_path / "trees.ubj")
        with pytest.raises(RunError, match="has trees for 3 classes, not 7"):
            BoostedTrees.load(tmp_path / "trees.ubj", SMALL, 7)


class TestResidual:
    LOGITS = np.random.default_rng(3).normal(size=(90, CLASSES)).astype(np.float32)

    def test_the_trees_add_to_the_logits(self) -> None:
        trees = BoostedTrees(SMALL, CLASSES, residual=True).fit(ROWS, LABELS, logits=self.LOGITS)
        added = trees.contributions(ROWS, self.LOGITS)
        assert added.shape == (90, CLASSES, 6)
        found = trees.predict_proba(ROWS, self.LOGITS)
        scores = torch.from_numpy(added.sum(axis=2))
        np.testing.assert_allclose(found, scores.softmax(dim=1), atol=1e-5)
        np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
        other = trees.predict_proba(ROWS, self.LOGITS + np.float32(1))
        np.testing.assert_allclose(found, other, atol=1e-5)
        true = np.arange(90), LABELS
        before = np.asarray(torch.from_numpy(self.LOGITS).softmax(dim=1))
        assert np.log(found[true]).mean() > np.log(before[true]).mean()

    def test_early_stopping_can_choose_no_tree_and_then_changes_nothing(
        self, tmp_path: Path
    ) -> None:
        settings = SMALL.model_copy(update={"early_stopping": 2})
        others = (LABELS + 1) % CLASSES  # what the trees learn is wrong for these
        certain = (10 * np.eye(CLASSES)[others]).astype(np.float32)
        trees = BoostedTrees(settings, CLASSES, residual=True).fit(
            ROWS,
            LABELS,
            (ROWS, others),
            logits=self.LOGITS,
            validation_logits=certain,
        )
        assert trees.rounds_ == 0
        trees.save(tmp_path / "trees.ubj")
        loaded = BoostedTrees.load(tmp_path / "trees.ubj", settings, CLASSES)
        assert loaded.residual
        assert loaded.rounds_ == 0
        expected = torch.from_numpy(self.LOGITS).softmax(dim=1).numpy()
        np.testing.assert_array_equal(loaded.predict_proba(ROWS, self.LOGITS), expected)
        added = loaded.contributions(ROWS, self.LOGITS)
        assert not added[:, :, :-1].any()
        np.testing.assert_array_equal(added[:, :, -1], self.LOGITS)

    def test_residual_trees_survive_a_file(self, tmp_path: Path) -> None:
        trees = BoostedTrees(SMALL, CLASSES, residual=True).fit(ROWS, LABELS, logits=self.LOGITS)
        trees.save(tmp_path / "trees.ubj")
        loaded = BoostedTrees.load(tmp_path / "trees.ubj", SMALL, CLASSES)
        np.testing.assert_array_equal(
            loaded.predict_proba(ROWS, self.LOGITS), trees.predict_proba(ROWS, self.LOGITS)
        )

    def test_missing_and_unwanted_logits_are_refused(self, trees: BoostedTrees) -> None:
        with pytest.raises(DataError, match="and none are given"):
            BoostedTrees(SMALL, CLASSES, residual=True).fit(ROWS, LABELS)
        with pytest.raises(DataError, match="take no logits"):
            trees.predict_proba(ROWS, self.LOGITS)


def test_balanced_weights_raise_the_rare_class() -> None:
    rare = np.concatenate([np.flatnonzero(LABELS > 0), np.flatnonzero(LABELS == 0)[:4]])
    rows, labels = ROWS[rare], LABELS[rare]
    settings = SMALL.model_copy(update={"class_weights": "balanced"})
    plain = BoostedTrees(SMALL, CLASSES).fit(rows, labels).predict_proba(ROWS)
    weighted = BoostedTrees(settings, CLASSES).fit(rows, labels).predict_proba(ROWS)
    assert weighted[:, 0].mean() > plain[:, 0].mean()
