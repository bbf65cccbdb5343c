"""Residual trees, held-out and out-of-fold features, in a run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferboost import features as what_trees_see
from ferboost.baselines import NeuralBaseline
from ferboost.boosting import BoostedTrees
from ferboost.centres import ClassCentres
from ferboost.cnn import training as cnn_training
from ferboost.datasets.doubts import prepare_training
from ferboost.datasets.splitting import FOLD_SEED, number_folds
from ferboost.errors import DataError, ExportError, RunError, SettingsError
from ferboost.export import export_run
from ferboost.growing import grow_trees
from ferboost.inference import Predictor
from ferboost.models import load_seed_model, trees_path
from ferboost.pipeline import (
    branch_run,
    calibrate_run,
    execute_run,
    load_calibration,
    resume_run,
    start_run,
    training,
)
from ferboost.pipeline.changing import load_changed_faces
from ferboost.pipeline.unseen import load_unseen
from ferboost.progress import Monitor
from ferboost.report import write_report
from ferboost.settings import change_settings
from tiny import begin, faces, finish, models_of, run_settings

DATASET = faces(40)
FOLDED: dict[str, Any] = {
    "taps": ("fc1+hog",), "mode": "both", "features": "out-of-fold", "folds": 2, "early_stopping": 2,
}  # fmt: skip


def test_both_modes_stand_beside_each_other(tmp_path: Path) -> None:
    settings = run_settings(trees={"taps": ("fc1", "pixels"), "mode": "both"})
    run, results = finish(tmp_path / "run", DATASET, settings)
    names = ("cnn", "fc1", "fc1 residual", "pixels", "pixels residual")
    assert results.variants == names
    assert load_seed_model(run, 0).variants == names
    assert trees_path(run.seed_path(0), "fc1 residual").name == "trees-fc1-residual.ubj"
    changed = load_changed_faces(run)
    assert changed is not None
    page = write_report(run).read_text("utf-8")
    assert "What the trees put right, and what they spoil" in page
    assert ("Put right by the trees" in page) == bool(changed.fixed.any())
    (run.path / "changed.npz").write_bytes(b"damaged")
    assert load_changed_faces(run) is None
    assert "by the trees" not in write_report(run).read_text("utf-8")


def test_baselines_stand_beside_the_trees_and_are_compared_with_them(tmp_path: Path) -> None:
    trees = {"taps": ("fc1",), "mode": "residual", "baselines": ("logistic", "mlp", "lightgbm")}
    run, results = finish(tmp_path / "run", DATASET, run_settings(trees=trees, seeds=(0, 1)))
    learners = ("logistic", "mlp", "lightgbm")
    names = tuple(f"fc1 residual {learner}" for learner in learners)
    assert results.variants == ("cnn", "fc1 residual", *names)
    read_back = load_seed_model(run, 1).probabilities(DATASET.split("test").images)
    for name in names:
        np.testing.assert_array_equal(read_back[name], results.seeds[1].probabilities[name])
    page = write_report(run).read_text("utf-8")
    assert "Are trees needed at all?" in page
    for words in ("logistic regression", "MLP", "LightGBM"):
        assert f"residual {words} on fc1" in page
    with pytest.raises(ExportError, match="there to be compared with"):
        export_run(run, tmp_path / "model.onnx", "fc1 residual mlp")
    assert not (tmp_path / "model.onnx").exists()


def test_out_of_fold_baselines_are_the_mean_of_their_folds(tmp_path: Path) -> None:
    trees = FOLDED | {"taps": ("fc1",), "baselines": ("logistic",)}
    run, results = finish(tmp_path / "run", DATASET, run_settings(trees=trees))
    assert {"fc1 logistic", "fc1 residual logistic"} <= set(results.variants)
    model = load_seed_model(run, 0)
    images = DATASET.split("test").images
    folds = [fold.probabilities(images)["fc1 logistic"] for fold in model.folds]
    np.testing.assert_array_equal(model.probabilities(images)["fc1 logistic"], np.mean(folds, 0))


def test_trees_of_all_folds_correct_the_cnn_that_learnt_every_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown: list[tuple[int, int]] = []
    fit = BoostedTrees.fit

    def spy(self: Any, features: Any, labels: Any, *rest: Any, **named: Any) -> Any:
        grown.append((len(features), len(labels)))
        return fit(self, features, labels, *rest, **named)

    monkeypatch.setattr(BoostedTrees, "fit", spy)
    taps = ("output", "output+hog")
    trees = FOLDED | {"taps": taps, "mode": "residual", "ensemble": False}
    run, results = finish(tmp_path / "run", DATASET, run_settings(trees=trees))
    rows = sum(run.record.data.counts["train"])
    assert grown[:2] == [(rows, rows)] * 2  # one set of trees a variant, not one a fold
    judged = [count for count, _ in grown[2:]]  # by trees of the other fold
    assert set(judged) == {judged[0], rows - judged[0]}
    model = load_seed_model(run, 0)
    assert model.variants == results.variants
    assert model.variants == ("cnn", "output residual", "output+hog residual")
    assert model.members("output residual") == ((model, "output residual"),)
    images = DATASET.split("test").images
    logits = model.features(images, ["output residual"])
    corrected = model.trees["output residual"].predict_proba(logits["output"], logits["logits"])
    np.testing.assert_array_equal(results.seeds[0].probabilities["output residual"], corrected)
    done = export_run(run, tmp_path / "model.onnx", "output+hog residual", calibration="none")
    found = Predictor(done.path).predict_proba(images)
    own = results.seeds[0].probabilities["output+hog residual"]
    near = np.abs(found - own).max(axis=1) <= 1e-5
    assert near.mean() >= 0.8
    assert len(list(run.path.rglob("network.safetensors"))) == 3
    assert write_report(run).is_file()
    (run.seed_path(0) / "train-accuracy.json").unlink()
    execute_run(*resume_run(run.path, DATASET), Monitor())
    assert len(grown) == 2 + len(judged)  # nothing of it is done again


def test_out_of_fold_images_calibrate_one_cnn_and_its_trees(tmp_path: Path) -> None:
    trees = FOLDED | {"taps": ("output",), "mode": "residual", "ensemble": False}
    run, _ = finish(tmp_path / "run", DATASET, run_settings(trees=trees | {"view_rows": True}))
    calibration = load_calibration(run)
    assert calibration is not None
    counts = run.record.data.counts
    held_out, learnt = sum(counts["validation"]), sum(counts["train"])
    assert len(calibration.labels) == held_out + learnt
    kept = load_unseen(run.seed_path(0))
    assert kept is not None
    labels, shares = kept
    assert sorted(np.bincount(labels)) == sorted(counts["train"])
    prepared = prepare_training(DATASET, run.settings.data, validation=True)
    train, model = prepared.split("train"), load_seed_model(run, 0)
    first = train.select(number_folds(train.labels, train.hashes, 2, FOLD_SEED) == 0)
    judged = model.folds[0].probabilities(first.images)["cnn"]  # it was trained without these
    np.testing.assert_allclose(shares["cnn"][: len(judged)], judged, atol=1e-6)
    np.testing.assert_array_equal(calibration.probabilities[0]["cnn"][held_out:], shares["cnn"])
    assert (shares["output residual"] != shares["cnn"]).any()

    (run.seed_path(0) / "unseen.npz").unlink()
    execute_run(*resume_run(run.path, DATASET), Monitor())
    again = load_unseen(run.seed_path(0))
    assert again is not None
    for variant in shares:
        np.testing.assert_array_equal(again[1][variant], shares[variant])
    (run.seed_path(0) / "unseen.npz").write_bytes(b"damaged")
    with pytest.raises(RunError, match="remove it and resume the run"):
        calibrate_run(run, prepared.split("validation"), Monitor())


def test_images_that_are_dropped_for_their_labels_calibrate_all_the_same(tmp_path: Path) -> None:
    doubts = tmp_path / "doubts.csv"
    doubts.write_text("\n".join(["image", *DATASET.split("train").names[::4], ""]))
    trees = FOLDED | {"taps": ("output",), "mode": "residual", "ensemble": False}
    data = {"doubts": str(doubts), "doubted": "drop"}
    run, _ = finish(tmp_path / "run", DATASET, run_settings(trees=trees, data=data))
    kept = load_unseen(run.seed_path(0))
    assert kept is not None
    assert sorted(np.bincount(kept[0])) == sorted(run.record.data.counts["train"])


def test_an_mlp_that_calibrates_is_trained_as_long_as_the_one_that_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[bool, int]] = []
    fit = NeuralBaseline.fit

    def spy(
        self: Any, features: Any, labels: Any, validation: Any, *rest: Any, **named: Any
    ) -> Any:
        fitted = fit(self, features, labels, validation, *rest, **named)
        trained.append((validation is None, fitted.rounds_))
        return fitted

    monkeypatch.setattr(NeuralBaseline, "fit", spy)
    trees = FOLDED | {"mode": "replace", "ensemble": False, "baselines": ("mlp",)}
    finish(tmp_path / "run", DATASET, run_settings(trees=trees | {"taps": ("output",)}))
    (kept,) = [rounds for is_alone, rounds in trained if not is_alone]
    stand_ins = [rounds for is_alone, rounds in trained if is_alone]
    assert 0 < kept < 40
    assert stand_ins == [kept] * 2


def test_trees_that_see_no_cnn_can_grow_on_all_folds(tmp_path: Path) -> None:
    trees = FOLDED | {"taps": ("pixels",), "mode": "replace", "ensemble": False}
    run, results = finish(tmp_path / "run", DATASET, run_settings(trees=trees))
    assert results.variants == ("cnn", "pixels")
    kept = load_unseen(run.seed_path(0))
    assert kept is not None
    assert kept[1].keys() == {"cnn", "pixels"}


def test_what_differs_from_cnn_to_cnn_is_refused_where_trees_move_to_another() -> None:
    for trees in ({"taps": ("fc1",)}, {"taps": ("output-centres",)}, {"features": "held-out"}):
        with pytest.raises(SettingsError, match=r"trees\.ensemble=false"):
            run_settings(trees=FOLDED | {"taps": ("output",), "ensemble": False} | trees)


def test_trees_see_and_grow_on_views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees = {"taps": ("fc1+logits-views",), "mode": "residual", "views": "jitter"}
    run, results = finish(tmp_path / "averaged", DATASET, run_settings(trees=trees))
    assert load_seed_model(run, 0).views == "jitter"
    done = export_run(run, tmp_path / "model.onnx", "fc1+logits-views residual")
    assert done.parity.probability <= 1e-5
    assert results.variants == ("cnn", "fc1+logits-views residual")

    grown: list[tuple[int, int]] = []
    fit = BoostedTrees.fit

    def spy(self: Any, features: Any, labels: Any, *rest: Any, **named: Any) -> Any:
        grown.append((len(features), len(named["logits"])))
        return fit(self, features, labels, *rest, **named)

    monkeypatch.setattr(BoostedTrees, "fit", spy)
    settings = change_settings(
        run.settings, ["trees.view_rows=true"], {"trees": {"taps": ["fc1"], "views": "mirror"}}
    )
    execute_run(*branch_run(run, tmp_path / "rows", DATASET, settings, "tests"), Monitor())
    rows = 2 * sum(run.record.data.counts["train"])
    assert grown == [(rows, rows)]


@pytest.mark.parametrize("features", ["in-sample", "held-out", "out-of-fold"])
def test_trees_see_distances_to_class_centres(tmp_path: Path, features: str) -> None:
    tap = "fc1-centres+fc1-views-centres"
    trees = FOLDED | {"taps": (tap,), "features": features, "baselines": ("logistic",)}
    run, results = finish(tmp_path / "run", DATASET, run_settings(trees=trees))
    assert f"{tap} residual logistic" in results.variants
    model = load_seed_model(run, 0)
    own = (model.folds or (model,))[0]
    assert own.centres.keys() == {"fc1", "fc1-views"}
    images = DATASET.split("test").images
    seen = own.features(images, [f"{tap} residual"])
    assert seen["fc1-centres"].shape == (len(images), 3)
    done = export_run(run, tmp_path / "model.onnx", f"{tap} residual", calibration="none")
    found = Predictor(done.path).predict_proba(images)
    near = np.abs(found - results.seeds[0].probabilities[f"{tap} residual"]).max(axis=1) <= 1e-5
    assert near.mean() >= 0.8
    assert write_report(run).is_file()


def test_a_row_is_left_out_of_its_own_centre(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[int, bool]] = []
    distances = ClassCentres.distances

    def spy(self: Any, values: Any, members: Any = None) -> Any:
        calls.append((len(values), members is not None))
        return distances(self, values, members)

    monkeypatch.setattr(ClassCentres, "distances", spy)
    trees = {"taps": ("fc1-centres",), "early_stopping": 2}
    for features, expected in {"in-sample": [False, True], "held-out": [True, False]}.items():
        calls.clear()
        settings = run_settings(trees=trees | {"features": features})
        run, prepared = begin(tmp_path / features, DATASET, settings)
        execute_run(run, prepared, Monitor())
        assert [member for _, member in calls[:2]] == expected
        # Only the images that calibrate are in the centres again, where these are of them.
        assert sum(member for _, member in calls[2:]) == (features == "in-sample")


def test_lost_centres_are_named(tmp_path: Path) -> None:
    run, _ = finish(tmp_path / "run", DATASET, run_settings(trees={"taps": ("fc1-centres",)}))
    (run.seed_path(0) / "centres-fc1.safetensors").unlink()
    with pytest.raises(RunError, match=r"cannot read the class centres .*centres-fc1"):
        load_seed_model(run, 0)


def test_centres_need_images_that_the_cnn_has_not_learnt() -> None:
    with pytest.raises(SettingsError, match="the centres of 'fc1-centres' are means over images"):
        run_settings(trees={"taps": ("fc1-centres",)}, protocol="paper")
    run_settings(trees={"taps": ("fc1-centres",), "features": "out-of-fold"}, protocol="paper")


def test_held_out_trees_never_see_a_training_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, _ = finish(tmp_path / "run", DATASET, run_settings())
    settings = change_settings(
        origin.settings,
        ["trees.features=held-out", "trees.early_stopping=2", "trees.mode=residual"],
        {"trees": {"taps": ["fc1"]}},
    )
    run, prepared = branch_run(origin, tmp_path / "branch", DATASET, settings, "tests")
    seen: list[np.ndarray[Any, Any]] = []

    def spy(variant: str, rows: Any, watched: Any, *rest: Any, **named: Any) -> Any:
        seen.extend((rows.data.images, watched.data.images))
        return grow_trees(variant, rows, watched, *rest, **named)

    monkeypatch.setattr("ferboost.pipeline.training.grow_trees", spy)
    execute_run(run, prepared, Monitor())
    rows, watched = (set(map(bytes, images)) for images in seen)
    assert rows | watched == set(map(bytes, prepared.split("validation").images))
    assert not rows & watched


def test_out_of_fold_trees_grow_on_what_their_cnn_has_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt: list[set[bytes]] = []
    grown: list[set[bytes]] = []
    train_network, grow = cnn_training.train_network, training.SeedTraining._grow_trees

    def spy_cnn(network: Any, train: Any, *rest: Any, **named: Any) -> Any:
        learnt.append(set(map(bytes, train.images)))
        return train_network(network, train, *rest, **named)

    def spy_trees(self: Any, part: Any, network: Any, rows: Any) -> Any:
        grown.append(set(map(bytes, rows.images)))
        return grow(self, part, network, rows)

    monkeypatch.setattr(training, "train_network", spy_cnn)
    monkeypatch.setattr(training.SeedTraining, "_grow_trees", spy_trees)
    run, results = finish(tmp_path / "run", DATASET, run_settings(trees=FOLDED))
    everything, *folds = learnt
    assert len(folds) == len(grown) == 2
    for others, unseen in zip(folds, grown, strict=True):
        assert not others & unseen
        assert others | unseen == everything
    assert results.variants == ("cnn", "cnn folds", "fc1+hog", "fc1+hog residual")
    model = load_seed_model(run, 0)
    images = DATASET.split("test").images
    mean = np.mean([f.probabilities(images)["fc1+hog residual"] for f in model.folds], axis=0)
    np.testing.assert_array_equal(model.probabilities(images)["fc1+hog residual"], mean)
    assert write_report(run).is_file()


def test_the_network_sees_the_rows_of_all_trees_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, _ = finish(tmp_path / "run", DATASET, run_settings(trees={"taps": ("pixels",)}))
    trees = {"taps": ["flatten", "fc1", "fc1+hog"], "mode": "both"}
    settings = change_settings(origin.settings, (), {"trees": trees})
    run, prepared = branch_run(origin, tmp_path / "branch", DATASET, settings, "tests")
    counts: list[int] = []
    run_network = what_trees_see.tap_features

    def spy(network: Any, images: Any, taps: Any) -> Any:
        counts.append(len(images))
        return run_network(network, images, taps)

    monkeypatch.setattr(what_trees_see, "tap_features", spy)
    execute_run(run, prepared, Monitor())
    assert counts.count(len(prepared.split("train"))) == 1


def test_other_trees_take_the_fold_cnns_of_an_out_of_fold_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, before = finish(tmp_path / "run", DATASET, run_settings(trees=FOLDED))
    settings = change_settings(
        origin.settings, ["trees.class_weights=balanced"], {"trees": {"taps": ["fc2"]}}
    )
    monkeypatch.setattr(training, "train_network", None)
    run, prepared = branch_run(origin, tmp_path / "branch", DATASET, settings, "tests")
    after = execute_run(run, prepared, Monitor())
    for variant in ("cnn", "cnn folds"):
        np.testing.assert_array_equal(
            after.seeds[0].probabilities[variant], before.seeds[0].probabilities[variant]
        )


class Stopped(Exception):
    """Ends a run between two folds."""


def test_a_run_that_stopped_between_folds_ends_with_the_same_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = run_settings(trees=FOLDED)
    whole, _ = finish(tmp_path / "whole", DATASET, settings)
    run, prepared = begin(tmp_path / "run", DATASET, settings)
    train_network, calls = cnn_training.train_network, []

    def stop_at_the_second_fold(*given: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise Stopped
        return train_network(*given, **named)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(training, "train_network", stop_at_the_second_fold)
        execute_run(run, prepared, Monitor())
    execute_run(*resume_run(run.path, DATASET), Monitor())
    folders = [r.seed_path(0) for r in (whole, run)]
    ours, theirs = (
        {str(f.relative_to(at)): f.read_bytes() for f in at.rglob("*.ubj")} for at in folders
    )
    assert len(ours) == 4
    assert ours == theirs
    assert models_of(run) == models_of(whole)


def test_more_folds_than_images_of_a_class_are_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    settings = run_settings(trees={"features": "out-of-fold", "folds": 20})
    with pytest.raises(DataError, match=r"too few for 20 folds; lower trees\.folds"):
        start_run(tmp_path / "run", faces(10), settings, "tests")
    assert not (tmp_path / "run").exists()


def test_held_out_trees_need_validation_images() -> None:
    with pytest.raises(SettingsError, match="the published protocol has none"):
        run_settings(trees={"features": "held-out"}, protocol="paper")


@pytest.mark.parametrize(
    ("tap", "problem"),
    [
        ("fc1+hoog", "there is no 'hoog'"),
        ("hog+hog", "more than once"),
        ("hog-views", "there is no 'hog-views'"),
        ("fc1-views-views", "there is no 'fc1-views-views'"),
        ("pooled-views", "has no tap 'pooled-views'"),
    ],
)
def test_joined_taps_are_checked(tap: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        run_settings(trees={"taps": (tap,)})


def test_views_are_not_taken_twice() -> None:
    with pytest.raises(SettingsError, match=r"'fc1-views' is a mean over views already; leave out"):
        run_settings(trees={"taps": ("fc1-views",), "view_rows": True})
