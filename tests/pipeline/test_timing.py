"""How long the models of a run take to predict."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ferboost.datasets.dataset import FaceDataset
from ferboost.models import SeedModel, load_seed_model
from ferboost.pipeline import timing
from ferboost.pipeline.timing import time_predictions
from ferboost.runs import Run
from tiny import faces, finish, run_settings

SETTINGS = run_settings(trees={"taps": ("fc1", "pixels")}, seeds=(4,))


@pytest.fixture(scope="module")
def dataset() -> FaceDataset:
    return faces()


@pytest.fixture(scope="module")
def finished(dataset: FaceDataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return finish(tmp_path_factory.mktemp("timing") / "run", dataset, SETTINGS)[0]


@pytest.mark.parametrize("variant", ["cnn", "fc1", "pixels"])
def test_times_are_of_the_parts_and_the_whole(
    finished: Run, dataset: FaceDataset, variant: str
) -> None:
    told: list[tuple[int, int]] = []
    model = load_seed_model(finished, 4)
    times = time_predictions(model, dataset.images, [variant], lambda *now: told.append(now[:2]))
    time = times[variant]
    assert told == [(len(dataset.images),) * 2]
    assert time.whole > 0
    assert (time.cnn > 0) == (variant != "pixels")
    assert (time.trees > 0) == (variant != "cnn")


def test_of_many_images_the_first_ones_are_timed(
    finished: Run, dataset: FaceDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "_IMAGES", 4)
    monkeypatch.setattr(timing, "_median_seconds", lambda action: action() or 2.0)
    seen: list[int] = []

    def predict(_self: object, images: NDArray[np.uint8], _variant: str) -> None:
        seen.append(len(images))

    monkeypatch.setattr(SeedModel, "probabilities_of", predict)
    model = load_seed_model(finished, 4)
    assert len(dataset.images) > 4
    whole = time_predictions(model, dataset.images, ["cnn"])["cnn"].whole
    assert whole == pytest.approx(2.0 * len(dataset.images) / 4)
    assert seen == [4]
