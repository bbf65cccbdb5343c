"""Votes that the trees or the CNN of a run learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferboost.boosting import BoostedTrees
from ferboost.config import Settings
from ferboost.errors import RunError, SettingsError
from ferboost.pipeline import branch_run, execute_run, resume_run, start_run
from ferboost.progress import Monitor
from ferboost.settings import change_settings
from tiny import begin, faces, finish, models_of, run_settings, voted

DATASET = voted(faces(40))


def learning(features: str = "in-sample", **changes: Any) -> Settings:
    """Return settings of trees that learn votes."""
    trees = {"taps": ("fc1",), "mode": "both", "votes": 0.5, "features": features, "folds": 2}
    return run_settings(trees=trees, **changes)


@pytest.mark.parametrize("features", ["in-sample", "held-out", "out-of-fold"])
def test_trees_learn_shares_and_are_stopped_by_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, features: str
) -> None:
    learnt: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = []
    fit = BoostedTrees.fit

    def spy(self: Any, rows: Any, labels: Any, *rest: Any, **named: Any) -> Any:
        if "targets" in named:  # and not to measure what the CNN knows by heart
            learnt.append((labels, named["targets"]))
        return fit(self, rows, labels, *rest, **named)

    monkeypatch.setattr(BoostedTrees, "fit", spy)
    settings = change_settings(learning(features), ["trees.early_stopping=2"], {})
    finish(tmp_path / "run", DATASET, settings)
    assert len(learnt) == (4 if features == "out-of-fold" else 2)
    for labels, targets in learnt:
        np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-5)
        on_label = targets[np.arange(len(labels)), labels]
        assert (on_label >= 0.8 - 1e-6).all()  # half of one, half of six in ten at least
        assert (on_label < 1).any()


def test_without_votes_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"trees.votes=0.5 takes FER\+ votes, .* --votes"):
        start_run(tmp_path / "run", faces(40), learning(), "tests")
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_with_its_own_votes_only(tmp_path: Path) -> None:
    run, _ = begin(tmp_path / "run", DATASET, learning())
    for other in (voted(faces(40), seed=1), faces(40)):
        with pytest.raises(RunError, match="was started with other votes"):
            resume_run(run.path, other)
    execute_run(*resume_run(run.path, DATASET), Monitor())


def test_other_trees_of_a_run_can_learn_votes(tmp_path: Path) -> None:
    origin, _ = finish(tmp_path / "run", faces(40), run_settings(trees={"taps": ("fc1",)}))
    settings = change_settings(origin.settings, ["trees.votes=1.0"], {})
    run, prepared = branch_run(origin, tmp_path / "branch", DATASET, settings, "tests")
    assert execute_run(run, prepared, Monitor()).variants == ("cnn", "fc1")


def test_balanced_classes_keep_their_votes(tmp_path: Path) -> None:
    finish(tmp_path / "run", DATASET, learning(data={"balance": True}))


@pytest.mark.parametrize("features", ["in-sample", "out-of-fold"])
def test_the_cnn_learns_votes_where_there_are_any(tmp_path: Path, features: str) -> None:
    trees = {"taps": ("fc1",), "features": features, "folds": 2}
    settings = run_settings({"epochs": 1, "votes": 1.0}, trees=trees)
    with_votes, _ = finish(tmp_path / "votes", voted(faces()), settings)
    without, _ = finish(tmp_path / "labels", faces(), settings)
    assert models_of(with_votes).keys() == models_of(without).keys()
    assert models_of(with_votes) != models_of(without)
    said = "there are no votes (--votes), so the CNN learns labels alone"
    assert said not in (with_votes.path / "log.txt").read_text()
    assert said in (without.path / "log.txt").read_text()


def test_a_cnn_goes_on_with_its_own_votes_only(tmp_path: Path) -> None:
    run, _ = begin(tmp_path / "run", voted(faces()), run_settings({"votes": 1.0}))
    with pytest.raises(RunError, match="was started with other votes"):
        resume_run(run.path, faces())


def test_a_branch_says_what_votes_its_cnns_have_learnt(tmp_path: Path) -> None:
    data = voted(faces())
    origin, _ = finish(tmp_path / "run", data, run_settings({"epochs": 1, "votes": 1.0}))
    with pytest.raises(RunError, match="was started with other votes than none"):
        branch_run(origin, tmp_path / "branch", faces(), origin.settings, "tests")
    run, _ = branch_run(origin, tmp_path / "branch", data, origin.settings, "tests")
    assert run.record.data.votes_fingerprint == origin.record.data.votes_fingerprint is not None
    labels, _ = finish(tmp_path / "labels", faces(), origin.settings)
    with pytest.raises(RunError, match="give it none"):
        branch_run(labels, tmp_path / "other", data, origin.settings, "tests")
