"""CNNs of other runs as teachers of a run's own."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferboost.cnn.network import FaceNetwork
from ferboost.cnn.training import train_network
from ferboost.config import Settings
from ferboost.errors import RunError, SettingsError
from ferboost.features import tap_features
from ferboost.files import copy_file
from ferboost.models import (
    borrowed_path,
    borrowed_record_path,
    fold_path,
    load_seed_model,
    network_path,
)
from ferboost.pipeline import branch_run, execute_run, resume_run, start_run, training
from ferboost.pipeline.training import SeedTraining
from ferboost.progress import Monitor
from ferboost.report.card import model_card
from ferboost.runs import Run
from ferboost.settings import change_settings
from tiny import begin, faces, finish, models_of, run_settings

DATASET = faces(40)
FOLDED = {"taps": ("fc1",), "features": "out-of-fold", "folds": 2}


def taught_by(*others: Path, trees: dict[str, Any] | None = None, **cnn: Any) -> Settings:
    """Return settings of a run whose CNN other runs' CNNs teach."""
    trees = {"taps": ("pixels",)} | (trees or {})
    return run_settings(cnn={"teachers": tuple(map(str, others))} | cnn, trees=trees)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run of a network of another shape, of seeds that ours does not have."""
    settings = run_settings(
        cnn={"dense": (12, 7)}, seeds=(3, 5), trees={"taps": ("fc1",), "rounds": 1}
    )
    return finish(tmp_path_factory.mktemp("other") / "run", DATASET, settings)[0]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[FaceNetwork]]:
    """Return the teachers of each training, as they come."""
    teachers: list[list[FaceNetwork]] = []
    original = train_network

    def noted(*arguments: Any, **named: Any) -> Any:
        teachers.append(list(named["teachers"]))
        return original(*arguments, **named)

    monkeypatch.setattr("ferboost.pipeline.training.train_network", noted)
    return teachers


class Interruption(Exception):
    """Stands for whatever ends a process."""


def fail(*_: object) -> None:
    raise Interruption


def assert_alike(one: FaceNetwork, other: FaceNetwork) -> None:
    images = DATASET.split("test").images
    first, second = (tap_features(own, images, ["logits"])["logits"] for own in (one, other))
    np.testing.assert_array_equal(first, second)


def test_they_teach_from_copies_that_are_gone_when_all_is_learnt(
    other: Run, tmp_path: Path, asked: list[list[FaceNetwork]]
) -> None:
    copied = tmp_path / "other"
    shutil.copytree(other.path, copied)
    settings = taught_by(copied, copied / "seed-5")
    run, prepared = begin(tmp_path / "run", DATASET, settings)
    expected = [load_seed_model(other, seed).network for seed in (3, 5)]
    shutil.rmtree(copied)
    execute_run(run, prepared, Monitor())
    assert [len(teachers) for teachers in asked] == [2]
    for own, theirs in zip(asked[0], expected, strict=True):
        assert_alike(own, theirs)
    assert not borrowed_path(run.seed_path(0), "teacher", 0).exists()
    records = json.loads(borrowed_record_path(run, "teacher").read_bytes())
    assert [(record["run"], record["seeds"]) for record in records] == [
        (str(copied), [3]),
        (str(copied), [5]),
    ]
    assert (
        "labels, the CNN of `other` (seed 3), the CNN of `other` (seed 5)"
        in model_card(run, "cnn").text
    )
    alone, _ = finish(tmp_path / "alone", DATASET, run_settings(trees={"taps": ("pixels",)}))
    name = "seed-0/network.safetensors"
    assert models_of(run)[name] != models_of(alone)[name]


def test_the_cnn_without_a_fold_is_taught_by_one_that_has_not_learnt_it(
    tmp_path: Path, asked: list[list[FaceNetwork]]
) -> None:
    first, _ = finish(tmp_path / "first", DATASET, run_settings(trees=FOLDED))
    asked.clear()
    run, _ = finish(tmp_path / "second", DATASET, taught_by(first.path, trees=FOLDED))
    model = load_seed_model(first, 0)
    for (own,), expected in zip(asked, (model, *model.folds), strict=True):
        assert_alike(own, expected.network)
    for folder in (run.seed_path(0), *(fold_path(run.seed_path(0), f) for f in range(2))):
        assert not borrowed_path(folder, "teacher", 0).exists()


@pytest.mark.parametrize("killed", ["copying", "taught", "finished", "lost"])
def test_a_taught_run_goes_on_wherever_it_was_killed(
    other: Run, tmp_path: Path, killed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, prepared = begin(tmp_path / "run", DATASET, taught_by(other.path))
    teacher = borrowed_path(run.seed_path(0), "teacher", 0)
    network = network_path(run.seed_path(0))
    if killed == "copying":
        borrowed_record_path(run, "teacher").unlink()
        teacher.unlink()
    else:
        with monkeypatch.context() as patch:
            if killed == "taught":  # in the middle
                patch.setattr(training, "write_curves", fail)
            else:  # between two models
                patch.setattr(SeedTraining, "_grow_trees", fail)
            with pytest.raises(Interruption):
                execute_run(run, prepared, Monitor())
        assert network.exists() == (killed != "taught")
        if killed == "finished":  # before the teacher was removed
            copy_file(network_path(other.seed_path(3)), teacher)
        if killed == "lost":
            network.unlink()
    execute_run(*resume_run(run.path, DATASET), Monitor())
    assert not teacher.exists()
    whole, _ = finish(tmp_path / "whole", DATASET, taught_by(other.path))
    assert models_of(run) == models_of(whole)


def test_other_trees_of_a_taught_run_need_no_teachers(other: Run, tmp_path: Path) -> None:
    copied = tmp_path / "other"
    shutil.copytree(other.path, copied)
    origin, _ = finish(tmp_path / "run", DATASET, taught_by(copied))
    shutil.rmtree(copied)
    settings = change_settings(origin.settings, ['trees.taps=["fc1"]'], {})
    run, _ = branch_run(origin, tmp_path / "branch", DATASET, settings, "tests")
    assert execute_run(*resume_run(run.path, DATASET), Monitor()).variants == ("cnn", "fc1")
    assert "the CNN of `other` (seed 3)" in model_card(run, "cnn").text
    folded = change_settings(origin.settings, (), {"trees": FOLDED})
    with pytest.raises(RunError, match="other is not a run directory"):  # and would teach the folds
        branch_run(origin, tmp_path / "folded", DATASET, folded, "tests")
    assert not (tmp_path / "folded").exists()


def test_a_branch_has_the_cnns_of_folds_taught_that_its_origin_lacks(
    tmp_path: Path, asked: list[list[FaceNetwork]]
) -> None:
    first, _ = finish(tmp_path / "first", DATASET, run_settings(trees=FOLDED))
    origin, _ = finish(tmp_path / "run", DATASET, taught_by(first.path))
    folded = change_settings(origin.settings, (), {"trees": FOLDED})
    run, prepared = branch_run(origin, tmp_path / "branch", DATASET, folded, "tests")
    asked.clear()
    execute_run(run, prepared, Monitor())
    for (own,), expected in zip(asked, load_seed_model(first, 0).folds, strict=True):
        assert_alike(own, expected.network)


def test_each_seed_has_the_teacher_of_its_seed_or_the_first(
    other: Run, tmp_path: Path, asked: list[list[FaceNetwork]]
) -> None:
    settings = change_settings(taught_by(other.path), ["seeds=[4, 5]"], {})
    run, _ = finish(tmp_path / "run", DATASET, settings)
    for (own,), seed in zip(asked, (3, 5), strict=True):
        assert_alike(own, load_seed_model(other, seed).network)
    assert "the CNN of `run` (seeds 3, 5)" in model_card(run, "cnn").text


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"trees": FOLDED}, r"cnn\.teachers: .* have learnt the folds that the trees grow on"),
        ({"data": {"validation_fraction": 0.3}}, r"cnn\.teachers: .* other validation images"),
    ],
)
def test_teachers_that_know_what_is_judged_on_are_refused_before_anything_is_written(
    other: Run, tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    settings = change_settings(taught_by(other.path), (), changes)
    with pytest.raises(SettingsError, match=problem):
        start_run(tmp_path / "run", DATASET, settings, "tests")
    assert not (tmp_path / "run").exists()


def test_teachers_of_other_data_and_runs_that_are_none_are_refused(
    other: Run, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"cnn\.teachers: .* images that the taught CNN is jud"):
        start_run(tmp_path / "run", faces(30), taught_by(other.path), "tests")
    with pytest.raises(RunError, match="nothing is not a run directory"):
        start_run(tmp_path / "run", DATASET, taught_by(Path("nothing")), "tests")


def test_the_same_cnn_does_not_teach_twice(other: Run, tmp_path: Path) -> None:
    settings = taught_by(other.path, other.seed_path(3))
    with pytest.raises(SettingsError, match=r"cnn\.teachers: seed 3 of .* more than once"):
        start_run(tmp_path / "run", DATASET, settings, "tests")


def test_a_share_without_teachers_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"cnn\.taught has no effect without cnn\.teachers"):
        change_settings(run_settings(), ["cnn.taught=0.7"], {})
