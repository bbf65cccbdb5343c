"""Predictions of a run's models on image files."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.images import encode_png
from ferboost.errors import ImageError, RunError, SettingsError
from ferboost.evaluation.results import Results
from ferboost.inference import Predictions
from ferboost.pipeline import explain_run, load_calibration
from ferboost.prediction import RunPredictor, predict_files
from ferboost.runs import Run
from tiny import every_scaling_is_kept, faces, finish, run_settings

SETTINGS = run_settings(seeds=(0, 1))


@pytest.fixture(scope="module")
def dataset() -> FaceDataset:
    return faces()


@pytest.fixture(scope="module")
def finished(dataset: FaceDataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Results]:
    with every_scaling_is_kept():
        return finish(tmp_path_factory.mktemp("prediction") / "run", dataset, SETTINGS)


@pytest.fixture
def photos(dataset: FaceDataset, tmp_path: Path) -> list[Path]:
    """Write the test images as files."""
    images = dataset.split("test").images
    paths = [tmp_path / f"{number}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(encode_png(image))
    return paths


@pytest.mark.parametrize("variant", ["cnn", "fc1", "pixels"])
def test_a_prediction_is_the_calibrated_mean_over_the_seeds(
    finished: tuple[Run, Results], photos: list[Path], variant: str
) -> None:
    run, results = finished
    predictions, failures = predict_files(run, photos, variant)
    assert failures == []
    mean = np.mean([seed.probabilities[variant] for seed in results.seeds], axis=0)
    calibration = load_calibration(run)
    assert calibration is not None
    expected = calibration.ensemble[variant]["temperature"].apply(mean)
    assert np.abs(expected - mean).max() > 1e-4
    found = np.array([list(prediction.probabilities.values()) for prediction in predictions])
    np.testing.assert_array_equal(found, expected)
    for prediction, row in zip(predictions, expected, strict=True):
        assert tuple(prediction.probabilities) == results.classes
        assert prediction.emotion == results.classes[row.argmax()]


def test_predictions_come_in_the_order_of_the_files(
    finished: tuple[Run, Results], photos: list[Path]
) -> None:
    backwards = photos[::-1]
    forward, _ = predict_files(finished[0], photos)
    found, _ = predict_files(finished[0], backwards)
    assert [prediction.source for prediction in found] == [str(path) for path in backwards]
    for one, other in zip(found[::-1], forward, strict=True):
        assert list(one.probabilities.values()) == pytest.approx(
            list(other.probabilities.values()), abs=1e-6
        )


def test_unreadable_files_among_several_are_reported_and_the_others_predicted(
    finished: tuple[Run, Results], photos: list[Path], tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(photos[0].read_bytes()[:60])
    missing = tmp_path / "missing.png"
    given = [photos[0], damaged, photos[1], missing, tmp_path, photos[2]]
    predictions, failures = predict_files(finished[0], given)
    assert [prediction.source for prediction in predictions] == [str(path) for path in photos[:3]]
    assert [type(failure) for failure in failures] == [ImageError] * 3
    for failure, path in zip(failures, (damaged, missing, tmp_path), strict=True):
        assert str(path) in str(failure)
        assert "\n" not in str(failure)


def test_no_readable_file_gives_no_prediction(finished: tuple[Run, Results]) -> None:
    predictions, failures = predict_files(finished[0], [Path("missing.png")])
    assert len(predictions) == 0
    assert str(failures[0]) == "cannot read missing.png: No such file or directory"


def test_no_file_gives_nothing(finished: tuple[Run, Results]) -> None:
    assert predict_files(finished[0], []) == (Predictions(()), [])


@pytest.mark.parametrize("variant", ["flatten", "nonsense"])
def test_a_variant_that_the_run_has_not_is_refused_with_those_it_has(
    finished: tuple[Run, Results], photos: list[Path], variant: str
) -> None:
    with pytest.raises(SettingsError, match=f"no variant '{variant}'; it has: cnn, fc1, pixels"):
        predict_files(finished[0], photos, variant)


def test_a_run_that_is_not_finished_is_refused(
    finished: tuple[Run, Results], tmp_path: Path
) -> None:
    run = Run.open(shutil.copytree(finished[0].path, tmp_path / "run"))
    (run.seed_path(run.settings.seeds[-1]) / "train-accuracy.json").unlink()
    with pytest.raises(RunError, match="--resume"):
        RunPredictor(run)
    with pytest.raises(RunError, match="--resume"):
        explain_run(run, np.zeros((1, 48, 48), np.uint8), "cnn")


def test_a_variant_whose_trees_are_gone_is_refused(
    dataset: FaceDataset, photos: list[Path], tmp_path: Path
) -> None:
    run, _ = finish(tmp_path / "run", dataset, SETTINGS)
    (run.seed_path(1) / "trees-fc1.ubj").unlink()
    with pytest.raises(RunError, match=r"trees-fc1\.ubj is gone from a finished run"):
        predict_files(run, photos, "fc1")
