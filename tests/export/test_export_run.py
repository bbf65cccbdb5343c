"""A run as one ONNX file, and the proof that it computes the same."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from ferboost.boosting import BoostedTrees
from ferboost.config import TreeSettings
from ferboost.datasets import hash_images, load_dataset
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.writing import write_dataset
from ferboost.errors import ExportError, RunError, SettingsError
from ferboost.evaluation.results import Results
from ferboost.export import export_run
from ferboost.export.ensemble import build_graph
from ferboost.export.parity import Parity, check_parity, run_graph
from ferboost.inference import Predictor
from ferboost.models import SeedModel, load_seed_model
from ferboost.pipeline import execute_run, load_calibration
from ferboost.pipeline.drifting import load_trait_limits
from ferboost.progress import Monitor
from ferboost.runs import Run
from ferboost.settings import parse_settings
from tiny import begin, every_scaling_is_kept, faces, finish, run_settings

TAPS = ("flatten", "fc1", "fc2", "output", "pixels")
SETTINGS = run_settings(trees={"taps": TAPS}, seeds=(3, 8))


@pytest.fixture(scope="module")
def dataset() -> FaceDataset:
    return faces()


@pytest.fixture(scope="module")
def finished(dataset: FaceDataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Results]:
    with every_scaling_is_kept():
        return finish(tmp_path_factory.mktemp("export") / "run", dataset, SETTINGS)


@pytest.mark.parametrize("variant", ["cnn", *TAPS])
def test_the_file_gives_the_mean_of_the_seeds(
    finished: tuple[Run, Results], dataset: FaceDataset, tmp_path: Path, variant: str
) -> None:
    run, results = finished
    done = export_run(run, tmp_path / "model.onnx", variant, calibration="none")
    found = Predictor(done.path).predict_proba(dataset.split("test").images)
    expected = np.mean([seed.probabilities[variant] for seed in results.seeds], axis=0)
    near = np.abs(found - expected).max(axis=1) <= 1e-5
    assert near.all() if variant in ("cnn", "pixels") else near.mean() >= 0.8
    assert done.parity.probability <= 1e-5
    assert done.parity.faces > 0


@pytest.mark.parametrize("method", ["temperature", "vector"])
def test_the_file_calibrates_as_the_run_does(
    finished: tuple[Run, Results], dataset: FaceDataset, tmp_path: Path, method: Any
) -> None:
    run, results = finished
    calibration = load_calibration(run)
    assert calibration is not None
    with every_scaling_is_kept():
        done = export_run(run, tmp_path / "model.onnx", calibration=method)
    found = Predictor(done.path).predict_proba(dataset.split("test").images)
    members = [seed.probabilities["cnn"] for seed in results.seeds]
    mean = np.asarray(np.mean(members, axis=0), dtype=np.float32)
    expected = calibration.ensemble["cnn"][method].apply(mean)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - mean).max() > 1e-3
    assert done.info.calibration == method


def test_the_file_is_calibrated_by_temperature_unless_said_otherwise(
    finished: tuple[Run, Results], tmp_path: Path
) -> None:
    with every_scaling_is_kept():
        assert export_run(finished[0], tmp_path / "model.onnx").info.calibration == "temperature"


def test_a_scaling_that_is_not_shown_to_help_is_left_out(
    finished: tuple[Run, Results], dataset: FaceDataset, tmp_path: Path
) -> None:
    done = export_run(finished[0], tmp_path / "model.onnx", calibration="temperature")
    assert done.info.calibration == "none"
    found = Predictor(done.path).predict_proba(dataset.split("test").images)
    mean = np.mean([seed.probabilities["cnn"] for seed in finished[1].seeds], axis=0)
    np.testing.assert_allclose(found, mean, atol=1e-5)


def test_sets_in_the_file_are_those_of_the_run(
    finished: tuple[Run, Results], dataset: FaceDataset, tmp_path: Path
) -> None:
    run, _ = finished
    calibration = load_calibration(run)
    assert calibration is not None
    with every_scaling_is_kept():
        done = export_run(run, tmp_path / "model.onnx")
    found = Predictor(done.path).predict_proba(dataset.split("test").images)
    assert done.info.sets is not None
    for coverage in (0.8, 0.9, 0.5):
        for by_class in (False, True):
            own = calibration.sets(None, "cnn", coverage, by_class=by_class).predict(found)
            sets = done.info.sets.predict(found, coverage, by_class=by_class)
            assert (sets == own).mean() > 0.99  # a threshold is the value of some image
    smaller, larger = (done.info.sets.predict(found, c).sum() for c in (0.5, 0.95))
    assert smaller < larger
    with pytest.raises(SettingsError, match=r"between 0 and 0.99 .* found 1.2"):
        done.info.sets.predict(found, 1.2)


@pytest.mark.parametrize(("weights", "share"), [("float16", 0.75), ("int8", 0.8)])
def test_smaller_weights_make_a_smaller_file_and_their_loss_is_measured(
    finished: tuple[Run, Results], dataset: FaceDataset, tmp_path: Path, weights: Any, share: float
) -> None:
    run, _ = finished
    exact = export_run(run, tmp_path / "exact.onnx", calibration="none")
    small = export_run(run, tmp_path / "small.onnx", weight_format=weights, calibration="none")
    assert small.size < share * exact.size
    images = dataset.split("test").images
    before, after = (Predictor(done.path).predict_proba(images) for done in (exact, small))
    assert 0 < np.abs(before - after).max() < 0.1
    assert 0 < small.info.weight_loss["mean"] <= small.info.weight_loss["greatest"] < 0.1
    assert exact.info.weight_loss == {}


@pytest.mark.parametrize(
    "taps", [("fc1+logits", "fc1+pixels"), ("fc1+hog", "lbp", "words")], ids="+".join
)
def test_residual_trees_are_exported_whatever_they_see(
    dataset: FaceDataset, tmp_path: Path, taps: tuple[str, ...]
) -> None:
    trees = {"taps": taps, "mode": "residual", "rounds": 3}
    run, results = finish(tmp_path / "run", dataset, run_settings(trees=trees))
    for tap in taps:
        variant = f"{tap} residual"
        done = export_run(run, tmp_path / "model.onnx", variant, calibration="none")
        found = Predictor(done.path).predict_proba(dataset.split("test").images)
        near = np.abs(found - results.seeds[0].probabilities[variant]).max(axis=1) <= 1e-5
        assert near.mean() >= 0.8
        assert done.parity.probability <= 1e-5
        assert np.abs(found - results.seeds[0].probabilities["cnn"]).max() > 1e-3


def test_models_of_folds_are_exported_as_their_mean(dataset: FaceDataset, tmp_path: Path) -> None:
    trees = {"taps": ("fc1",), "mode": "residual", "features": "out-of-fold", "folds": 2}
    run, results = finish(tmp_path / "run", dataset, run_settings(trees=trees))
    for variant in ("cnn folds", "fc1 residual"):
        done = export_run(run, tmp_path / "model.onnx", variant, calibration="none")
        found = Predictor(done.path).predict_proba(dataset.split("test").images)
        near = np.abs(found - results.seeds[0].probabilities[variant]).max(axis=1) <= 1e-5
        assert near.mean() >= 0.8


def test_a_run_without_calibration_is_not_exported_with_one(
    dataset: FaceDataset, tmp_path: Path
) -> None:
    run, _ = finish(tmp_path / "run", dataset, run_settings(protocol="paper"))
    with pytest.raises(SettingsError, match="not calibrated"):
        export_run(run, tmp_path / "model.onnx", calibration="vector")
    assert export_run(run, tmp_path / "model.onnx").info.calibration == "none"


def test_one_seed_can_be_chosen(
    finished: tuple[Run, Results], dataset: FaceDataset, tmp_path: Path
) -> None:
    run, results = finished
    done = export_run(run, tmp_path / "model.onnx", seeds=[8], calibration="none")
    found = Predictor(done.path).predict_proba(dataset.split("test").images)
    np.testing.assert_allclose(found, results.seeds[1].probabilities["cnn"], atol=1e-5)
    assert done.info.seeds == (8,)


def test_the_file_says_what_it_is(finished: tuple[Run, Results], tmp_path: Path) -> None:
    run, results = finished
    done = export_run(run, tmp_path / "model.onnx", "fc1")
    info = Predictor(done.path).info
    assert info == done.info
    assert (info.classes, info.variant, info.seeds) == (run.record.classes, "fc1", (3, 8))
    assert info.data_fingerprint == run.record.data.fingerprint
    mean = np.mean([seed.probabilities["fc1"] for seed in results.seeds], axis=0)
    assert info.metrics["accuracy"] == (mean.argmax(1) == results.labels).mean()
    assert info.metrics["n"] == len(results.labels)
    assert info.limits is not None
    assert info.limits == load_trait_limits(run)
    assert "MIT" in info.licence
    assert "48, 48" in info.preprocessing


def test_the_file_knows_the_images_that_it_was_trained_on(
    finished: tuple[Run, Results], dataset: FaceDataset, tmp_path: Path
) -> None:
    info = export_run(finished[0], tmp_path / "model.onnx").info
    assert info.were_in_training(dataset.split("train").hashes).all()
    clean = finished[1].clean
    assert clean is not None
    np.testing.assert_array_equal(~info.were_in_training(dataset.split("test").hashes), clean)


def test_the_file_is_one_and_holds_the_trees(finished: tuple[Run, Results], tmp_path: Path) -> None:
    export_run(finished[0], tmp_path / "model.onnx", "fc1")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    model = onnx.load(tmp_path / "model.onnx")
    assert [i.name for i in model.graph.input] == ["faces"]
    assert [o.name for o in model.graph.output] == ["probabilities"]
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("TreeEnsemble") == 2
    assert "Softmax" in operators


@pytest.fixture(scope="module")
def other(dataset: FaceDataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Results]:
    """Return a run of one seed of another network."""
    settings = parse_settings({
        "cnn": {"architecture": "residual", "filters": (4, 8), "epochs": 1, "batch_size": 16},
        "trees": {"taps": ("output",), "rounds": 2},
        "seeds": (5,),
    })  # fmt: skip
    with every_scaling_is_kept():
        return finish(tmp_path_factory.mktemp("export") / "other", dataset, settings)


@pytest.mark.parametrize("variant", ["cnn", "output"])
def test_several_runs_are_averaged_seed_by_seed(
    finished: tuple[Run, Results],
    other: tuple[Run, Results],
    dataset: FaceDataset,
    tmp_path: Path,
    variant: str,
) -> None:
    (run, results), (second, more) = finished, other
    done = export_run(run, tmp_path / "model.onnx", variant, beside=[second], calibration="none")
    assert done.info.seeds == (3, 8, 5)
    found = Predictor(done.path).predict_proba(dataset.split("test").images)
    shares = [seed.probabilities[variant] for seed in (*results.seeds, *more.seeds)]
    near = np.abs(found - np.mean(shares, axis=0)).max(axis=1) <= 1e-5
    assert near.all() if variant == "cnn" else near.mean() >= 0.8
    right = (np.mean(shares, axis=0).argmax(axis=1) == results.labels).mean()
    assert done.info.metrics["accuracy"] == pytest.approx(right)


def test_several_runs_are_calibrated_together(
    finished: tuple[Run, Results], other: tuple[Run, Results], tmp_path: Path
) -> None:
    with every_scaling_is_kept():
        info = export_run(finished[0], tmp_path / "model.onnx", beside=[other[0]]).info
    assert info.calibration == "temperature"
    assert info.sets is not None
    assert info.runs == 2


def test_what_was_judged_out_of_fold_in_one_run_alone_does_not_count(
    other: tuple[Run, Results], dataset: FaceDataset, tmp_path: Path
) -> None:
    trees = {"features": "out-of-fold", "ensemble": False, "folds": 2, "taps": ("output",)}
    with every_scaling_is_kept():
        judged, _ = finish(tmp_path / "run", dataset, run_settings(trees=trees))
        info = export_run(judged, tmp_path / "model.onnx", beside=[other[0]]).info
        thirds, _ = finish(
            tmp_path / "thirds", dataset, run_settings({"l2": 0.1}, trees=trees | {"folds": 3})
        )
        both = export_run(judged, tmp_path / "both.onnx", beside=[thirds]).info
    assert info.calibration == both.calibration == "temperature"


def test_runs_that_cannot_be_averaged_are_refused(
    finished: tuple[Run, Results], dataset: FaceDataset, tmp_path: Path
) -> None:
    run, _ = finished
    target = tmp_path / "model.onnx"
    with pytest.raises(SettingsError, match="is given twice; name each run once"):
        export_run(run, target, beside=[Run.open(run.path)])
    stranger, _ = finish(tmp_path / "stranger", faces(seed=2), SETTINGS)
    with pytest.raises(SettingsError, match="are of other data"):
        export_run(run, target, beside=[stranger])
    paper, _ = finish(tmp_path / "paper", dataset, run_settings(protocol="paper"))
    with pytest.raises(SettingsError, match="have other protocols"):
        export_run(run, target, beside=[paper])
    folds = {"features": "out-of-fold", "folds": 2, "taps": ("fc1",)}
    mean, _ = finish(tmp_path / "folds", dataset, run_settings(trees=folds))
    with pytest.raises(SettingsError, match="'fc1' averages 1 CNNs in .* and 2 in"):
        export_run(run, target, "fc1", beside=[mean])
    with pytest.raises(SettingsError, match="folds has no variant 'pixels'"):
        export_run(run, target, "pixels", beside=[mean])
    cut = run_settings(data={"validation_fraction": 0.3}, trees={"taps": ("fc1",)})
    others, _ = finish(tmp_path / "cut", dataset, cut)
    with pytest.raises(SettingsError, match="'cnn' is calibrated on other images in each"):
        export_run(run, target, beside=[others])
    uncalibrated = export_run(run, tmp_path / "plain.onnx", beside=[others], calibration="none")
    assert (uncalibrated.info.calibration, uncalibrated.info.sets) == ("none", None)
    copied = tmp_path / "copied"
    shutil.copytree(run.path, copied)
    with pytest.raises(SettingsError, match="have the same CNN, which would count twice"):
        export_run(run, target, beside=[Run.open(copied)])
    assert not target.exists()


def test_parity_that_fails_writes_nothing(
    finished: tuple[Run, Results], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = finished
    swapped = build_graph([load_seed_model(run, 8)], "cnn", 3)
    monkeypatch.setattr("ferboost.export.writing.build_graph", lambda *_arguments: swapped)
    with pytest.raises(ExportError, match=r"does not compute what .*nothing was written"):
        export_run(run, tmp_path / "model.onnx", seeds=[3])
    assert not list(tmp_path.iterdir())


def test_what_the_run_lacks_is_refused(finished: tuple[Run, Results], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no variant 'fc9'; it has: cnn, flatten"):
        export_run(finished[0], tmp_path / "model.onnx", "fc9")
    for seeds in ([5], [3, 3]):
        with pytest.raises(SettingsError, match="has: 3, 8"):
            export_run(finished[0], tmp_path / "model.onnx", seeds=seeds)


def test_an_unfinished_run_is_refused(dataset: FaceDataset, tmp_path: Path) -> None:
    run, _ = begin(tmp_path / "run", dataset, SETTINGS)
    with pytest.raises(RunError, match="is not finished"):
        export_run(run, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_residual_trees_that_early_stopping_did_without_are_the_cnn(
    finished: tuple[Run, Results], dataset: FaceDataset, tmp_path: Path
) -> None:
    run, results = finished
    model = load_seed_model(run, 3)
    images = dataset.split("test").images
    seen = model.features(images, ["fc1 residual"])
    trees = BoostedTrees(TreeSettings(early_stopping=1, rounds=3), 3, residual=True)
    sure = 30 * np.eye(3, dtype=np.float32)[dataset.split("test").labels]
    trees.fit(
        seen["fc1"], dataset.split("test").labels, (seen["fc1"], dataset.split("test").labels),
        logits=sure, validation_logits=sure,
    )  # fmt: skip
    assert trees.rounds_ == 0
    boosted = SeedModel(model.network, {"fc1 residual": trees})
    exported = build_graph([boosted], "fc1 residual", 3)
    assert check_parity(exported, [boosted], "fc1 residual", images).crossings == 0
    found = run_graph(exported.model, images)[0]
    np.testing.assert_allclose(found, results.seeds[0].probabilities["cnn"], atol=1e-5)


def test_residual_trees_add_no_base_score_where_classes_differ_in_size(
    finished: tuple[Run, Results], dataset: FaceDataset
) -> None:
    model = load_seed_model(finished[0], 3)
    images = dataset.split("train").images
    labels = np.minimum(np.arange(len(images)) % 6, 2)  # two thirds are of one class
    seen = model.features(images, ["fc1 residual"])
    settings = TreeSettings(rounds=3, max_depth=3)
    trees = BoostedTrees(settings, 3, residual=True).fit(seen["fc1"], labels, logits=seen["logits"])
    boosted = SeedModel(model.network, {"fc1 residual": trees})
    exported = build_graph([boosted], "fc1 residual", 3)
    assert check_parity(exported, [boosted], "fc1 residual", images).probability <= 1e-5


def test_the_run_s_own_test_images_are_not_looked_at(
    dataset: FaceDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data without a test split, of which the run has cut one off."""
    write_dataset(
        replace(dataset, splits=np.full(len(dataset.labels), "train")), tmp_path / "d.csv"
    )
    run, prepared = begin(tmp_path / "run", load_dataset(tmp_path / "d.csv"), run_settings())
    execute_run(run, prepared, Monitor())
    compared: list[NDArray[np.uint8]] = []

    def remember(*arguments: Any) -> Parity:
        compared.append(arguments[3])
        return check_parity(*arguments)

    monkeypatch.setattr("ferboost.export.writing.check_parity", remember)
    for limit in (1000, 7):
        monkeypatch.setattr("ferboost.export.writing._PARITY_FACES", limit)
        export_run(run, tmp_path / f"{limit}.onnx")
    own = prepared.hashes[prepared.splits != "test"]
    examples = len(compared[1]) - 7
    assert len(compared[0]) == len(own) + examples
    assert np.isin(hash_images(compared[0]), own).all()
    (tmp_path / "d.csv").unlink()
    write_dataset(faces(seed=2), tmp_path / "d.csv")
    export_run(run, tmp_path / "other.onnx")
    assert len(compared[2]) == examples


def test_two_faces_are_enough_to_compare_on(
    finished: tuple[Run, Results], dataset: FaceDataset, tmp_path: Path
) -> None:
    done = export_run(finished[0], tmp_path / "model.onnx", faces=dataset.select(np.arange(2)))
    assert done.parity.faces == 2
