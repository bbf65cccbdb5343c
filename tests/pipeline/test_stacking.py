"""CNNs of other runs as what the trees see."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferboost.config import Settings
from ferboost.errors import RunError, SettingsError
from ferboost.export import export_run
from ferboost.features import tap_features
from ferboost.inference import Predictor
from ferboost.models import borrowed_record_path, load_seed_model
from ferboost.pipeline import branch_run, execute_run, resume_run, start_run
from ferboost.progress import Monitor
from ferboost.report import write_report
from ferboost.runs import Run
from ferboost.settings import change_settings
from tiny import begin, faces, finish, run_settings

DATASET = faces(40)


def stacking(others: tuple[Path, ...], **trees: Any) -> Settings:
    """Return settings whose trees see the CNNs of other runs."""
    trees = {
        "taps": ("fc1+stacked",), "mode": "residual", "features": "held-out",
        "stacked": tuple(map(str, others)),
    } | trees  # fmt: skip
    return run_settings(trees=trees, cnn={"dense": (8, 7)})


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run of a network of another shape, of seeds that ours does not have."""
    settings = run_settings(seeds=(3, 5), trees={"taps": ("pixels",)})
    return finish(tmp_path_factory.mktemp("other") / "run", DATASET, settings)[0]


def test_trees_see_the_logits_of_other_runs_and_need_these_no_more(
    other: Run, tmp_path: Path
) -> None:
    copied = tmp_path / "other"
    shutil.copytree(other.path, copied)
    run, prepared = begin(tmp_path / "run", DATASET, stacking((copied, copied / "seed-5")))
    expected = [load_seed_model(other, seed).network for seed in (3, 5)]
    shutil.rmtree(copied)
    results = execute_run(run, prepared, Monitor())
    model = load_seed_model(run, 0)
    images = DATASET.split("test").images
    variant = "fc1+stacked residual"
    found = model.features(images, [variant])["stacked"]
    assert found.shape == (len(images), 6)
    for place, network in enumerate(expected):
        own = tap_features(network, images, ["logits"])["logits"]
        np.testing.assert_array_equal(found[:, 3 * place : 3 * place + 3], own)
    assert len(model.networks(variant)) == 3
    assert results.seeds[0].predict_times[variant].cnn > 0
    done = export_run(run, tmp_path / "model.onnx", variant, calibration="none")
    exported = Predictor(done.path).predict_proba(images)
    near = np.abs(exported - results.seeds[0].probabilities[variant]).max(axis=1) <= 1e-5
    assert near.mean() >= 0.8
    assert write_report(run).is_file()


def test_out_of_fold_trees_see_the_cnn_that_has_not_learnt_their_fold(tmp_path: Path) -> None:
    folded = {"features": "out-of-fold", "folds": 2}
    first, _ = finish(tmp_path / "first", DATASET, run_settings(trees={"taps": ("fc1",)} | folded))
    run, results = finish(
        tmp_path / "second", DATASET, stacking((first.path,), taps=("stacked",), **folded)
    )
    theirs, ours = load_seed_model(first, 0), load_seed_model(run, 0)
    images = DATASET.split("test").images
    for mine, fold in zip(ours.folds, theirs.folds, strict=True):
        expected = tap_features(fold.network, images, ["logits"])["logits"]
        seen = mine.features(images, ["stacked residual"])["stacked"]
        np.testing.assert_array_equal(seen, expected)
    assert results.variants == ("cnn", "cnn folds", "stacked residual")


def test_a_run_that_was_killed_while_they_were_copied_goes_on(other: Run, tmp_path: Path) -> None:
    run, _ = start_run(tmp_path / "run", DATASET, stacking((other.path,)), "tests")
    borrowed_record_path(run, "stacked").unlink()
    resume_run(run.path, DATASET)
    assert borrowed_record_path(run, "stacked").exists()


def test_other_trees_of_a_run_can_stack(other: Run, tmp_path: Path) -> None:
    origin, _ = finish(tmp_path / "run", DATASET, run_settings(trees={"taps": ("pixels",)}))
    settings = change_settings(
        origin.settings,
        (),
        {"trees": {"taps": ["stacked"], "stacked": [str(other.path)], "features": "held-out"}},
    )
    run, prepared = branch_run(origin, tmp_path / "branch", DATASET, settings, "tests")
    assert execute_run(run, prepared, Monitor()).variants == ("cnn", "stacked")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"stacked": ("nothing",)}, "nothing is not a run directory"),
        ({"features": "out-of-fold", "folds": 2}, "have learnt the folds that the trees grow on"),
    ],
)
def test_cnns_that_cannot_be_stacked_are_refused_before_anything_is_written(
    other: Run, tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises((SettingsError, RunError), match=problem):
        start_run(tmp_path / "run", DATASET, stacking((other.path,), **changes), "tests")
    assert not (tmp_path / "run").exists()


def test_a_seed_that_is_not_there_is_refused(other: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no seed 4; it has: 3, 5"):
        start_run(tmp_path / "run", DATASET, stacking((other.path / "seed-4",)), "tests")


def test_cnns_of_other_data_or_another_cut_are_refused(other: Run, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="so its CNNs may know what the trees grow on"):
        start_run(tmp_path / "run", faces(30), stacking((other.path,)), "tests")
    cut = change_settings(stacking((other.path,)), ["data.validation_fraction=0.3"], {})
    with pytest.raises(SettingsError, match="has other validation images"):
        start_run(tmp_path / "run", DATASET, cut, "tests")


def test_stacking_is_checked_by_the_settings() -> None:
    with pytest.raises(SettingsError, match=r"'fc1\+stacked' sees the CNNs of other runs; name"):
        stacking(())
    with pytest.raises(SettingsError, match="know their training images by heart"):
        stacking((Path("run"),), features="in-sample")


def test_a_run_may_be_called_like_one_of_its_seeds(other: Run, tmp_path: Path) -> None:
    called = tmp_path / "seed-9"
    shutil.copytree(other.path, called)
    for name in (called, called / "seed-5"):
        run, _ = begin(tmp_path / f"run-of-{name.name}", DATASET, stacking((name,)))
        assert json.loads(borrowed_record_path(run, "stacked").read_bytes())[0]["run"] == str(
            called
        )
