"""A run as one ONNX file, and the proof that it computes the same."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from ferboost.datasets.dataset import FaceDataset
from ferboost.errors import ExportError, RunError, SettingsError
from ferboost.evaluation.results import Results
from ferboost.export import export_run
from ferboost.export.ensemble import build_graph
from ferboost.inference import Predictor
from ferboost.models import load_seed_model
from ferboost.runs import Run
from tiny import begin, faces, finish, run_settings

TAPS = ("flatten", "fc1", "fc2", "output", "pixels")
SETTINGS = run_settings(trees={"taps": TAPS}, seeds=(3, 8))


@pytest.fixture(scope="module")
def dataset() -> FaceDataset:
    return faces()


@pytest.fixture(scope="module")
def finished(dataset: FaceDataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Results]:
    return finish(tmp_path_factory.mktemp("export") / "run", dataset, SETTINGS)


@pytest.mark.parametrize("variant", ["cnn", *TAPS])
def test_the_file_gives_the_mean_of_the_seeds(
    finished: tuple[Run, Results], dataset: FaceDataset, tmp_path: Path, variant: str
) -> None:
    run, results = finished
    done = export_run(run, tmp_path / "model.onnx", variant)
    found = Predictor(done.path).predict_proba(dataset.split("test").images)
    expected = np.mean([seed.probabilities[variant] for seed in results.seeds], axis=0)
    near = np.abs(found - expected).max(axis=1) <= 1e-5
    assert near.all() if variant in ("cnn", "pixels") else near.mean() >= 0.8
    assert done.parity.probability <= 1e-5
    assert done.parity.faces > 0


def test_one_seed_can_be_chosen(
    finished: tuple[Run, Results], dataset: FaceDataset, tmp_path: Path
) -> None:
    run, results = finished
    done = export_run(run, tmp_path / "model.onnx", seeds=[8])
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
