"""Whatever ends a run, and whenever: resumed, it ends with the same models, byte for byte."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interrupted import SETTINGS, CountingMonitor, dataset

import ferboost
from ferboost.boosting import BoostedTrees
from ferboost.cnn import training as loop
from ferboost.errors import RunError, StorageError
from ferboost.evaluation.results import Results
from ferboost.pipeline import execute_run, load_results, resume_run
from ferboost.pipeline.records import read_curves
from ferboost.progress import Monitor, Tell
from ferboost.runs import Run
from tiny import begin, models_of

DATASET = dataset()


@dataclass(frozen=True)
class Whole:
    """A run that nothing interrupted, and how many moments it had."""

    run: Run
    results: Results
    told: int
    files: int


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    run, prepared = begin(tmp_path_factory.mktemp("whole") / "run", DATASET, SETTINGS)
    monitor, files, original = CountingMonitor(), 0, os.fsync

    def fsync(descriptor: int) -> None:
        nonlocal files
        files += 1
        original(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        results = execute_run(run, prepared, monitor)
    return Whole(run, results, monitor.told, files)


def finish_by_resuming(path: Path) -> tuple[Run, Results]:
    run, prepared = resume_run(path, DATASET)
    return run, execute_run(run, prepared, Monitor())


def assert_same(run: Run, results: Results, whole: Whole) -> None:
    """Compare everything but what the clock says."""
    assert len(models_of(whole.run)) == 6
    assert models_of(run) == models_of(whole.run)
    for found, expected in zip(results.seeds, whole.results.seeds, strict=True):
        assert found.train_accuracy == expected.train_accuracy
        assert found.best_epoch == expected.best_epoch
        assert [replace(r, seconds=0) for r in found.history] == [
            replace(r, seconds=0) for r in expected.history
        ]
        for variant, probabilities in found.probabilities.items():
            np.testing.assert_array_equal(probabilities, expected.probabilities[variant])
    assert leftovers(run.path) == []


def leftovers(path: Path) -> list[Path]:
    return [*path.rglob("*.part"), *path.rglob("state.safetensors")]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL and no fork")
def test_a_run_that_is_killed_at_any_moment_ends_the_same(whole: Whole, tmp_path: Path) -> None:
    random_moments = random.Random(0)  # noqa: S311 - no secret
    # One moment in each of eight equal parts, so that CNN epochs, trees and evaluation of both
    # seeds have some; and every fifth file.
    steps = [round(whole.told * (part + random_moments.random()) / 8) for part in range(8)]
    moments = [f"tell:{max(step, 1)}" for step in steps]
    moments += [f"file:{number}" for number in range(1, whole.files + 1, 5)]
    script = Path(__file__).with_name("interrupted.py")
    source = Path(ferboost.__file__).parents[1]
    search = os.pathsep.join(map(str, (script.parent, script.parents[1], source)))
    killed = subprocess.run(
        [sys.executable, script, tmp_path, *moments],
        env={**os.environ, "PYTHONPATH": search},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert killed.stdout.splitlines() == [f"{moment} {signal.SIGKILL:d}" for moment in moments]
    done = set()
    for moment in moments:
        path = tmp_path / moment
        done.add(tuple(sorted(file.name for file in path.rglob("*"))))
        assert_same(*finish_by_resuming(path), whole)
    assert len(done) >= 8  # the moments were different ones indeed


def test_a_run_is_not_begun_again_when_it_is_finished(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferboost.pipeline.training.train_network", None)
    monkeypatch.setattr("ferboost.pipeline.training.grow_trees", None)
    before = models_of(whole.run)
    monkeypatch.setattr("ferboost.pipeline.execution.evaluate_run", None)
    kept = (whole.run.path / "predictions.npz").read_bytes()
    run, results = finish_by_resuming(whole.run.path)
    assert models_of(run) == before
    assert_same(run, results, whole)
    assert (run.path / "predictions.npz").read_bytes() == kept


def test_a_finished_run_gets_what_it_lacks(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferboost.pipeline.execution.evaluate_run", None)
    kept = whole.run.path / "calibration.json"
    before = kept.read_bytes()
    kept.unlink()
    finish_by_resuming(whole.run.path)
    assert kept.read_bytes() == before


def test_a_model_that_was_made_anew_is_evaluated_anew(whole: Whole, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(whole.run.path, path)
    (path / "seed-1" / "train-accuracy.json").unlink()
    (path / "predictions.npz").write_bytes(b"of another model")
    assert_same(*finish_by_resuming(path), whole)


class Stop(Exception):
    """Ends a run in the middle of an epoch."""


class StopsInThirdEpoch(Monitor):
    @contextmanager
    def stage(self, description: str) -> Iterator[Tell]:
        yield self._stop

    def _stop(self, _done: int, _total: int, detail: str) -> None:
        if detail.startswith("epoch 3"):
            raise Stop


def test_finished_epochs_are_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, prepared = begin(tmp_path / "run", DATASET, SETTINGS)
    with pytest.raises(Stop):
        execute_run(run, prepared, StopsInThirdEpoch())
    assert (run.seed_path(0) / "state.safetensors").exists()
    trained: list[tuple[int, int]] = []
    train_epoch = loop._train_epoch

    def noted(*arguments: Any, **options: Any) -> tuple[float, float]:
        trained.append(options["seed"])
        return train_epoch(*arguments, **options)

    monkeypatch.setattr(loop, "_train_epoch", noted)
    finish_by_resuming(run.path)
    assert trained == [(0, 3), (1, 1), (1, 2), (1, 3)]


def test_finished_trees_are_not_grown_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Whole
) -> None:
    run, prepared = begin(tmp_path / "run", DATASET, SETTINGS)
    execute_run(run, prepared, Monitor())
    (run.seed_path(1) / "trees-pixels.ubj").unlink()
    (run.seed_path(1) / "train-accuracy.json").unlink()
    grown: list[int] = []
    fit = BoostedTrees.fit

    def noted(self: BoostedTrees, features: Any, *rest: Any, **logits: Any) -> BoostedTrees:
        grown.append(features.shape[1])
        return fit(self, features, *rest, **logits)

    monkeypatch.setattr(BoostedTrees, "fit", noted)
    assert_same(*finish_by_resuming(run.path), whole)
    assert grown == [64]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.99])
def test_after_a_full_disk_the_run_goes_on(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, part: float
) -> None:
    run, prepared = begin(tmp_path / "run", DATASET, SETTINGS)
    fail_at = 1 + int(part * (whole.files - 1))
    calls = 0

    def fails_once(*arguments: object) -> None:
        nonlocal calls
        calls += 1
        if calls >= fail_at:  # the disk stays full
            raise OSError(errno.ENOSPC, "No space left on device")
        original(*arguments)

    owner = os if call == "fsync" else Path
    original = getattr(owner, call)
    with monkeypatch.context() as patch:
        patch.setattr(owner, call, fails_once)
        with pytest.raises(StorageError, match="the disk is full") as caught:
            execute_run(run, prepared, Monitor())
    assert "\n" not in str(caught.value)
    assert list(run.path.rglob("*.part")) == []
    assert_same(*finish_by_resuming(run.path), whole)


def test_another_data_set_is_refused(whole: Whole) -> None:
    images = DATASET.images.copy()
    images[0, 0, 0] ^= 1
    for changed in (
        replace(DATASET, images=images),
        replace(DATASET, labels=DATASET.labels[::-1].copy()),
        DATASET.select(np.arange(len(DATASET) - 1)),
        replace(DATASET, classes=("happy", "sad", "neutral")),
    ):
        with pytest.raises(RunError, match=r"is not the data that .* was made with"):
            resume_run(whole.run.path, changed)


def test_the_same_images_in_another_place_are_accepted(whole: Whole) -> None:
    run, _ = resume_run(whole.run.path, replace(DATASET, source="/elsewhere"))
    assert run.record == whole.run.record


def test_the_same_images_in_another_order_are_refused(whole: Whole) -> None:
    """Batches and folds go by it: the weights would be others."""
    turned = DATASET.select(np.arange(len(DATASET))[::-1])
    assert turned.fingerprint == DATASET.fingerprint
    with pytest.raises(RunError, match=r"in another order; go on with .*"):
        resume_run(whole.run.path, turned)


def test_a_folder_that_is_no_run_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run directory"):
        resume_run(tmp_path, DATASET)


@pytest.mark.parametrize("content", ["", "[]", '{"device": "cpu"}'])
def test_a_damaged_precision_is_refused(tmp_path: Path, content: str) -> None:
    run, prepared = begin(tmp_path / "run", DATASET, SETTINGS)
    (run.path / "precision.json").write_text(content)
    with pytest.raises(RunError, match=r"precision\.json is damaged"):
        execute_run(run, prepared, Monitor())


@pytest.mark.parametrize(
    ("name", "content"),
    [("cnn.json", '{"history": [{}]}'), ("cnn.json", "["), ("train-accuracy.json", '{"cnn": "x"}')],
)
def test_a_damaged_record_of_a_seed_is_refused_by_name(
    whole: Whole, tmp_path: Path, name: str, content: str
) -> None:
    run, prepared = begin(tmp_path / "run", DATASET, SETTINGS)
    execute_run(run, prepared, Monitor())
    assert read_curves(run, 0).best_epoch == whole.results.seeds[0].best_epoch
    (run.seed_path(0) / name).write_text(content)
    with pytest.raises(RunError, match=rf"{name} is damaged"):
        load_results(run)
    with pytest.raises(RunError, match=rf"{name} is damaged"):
        execute_run(run, prepared, Monitor())
