"""Frames and captions on pictures of any size."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ferboost.emotions import EMOTIONS
from ferboost.inference import Face, Prediction
from ferboost.inference.annotating import annotate, caption, encode

SHARES = (0.01, 0.01, 0.01, 0.92, 0.02, 0.02, 0.01)


def prediction(*box: float, candidates: tuple[str, ...] | None = None) -> Prediction:
    face = Face((box[0], box[1], box[2], box[3]), 0.9) if box else None
    return Prediction(None, EMOTIONS, SHARES, face, candidates)


def changed(image: Image.Image, drawn: Image.Image) -> NDArray[np.bool_]:
    before = np.asarray(image.convert("RGB").resize(drawn.size), dtype=int)
    return np.asarray(np.abs(np.asarray(drawn, dtype=int) - before).max(axis=2) > 40)


def test_a_caption_says_the_emotion_or_that_it_is_not_sure() -> None:
    assert caption(prediction()) == "happy 92%"
    assert caption(prediction(candidates=("happy",))) == "happy 92%"
    assert caption(prediction(candidates=("happy", "sad"))) == "not sure: happy or sad"
    assert caption(prediction(candidates=EMOTIONS)) == "not sure"


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_face_is_framed_and_not_covered(mode: str) -> None:
    photo = Image.new(mode, (800, 600), "gray")
    drawn = annotate(photo, [prediction(300, 200, 400, 320)])
    assert (drawn.mode, drawn.size) == ("RGB", (800, 600))
    touched = changed(photo, drawn)
    assert not touched[205:315, 305:395].any()
    assert touched[200:320, 294:300].any(axis=1).all()
    assert touched[322:360, 300:400].any()
    assert not touched[:190].any()


@pytest.mark.parametrize(
    "box", [(0, 0, 799, 599), (-50, 500, 60, 640), (700, -20, 850, 90), (5, 5, 7, 7)], ids=str
)
def test_the_caption_stays_in_the_picture(box: tuple[float, ...]) -> None:
    photo = Image.new("RGB", (800, 600), "gray")
    letters = np.asarray(annotate(photo, [prediction(*box)]))
    yellow = (letters[..., 0] > 200) & (letters[..., 1] > 200) & (letters[..., 2] < 100)
    assert yellow.sum() > 1000


@pytest.mark.parametrize("size", [(1, 1), (48, 48), (3, 900), (4000, 90)], ids=str)
def test_pictures_of_any_size_are_readable(size: tuple[int, int]) -> None:
    drawn = annotate(Image.new("L", size), [prediction(), prediction(0, 0, 1, 1)])
    assert max(drawn.size) >= 320


def test_a_picture_that_a_face_fills_gets_its_caption_below_it() -> None:
    face = Image.new("L", (48, 48), 128)
    drawn = annotate(face, [prediction()])
    assert drawn.width == 320
    assert drawn.height > 340
    assert (np.asarray(drawn)[:320] == 128).all()
    assert (np.asarray(drawn)[325:] > 200).any()


def test_what_is_drawn_can_be_read_again() -> None:
    drawn = annotate(Image.new("RGB", (400, 300)), [])
    for suffix, form in ((".png", "PNG"), (".JPG", "JPEG")):
        assert Image.open(io.BytesIO(encode(drawn, suffix))).format == form
