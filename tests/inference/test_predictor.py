"""An exported model at work, without what has trained it."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.images import encode_png
from ferboost.errors import ImageError, MissingExtraError
from ferboost.export import export_run
from ferboost.inference import Prediction, Predictions, Predictor
from tiny import faces, finish, run_settings


@pytest.fixture(scope="module")
def dataset() -> FaceDataset:
    return faces()


@pytest.fixture(scope="module")
def model(dataset: FaceDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predictor")
    run, _ = finish(folder / "run", dataset, run_settings(seeds=(0, 1)))
    return export_run(run, folder / "model.onnx", "fc1").path


@pytest.fixture(scope="module")
def predictor(model: Path) -> Predictor:
    return Predictor(model)


def shares(predictions: Predictions) -> list[tuple[float, ...]]:
    return [prediction.shares for prediction in predictions]


def in_file(face: Any, folder: Path) -> Path:
    (folder / "face.png").write_bytes(encode_png(face))
    return folder / "face.png"


FORMS: dict[str, Callable[[Any, Path], Any]] = {
    "array": lambda face, folder: face,
    "array of floats": lambda face, folder: face.astype(np.float64),
    "read-only mirrored array": lambda face, folder: np.flip(np.flip(face, 1).copy(), 1),
    "path": in_file,
    "text of a path": lambda face, folder: str(in_file(face, folder)),
    "bytes": lambda face, folder: encode_png(face),
    "gray image": lambda face, folder: Image.fromarray(face),
    "colour image": lambda face, folder: Image.fromarray(face).convert("RGB"),
    "colour array": lambda face, folder: np.repeat(face[:, :, None], 3, axis=2),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_face_gives_the_same_in_every_form(
    predictor: Predictor, dataset: FaceDataset, tmp_path: Path, form: str
) -> None:
    face = dataset.images[4]
    picture = FORMS[form](face, tmp_path)
    expected = predictor.predict(dataset.images[4:5])
    assert shares(predictor.predict(picture)) == shares(expected)
    assert shares(predictor.predict([picture, picture])) == shares(expected) * 2


def test_other_sizes_are_resampled(predictor: Predictor, dataset: FaceDataset) -> None:
    large = Image.fromarray(dataset.images[0]).resize((96, 96))
    assert len(predictor.predict(large)) == 1
    assert len(predictor.predict(np.zeros((3, 60, 50), dtype=np.uint8))) == 3
    assert len(predictor.predict(np.zeros((2, 60, 50, 3), dtype=np.uint8))) == 2


def test_a_face_gives_the_same_alone_as_among_many(
    predictor: Predictor, dataset: FaceDataset
) -> None:
    many = np.tile(dataset.images, (3, 1, 1))
    together = predictor.predict_proba(many)
    assert together.shape == (len(many), 3)
    np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-5)
    for position in range(0, len(many), 40):
        alone = predictor.predict_proba(many[position : position + 1])
        np.testing.assert_allclose(alone[0], together[position], atol=1e-6)


def test_nothing_gives_nothing(predictor: Predictor) -> None:
    assert predictor.predict([]) == Predictions(())
    assert predictor.predict_proba(np.empty((0, 48, 48), dtype=np.uint8)).shape == (0, 3)


def test_threads_do_not_disturb_each_other(predictor: Predictor, dataset: FaceDataset) -> None:
    parts = [dataset.images[start::8] for start in range(8)]
    expected = [predictor.predict_proba(part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(predictor.predict_proba, parts * 5))
    for one, other in zip(found, expected * 5, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("picture", "named"),
    [
        (np.zeros((2, 2, 2, 2, 2)), "shape"),
        (np.full((48, 48), 0.5), "whole numbers from 0 to 255"),
        (np.full((48, 48), np.nan), "whole numbers from 0 to 255"),
        (np.full((48, 48), -1), "whole numbers from 0 to 255"),
        (np.zeros((48, 48), dtype=bool), "bool"),
        (b"no image", "not an image"),
        ("missing.png", "missing.png: No such file"),
        ([7], "picture 0 is of type int"),
        (Path("/dev/zero"), "pipe or a device"),
    ],
    ids=str,
)
def test_what_is_no_picture_is_refused(predictor: Predictor, picture: Any, named: str) -> None:
    with pytest.raises(ImageError, match=named):
        predictor.predict(picture)


def test_only_whole_faces_have_probabilities(predictor: Predictor) -> None:
    with pytest.raises(ImageError, match=r"found uint8 of shape \(1, 48, 47\)"):
        predictor.predict_proba(np.zeros((1, 48, 47), dtype=np.uint8))


def test_files_that_cannot_be_read_are_left_out_and_named(
    predictor: Predictor, dataset: FaceDataset, tmp_path: Path
) -> None:
    good = in_file(dataset.images[0], tmp_path)
    bad = tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:50])
    told: list[int] = []
    predictions, failures = predictor.predict_files(
        [bad, good], lambda done, _total, _detail: told.append(done)
    )
    assert [prediction.source for prediction in predictions] == [str(good)]
    assert str(bad) in str(failures[0])
    assert told == [1, 2]


def test_results_are_frozen_and_can_be_passed_on(
    predictor: Predictor, dataset: FaceDataset
) -> None:
    predictions = predictor.predict(dataset.images[:3])
    first = predictions[0]
    assert first.emotion == max(first.probabilities, key=first.probabilities.__getitem__)
    assert first.probability == max(first.probabilities.values())
    assert json.loads(json.dumps(predictions.to_dict()))[0] == first.to_dict()
    assert isinstance(predictions[1:], Predictions)
    assert pickle.loads(pickle.dumps(predictions)) == predictions  # noqa: S301
    with pytest.raises(FrozenInstanceError):
        first.shares = (1.0,)  # type: ignore[misc]


def test_a_face_outside_of_what_was_trained_has_a_warning(
    predictor: Predictor, dataset: FaceDataset
) -> None:
    train = dataset.split("train").images
    warned = [prediction.warning is not None for prediction in predictor.predict(train)]
    assert sum(warned) <= 0.2 * len(train)  # the ends of few
    (dark,) = predictor.predict(train[0] // 8)
    assert dark.warning is not None
    assert "darker (brightness" in dark.warning
    assert dark.to_dict()["warning"] == dark.warning


def test_results_become_a_table(predictor: Predictor, dataset: FaceDataset) -> None:
    pandas = pytest.importorskip("pandas")
    table = predictor.predict(dataset.images[:3]).to_dataframe()
    assert isinstance(table, pandas.DataFrame)
    place = ["left", "top", "right", "bottom", "score"]
    assert list(table) == ["source", "emotion", "probability", *dataset.classes, *place, "warning"]
    assert len(table) == 3
    assert table["left"].isna().all()
    assert list(Predictions(()).to_dataframe()) == [
        "source", "emotion", "probability", *place, "warning",
    ]  # fmt: skip


def test_without_pandas_the_table_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="pip install pandas"):
        Predictions((Prediction(None, ("a",), (1.0,)),)).to_dataframe()


def test_predicting_loads_nothing_that_trains(model: Path) -> None:
    code = (
        "import sys, numpy as np; from ferboost import Predictor; "
        f"Predictor({str(model)!r}).predict(np.zeros((2, 48, 48), dtype=np.uint8)); "
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"onnx", "pandas", "pydantic", "scipy", "sklearn", "torch", "xgboost"}
    assert not heavy & set(done.stdout.split())
    assert done.stderr == ""
