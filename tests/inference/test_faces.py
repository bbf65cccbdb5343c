"""Faces are found in photos, and cut out as FER-2013's are."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ferboost.inference import BUNDLED_MODEL, Predictor
from ferboost.inference.centerface import CenterFace
from ferboost.inference.faces import Face, crop_face


@pytest.fixture(scope="module")
def detector() -> CenterFace:
    return CenterFace(threads=1)


@pytest.fixture(scope="module")
def astronaut() -> NDArray[np.uint8]:
    data = pytest.importorskip("skimage.data")
    picture: NDArray[np.uint8] = data.astronaut()
    return picture


def agreement(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_the_face_of_a_photo_is_found_with_its_eyes(
    detector: CenterFace, astronaut: NDArray[np.uint8]
) -> None:
    (face,) = detector.detect(astronaut)
    assert face.box == pytest.approx((178, 53, 272, 179), abs=12)
    assert face.eyes is not None
    assert np.array(face.eyes) == pytest.approx(np.array([[203, 102], [247, 104]]), abs=5)
    assert 0.5 < face.score <= 1


def test_the_bundled_model_sees_the_astronaut_smile(
    detector: CenterFace, astronaut: NDArray[np.uint8]
) -> None:
    (face,) = detector.detect(astronaut)
    crop = crop_face(Image.fromarray(astronaut), face)
    assert Predictor(BUNDLED_MODEL).predict(crop)[0].emotion == "happy"


def test_several_faces_of_different_sizes_are_found(
    detector: CenterFace, astronaut: NDArray[np.uint8]
) -> None:
    photo = Image.new("RGB", (1000, 600), "gray")
    photo.paste(Image.fromarray(astronaut), (0, 0))
    photo.paste(Image.fromarray(astronaut).resize((170, 170)), (700, 300))
    faces = detector.detect(np.asarray(photo))
    assert sorted(round(face.box[0], -1) for face in faces) == [180, 760]


def test_a_face_that_fills_a_large_picture_is_found(
    detector: CenterFace, astronaut: NDArray[np.uint8]
) -> None:
    head = Image.fromarray(astronaut).crop((165, 40, 285, 190)).resize((960, 1200))
    (face,) = detector.detect(np.asarray(head))
    assert face.box[2] - face.box[0] > 480


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (480, 640)], ids=str)
def test_where_no_face_is_none_is_found(detector: CenterFace, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert detector.detect(noise) == []


def test_a_tilted_face_is_turned_upright(
    detector: CenterFace, astronaut: NDArray[np.uint8]
) -> None:
    photo = Image.fromarray(astronaut)
    tilted = photo.rotate(20, Image.Resampling.BICUBIC, center=(225, 118))
    (upright,) = detector.detect(astronaut)
    (turned,) = detector.detect(np.asarray(tilted))
    expected = crop_face(photo, upright)
    assert agreement(crop_face(tilted, turned), expected) > 0.85
    assert agreement(crop_face(tilted, Face(turned.box, 1.0)), expected) < 0.75


def test_an_upright_crop_is_the_square_of_the_box() -> None:
    ramp = np.tile(np.arange(192, dtype=np.uint8), (192, 1))
    crop = crop_face(Image.fromarray(ramp), Face((48, 60, 144, 132), 1.0), side=1.0)
    assert crop.shape == (48, 48)
    assert crop.dtype == np.uint8
    np.testing.assert_allclose(crop.mean(axis=0), 48.5 + 2 * np.arange(48), atol=1.5)


def test_fine_detail_is_averaged_not_sampled() -> None:
    board = (np.indices((960, 960)).sum(axis=0) % 2 * 255).astype(np.uint8)
    crop = crop_face(Image.fromarray(board), Face((240, 240, 720, 720), 1.0))
    assert np.abs(crop.astype(int) - 127).max() <= 8


def test_what_lies_outside_of_the_picture_is_black() -> None:
    white = Image.new("RGB", (100, 100), "white")
    crop = crop_face(white, Face((50, 5, 140, 95), 1.0), side=1.0)
    assert crop[:, :20].min() > 250
    assert crop[:, 32:].max() < 5


def test_a_box_of_less_than_a_pixel_is_cut_out_all_the_same() -> None:
    crop = crop_face(Image.new("L", (9, 9), 200), Face((4.1, 4.1, 4.4, 4.4), 1.0))
    assert crop.shape == (48, 48)
