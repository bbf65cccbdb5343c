"""Other trees on the CNNs of a run."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ferboost.config import Settings
from ferboost.datasets.dataset import FaceDataset
from ferboost.errors import RunError, SettingsError, StorageError
from ferboost.evaluation.results import Results
from ferboost.pipeline import branch_run, execute_run, resume_run, training
from ferboost.progress import Monitor, Tell
from ferboost.runs import Run
from ferboost.settings import change_settings
from tiny import begin, faces, finish, models_of, run_settings

DATASET = faces()
SETTINGS = run_settings(seeds=(0, 1))
OTHER_TREES = change_settings(SETTINGS, [], {"trees": {"taps": ("fc1", "fc2"), "rounds": 4}})


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Results]:
    return finish(tmp_path_factory.mktemp("origin") / "run", DATASET, SETTINGS)


def branch(
    origin: Run, path: Path, settings: Settings = OTHER_TREES, dataset: FaceDataset = DATASET
) -> tuple[Run, FaceDataset]:
    return branch_run(origin, path, dataset, settings, "tests")


def test_the_cnns_are_the_same_files_and_the_trees_are_new(
    origin: tuple[Run, Results], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "train_network", None)
    before = models_of(origin[0])
    run, prepared = branch(origin[0], tmp_path / "branch")
    results = execute_run(run, prepared, Monitor())
    for seed in (0, 1):
        for name in ("network.safetensors", "cnn.json", "metrics.csv"):
            ours, theirs = (r.seed_path(seed) / name for r in (run, origin[0]))
            assert ours.read_bytes() == theirs.read_bytes()
    after = models_of(run)
    assert before.keys() - after.keys() == {"seed-0/trees-pixels.ubj", "seed-1/trees-pixels.ubj"}
    assert after.keys() - before.keys() == {"seed-0/trees-fc2.ubj", "seed-1/trees-fc2.ubj"}
    assert after["seed-0/trees-fc1.ubj"] != before["seed-0/trees-fc1.ubj"]
    assert models_of(origin[0]) == before
    for mine, other in zip(results.seeds, origin[1].seeds, strict=True):
        np.testing.assert_array_equal(mine.probabilities["cnn"], other.probabilities["cnn"])
        assert mine.history == other.history


def test_a_branch_is_a_run_of_its_own(origin: tuple[Run, Results], tmp_path: Path) -> None:
    run, _ = branch(origin[0], tmp_path / "branch")
    opened, prepared = resume_run(run.path, DATASET)
    assert opened.path == tmp_path / "branch"
    assert opened.settings == OTHER_TREES
    assert opened.record.command == "tests"
    execute_run(opened, prepared, Monitor())


def test_the_same_trees_are_grown_as_in_the_run_itself(
    origin: tuple[Run, Results], tmp_path: Path
) -> None:
    run, prepared = branch(origin[0], tmp_path / "branch", SETTINGS)
    execute_run(run, prepared, Monitor())
    assert models_of(run) == models_of(origin[0])


@pytest.mark.parametrize(
    "change", ["cnn.epochs=3", "seeds=[0]", "protocol=paper", "data.balance=true"]
)
def test_other_settings_than_those_of_the_trees_are_refused(
    origin: tuple[Run, Results], tmp_path: Path, change: str
) -> None:
    with pytest.raises(SettingsError, match="branches off with other trees only"):
        branch(origin[0], tmp_path / "branch", change_settings(SETTINGS, [change], {}))
    assert list(tmp_path.iterdir()) == []


def test_other_data_are_refused(origin: tuple[Run, Results], tmp_path: Path) -> None:
    changed = replace(DATASET, images=255 - DATASET.images)
    with pytest.raises(RunError, match=r"is not the data that .* was made with"):
        branch(origin[0], tmp_path / "branch", dataset=changed)
    assert list(tmp_path.iterdir()) == []


class StoppedAfterFirstSeed(Exception):
    """Ends a run between two seeds."""


class StoppingMonitor(Monitor):
    @contextmanager
    def stage(self, description: str) -> Iterator[Tell]:
        if description.startswith("seed 1"):
            raise StoppedAfterFirstSeed
        yield lambda _done, _total, _detail: None


def test_other_doubts_are_refused(tmp_path: Path) -> None:
    doubts = tmp_path / "doubts.csv"
    names = [str(name) for name in DATASET.split("train").names]
    doubts.write_text("\n".join(["image", *names[::3], ""]))
    settings = run_settings({"epochs": 1}, data={"doubts": str(doubts), "doubted": "drop"})
    origin, _ = finish(tmp_path / "run", DATASET, settings)
    doubts.write_text("\n".join(["image", *names[1::3], ""]))
    with pytest.raises(RunError, match="doubted labels is not the one that .*run was started with"):
        branch_run(origin, tmp_path / "branch", DATASET, settings, "tests")
    assert not (tmp_path / "branch").exists()


def test_a_run_whose_cnns_are_not_all_trained_is_refused(tmp_path: Path) -> None:
    run, prepared = begin(tmp_path / "run", DATASET, SETTINGS)
    with pytest.raises(StoppedAfterFirstSeed):
        execute_run(run, prepared, StoppingMonitor())
    with pytest.raises(RunError, match=r"seed 1 has no trained CNN"):
        branch(run, tmp_path / "branch")
    assert not (tmp_path / "branch").exists()


def test_an_existing_folder_is_refused_and_left_alone(
    origin: tuple[Run, Results], tmp_path: Path
) -> None:
    (tmp_path / "photo.png").write_bytes(b"precious")
    with pytest.raises(RunError, match="exists already"):
        branch(origin[0], tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["photo.png"]


def test_a_branch_that_cannot_be_written_whole_is_not_there_at_all(
    origin: tuple[Run, Results], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    original = os.fsync

    def full_at_the_fourth_file(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(descriptor)

    monkeypatch.setattr(os, "fsync", full_at_the_fourth_file)
    with pytest.raises(StorageError, match="the disk is full"):
        branch(origin[0], tmp_path / "branch")
    assert list(tmp_path.iterdir()) == []
