"""The trained models of a run, read back."""

from pathlib import Path

import numpy as np
import pytest

from ferboost.datasets.dataset import FaceDataset
from ferboost.errors import RunError
from ferboost.evaluation.results import Results
from ferboost.features import tap_features
from ferboost.models import load_seed_model, network_path, trees_path
from ferboost.runs import Run
from tiny import begin, faces, finish, run_settings

SETTINGS = run_settings(trees={"taps": ("output", "fc1", "pixels")}, seeds=(4,))


@pytest.fixture(scope="module")
def dataset() -> FaceDataset:
    return faces()


@pytest.fixture(scope="module")
def finished(dataset: FaceDataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Results]:
    return finish(tmp_path_factory.mktemp("models") / "run", dataset, SETTINGS)


def test_the_variants_are_the_cnn_and_the_taps_in_their_order(
    finished: tuple[Run, Results],
) -> None:
    assert load_seed_model(finished[0], 4).variants == ("cnn", "output", "fc1", "pixels")


def test_loaded_models_predict_what_the_run_recorded(
    finished: tuple[Run, Results], dataset: FaceDataset
) -> None:
    run, results = finished
    found = load_seed_model(run, 4).probabilities(dataset.split("test").images)
    assert found.keys() == results.seeds[0].probabilities.keys()
    for variant, probabilities in found.items():
        np.testing.assert_array_equal(probabilities, results.seeds[0].probabilities[variant])
        np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)


def test_trees_on_a_tap_see_that_tap(finished: tuple[Run, Results], dataset: FaceDataset) -> None:
    model = load_seed_model(finished[0], 4)
    images = dataset.split("test").images
    features = tap_features(model.network, images, ["fc1"])["fc1"]
    np.testing.assert_array_equal(
        model.trees["fc1"].predict_proba(features), model.probabilities(images)["fc1"]
    )


def test_a_seed_without_a_network_is_unfinished(dataset: FaceDataset, tmp_path: Path) -> None:
    run, _ = begin(tmp_path / "run", dataset, SETTINGS)
    with pytest.raises(RunError, match=r"seed 4 has no trained CNN\); go on with: ferboost train"):
        load_seed_model(run, 4)


@pytest.mark.parametrize("path", [network_path(Path()), trees_path(Path(), "fc1")], ids=str)
def test_a_damaged_model_is_refused_by_name(
    dataset: FaceDataset, tmp_path: Path, path: Path
) -> None:
    run, _ = finish(tmp_path / "run", dataset, SETTINGS)
    file = run.seed_path(4) / path
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(RunError, match=str(file)):
        load_seed_model(run, 4)


@pytest.mark.parametrize(
    "gone", ["trees-fc1.ubj", "fold-1/trees-fc1.ubj", "fold-1/network.safetensors"]
)
def test_a_model_that_is_gone_from_a_finished_run_is_missed(
    dataset: FaceDataset, tmp_path: Path, gone: str
) -> None:
    trees = {"taps": ("fc1",), "features": "out-of-fold", "folds": 2}
    settings = run_settings(trees=trees, seeds=(4,)) if "fold" in gone else SETTINGS
    run, _ = finish(tmp_path / "run", dataset, settings)
    file = run.seed_path(4) / gone
    file.unlink()
    with pytest.raises(RunError, match=f"{file} is gone from a finished run"):
        load_seed_model(run, 4)
