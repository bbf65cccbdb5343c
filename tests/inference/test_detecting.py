"""Every face of a photo, and what a model says of it."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from ferboost.errors import ImageError, SettingsError
from ferboost.inference import Face, Prediction, Predictions, Predictor

#: Two faces of 20 pixels, one in each half of a photo.
LEFT, RIGHT = (
    Face((10.0, 10.0, 30.0, 30.0), 0.6),
    Face((60.0, 12.0, 80.0, 32.0), 0.9, eyes=((65.0, 18.0), (75.0, 18.0))),
)


class Recording:
    """A detector that finds what it is told, and keeps what it was shown."""

    def __init__(self, *faces: Face) -> None:
        self.faces = faces
        self.shown: list[NDArray[np.uint8]] = []

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        self.shown.append(image)
        return list(self.faces)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(threads=1)


@pytest.fixture(scope="module")
def astronaut() -> NDArray[np.uint8]:
    data = pytest.importorskip("skimage.data")
    picture: NDArray[np.uint8] = data.astronaut()
    return picture


def photo(mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (50, 100, 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def png(image: Image.Image, **how: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png", **how)
    return buffer.getvalue()


def test_the_astronaut_smiles(predictor: Predictor, astronaut: NDArray[np.uint8]) -> None:
    (prediction,) = predictor.detect(astronaut)
    assert prediction.emotion == "happy"
    assert prediction.face is not None
    assert prediction.face.box == pytest.approx((178, 53, 272, 179), abs=12)
    assert prediction.source is None


def test_where_there_is_no_face_there_is_no_prediction(predictor: Predictor) -> None:
    assert predictor.detect(np.full((300, 400, 3), 128, dtype=np.uint8)) == Predictions(())


def test_faces_come_from_left_to_right_with_their_places(tmp_path: Path) -> None:
    photo().save(tmp_path / "photo.png")
    predictions = Predictor(detector=Recording(RIGHT, LEFT)).detect(tmp_path / "photo.png")
    assert [prediction.face for prediction in predictions] == [LEFT, RIGHT]
    assert {prediction.source for prediction in predictions} == {str(tmp_path / "photo.png")}
    content = predictions.to_dict()[1]["face"]
    assert content == {"box": [60, 12, 80, 32], "score": 0.9, "eyes": [[65, 18], [75, 18]]}


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_a_detector_is_shown_rgb_whatever_the_picture_is(mode: str) -> None:
    detector = Recording(LEFT)
    image = photo("L").convert(mode)
    if mode in {"F", "I;16"}:
        image = Image.fromarray(np.zeros((50, 100), np.float32 if mode == "F" else np.uint16))
    assert len(Predictor(detector=detector).detect(image)) == 1
    (shown,) = detector.shown
    assert shown.shape == (50, 100, 3)
    assert shown.dtype == np.uint8


def test_places_are_those_of_the_upright_photo() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    detector = Recording()
    Predictor(detector=detector).detect(png(photo(), exif=exif))
    assert np.array_equal(detector.shown[0], np.rot90(np.asarray(photo()), -1))


def test_what_is_no_picture_is_refused(predictor: Predictor) -> None:
    for found in (b"no picture", Path("missing.png"), np.zeros(3), 7):
        with pytest.raises(ImageError):
            predictor.detect(found)  # type: ignore[arg-type]


def test_the_detector_is_loaded_when_it_is_needed_and_once() -> None:
    predictor = Predictor(threads=1)
    predictor.predict(photo())
    assert predictor._detector is None
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: predictor.detector, range(4)))
    assert all(detector is found[0] for detector in found)


def test_of_the_candidates_one_is_the_true_one_as_often_as_asked() -> None:
    shares = np.array([[0.97, 0.02, 0.01], [0.5, 0.2, 0.3]], dtype=np.float32)
    sets = Predictor().info.sets
    assert sets is not None
    predictions = Predictions.of(("a", "b", "c"), shares, [None, None])
    sure, unsure = predictions.with_candidates(sets, 0.9)
    assert (sure.candidates, sure.is_sure) == (("a",), True)
    assert (unsure.candidates, unsure.is_sure) == (("a", "c", "b"), False)
    assert predictions[0].is_sure is None
    assert unsure.to_dict()["candidates"] == ["a", "c", "b"]
    assert "candidates" not in predictions[0].to_dict()


def test_a_larger_coverage_leaves_more_candidates() -> None:
    face = Image.new("L", (48, 48), 128)  # nobody tells what gray feels
    counts = [
        len(Predictor(coverage=coverage).predict(face)[0].candidates or ())
        for coverage in (0.5, 0.8, 0.95, 0.99)
    ]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_the_candidates_stand_in_the_table() -> None:
    pytest.importorskip("pandas")
    item = Prediction(None, ("a", "b"), (0.6, 0.4), RIGHT, ("a", "b"))
    table = Predictions((item,)).to_dataframe()
    assert table.loc[0, "candidates"] == "a b"
    assert table.loc[0, "right"] == 80


@pytest.mark.parametrize("coverage", [0, -1, 1, 0.999, float("nan")])
def test_a_coverage_that_cannot_be_is_refused_at_once(coverage: float) -> None:
    with pytest.raises(SettingsError, match="a coverage lies between 0 and 0.99"):
        Predictor(coverage=coverage)
