"""The model that comes with the package."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ferboost.datasets import FaceDataset
from ferboost.emotions import EMOTIONS
from ferboost.evaluation.model_files import evaluate_model_file
from ferboost.inference import BUNDLED_MODEL, Predictor
from ferboost.inference.photos import Photo, predict_photos


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor()


def test_it_is_small_and_knows_the_seven_emotions(predictor: Predictor) -> None:
    assert BUNDLED_MODEL.stat().st_size <= 12e6
    assert predictor.classes == EMOTIONS


def test_it_says_how_good_it_is_and_how_it_was_made(predictor: Predictor) -> None:
    info = predictor.info
    assert info.protocol == "clean"  # nothing was chosen on the test images
    assert info.variant == "output residual"  # a CNN, and trees that correct it
    assert info.metrics["n"] == 3589
    assert 0 < info.metrics["accuracy_clean"] <= info.metrics["accuracy"] < 1
    assert info.weight_loss["other_emotion"] <= 0.01 * info.weight_loss["faces"]
    assert info.sets is not None
    assert info.limits is not None


def test_a_smiling_astronaut_is_happy(predictor: Predictor) -> None:
    data = pytest.importorskip("skimage.data")
    photo: NDArray[np.uint8] = data.astronaut()
    face = Image.fromarray(photo[65:185, 165:285])
    (prediction,) = predictor.predict(face)
    assert (prediction.emotion, prediction.warning) == ("happy", None)


def test_a_dark_face_is_warned_of(predictor: Predictor) -> None:
    (prediction,) = predictor.predict(np.full((48, 48), 3, dtype=np.uint8))
    assert prediction.warning is not None
    assert "darker" in prediction.warning
    assert "flatter" in prediction.warning


def test_one_face_of_the_whole_photo_is_found_and_happy(predictor: Predictor) -> None:
    data = pytest.importorskip("skimage.data")
    (prediction,) = predictor.detect(Image.fromarray(data.astronaut()))
    assert prediction.emotion == "happy"
    assert prediction.face is not None


def test_pictures_of_public_test_score_what_evaluate_says(
    predictor: Predictor, fer2013: FaceDataset, tmp_path: Path
) -> None:
    test = fer2013.split("test")
    some = test.select(np.arange(len(test)) % 12 == 0)
    paths = [tmp_path / f"{number}.png" for number in range(len(some))]
    for path, face in zip(paths, some.images, strict=True):
        Image.fromarray(face).save(path)
    results = evaluate_model_file(predictor, some)
    said = []
    for photo in predict_photos(paths, predictor, predictor.detector):
        assert isinstance(photo, Photo)
        said.append(photo.predictions[0].emotion)
    right = np.array(said) == np.array(some.classes)[some.labels]
    np.testing.assert_array_equal(right, results.correct(predictor.info.variant)[0])
