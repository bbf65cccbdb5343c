"""Photos by the thousand: in order, in batches, in constant memory."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ferboost.inference import Face, Predictions, Predictor
from ferboost.inference.photos import (
    LARGEST_FACE_PICTURE,
    Photo,
    Search,
    Unreadable,
    predict_photos,
)

BOX = Face((2.0, 2.0, 20.0, 20.0), 0.9)


class Brightness:
    """Tells dark faces from bright ones."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def predict_crops(
        self,
        crops: Sequence[NDArray[np.uint8]],
        sources: Sequence[str | None],
        faces: Sequence[Face | None] | None = None,
    ) -> Predictions:
        self.batches.append(len(crops))
        bright = np.array([crop.mean() / 255 for crop in crops], dtype=np.float32)
        shares = np.stack([1 - bright, bright], axis=1)
        return Predictions.of(("dark", "bright"), shares, sources, faces)


class Everywhere:
    """Finds as many faces as a picture is hundreds of pixels wide."""

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        return [Face((x, 0.0, x + 50.0, 50.0), 0.9) for x in range(0, image.shape[1] - 99, 100)]


def picture(path: Path, value: int, size: tuple[int, int] = (48, 48)) -> Path:
    Image.new("L", size, value).save(path)
    return path


def results(
    paths: Sequence[Path], search: Search = "auto", *, keep_images: bool = False
) -> list[Photo | Unreadable]:
    found = predict_photos(
        paths, Brightness(), Everywhere(), search=search, keep_images=keep_images, workers=2
    )
    return list(found)


def test_results_come_in_order_and_what_cannot_be_read_does_not_stop_the_others(
    tmp_path: Path,
) -> None:
    paths = [picture(tmp_path / f"{n}.png", 250 * (n % 2)) for n in range(40)]
    paths[7].write_bytes(b"damaged")
    found = results(paths)
    assert [result.path for result in found] == paths
    assert [n for n, result in enumerate(found) if isinstance(result, Unreadable)] == [7]
    emotions = [r.predictions[0].emotion for r in found if isinstance(r, Photo)]
    assert emotions == [("dark", "bright")[n % 2] for n in range(40) if n != 7]


class Huge:
    """Finds a face that is larger than any picture may be."""

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        return [Face((0.0, 0.0, 20_000.0, 20_000.0), 0.9)] if image.shape[1] > 100 else []


def test_a_face_that_is_too_large_does_not_stop_the_others(tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"{n}.png", 9, size=(100 + 20 * n, 100)) for n in range(2)]
    found = list(predict_photos(paths, Brightness(), Huge(), workers=2))
    assert isinstance(found[0], Photo)
    assert isinstance(found[1], Unreadable)
    assert str(found[1].error).startswith(f"{paths[1]}: a face of ")


@pytest.mark.parametrize(
    ("search", "side", "found"),
    [
        ("auto", LARGEST_FACE_PICTURE, "whole"),
        ("auto", LARGEST_FACE_PICTURE + 4, "face"),
        ("auto", LARGEST_FACE_PICTURE + 1, "none"),
        ("detect", 48, "none"),
        ("detect", 300, "face"),
        ("whole", 300, "whole"),
    ],
)
def test_small_pictures_are_taken_as_faces_and_others_searched(
    tmp_path: Path, search: Search, side: int, found: str
) -> None:
    (result,) = results([picture(tmp_path / "a.png", 9, (side, side))], search)
    assert isinstance(result, Photo)
    assert result.found == found
    assert all((p.face is None) == (found == "whole") for p in result.predictions)


def test_every_face_goes_to_its_picture(tmp_path: Path) -> None:
    widths = (300, 120, 97, 500)
    paths = [picture(tmp_path / f"{w}.png", 9, (w, 60)) for w in widths]
    found = results(paths)
    assert [len(r.predictions) for r in found if isinstance(r, Photo)] == [3, 1, 0, 5]
    for result in found:
        assert isinstance(result, Photo)
        assert {p.source for p in result.predictions} <= {str(result.path)}
        assert result.size == (int(result.path.stem), 60)


def test_pictures_are_kept_where_asked(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 9, (120, 60))
    for keep in (True, False):
        (result,) = results([path], keep_images=keep)
        assert isinstance(result, Photo)
        assert (result.image is not None) == keep


def test_an_endless_list_is_read_as_far_as_it_is_asked_for(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 9)
    read = itertools.count()

    def paths() -> Iterator[Path]:
        while True:
            next(read)
            yield path

    classifier = Brightness()
    found = predict_photos(paths(), classifier, Everywhere(), workers=2)
    assert len(list(itertools.islice(found, 500))) == 500
    found.close()  # type: ignore[attr-defined]
    assert max(classifier.batches) <= 64
    assert next(read) <= 500 + 64 + 2 * 2 + 1


def test_a_photo_gives_what_the_predictor_gives(tmp_path: Path) -> None:
    data = pytest.importorskip("skimage.data")
    predictor = Predictor(threads=1)
    Image.fromarray(data.astronaut()).save(tmp_path / "photo.png")
    picture(tmp_path / "face.png", 120)
    photo, face = predict_photos(
        [tmp_path / "photo.png", tmp_path / "face.png"], predictor, predictor.detector
    )
    assert isinstance(photo, Photo)
    assert isinstance(face, Photo)
    (expected,) = predictor.detect(tmp_path / "photo.png")
    assert photo.predictions[0].face == expected.face
    np.testing.assert_allclose(photo.predictions[0].shares, expected.shares, atol=1e-6)
    (alone,) = predictor.predict(tmp_path / "face.png")
    np.testing.assert_allclose(face.predictions[0].shares, alone.shares, atol=1e-6)
