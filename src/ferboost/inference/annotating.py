"""Pictures with a frame around every face, and the emotion beside it."""

import io
import math
from collections.abc import Sequence
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from ferboost.inference.predictions import Prediction

__all__ = ["annotate", "caption", "colour_of", "encode"]

# Hues that people with a red or green weakness tell apart (Okabe and Ito, 2008), one for each
# class in its order; more classes begin again.
_COLOURS = ("#d55e00", "#009e73", "#cc79a7", "#f0e442", "#0072b2", "#e69f00", "#e8e8e8")
_INK = "#101010"
# A picture whose longer side is shorter is enlarged to it: a caption would not fit.
_LEAST_SIDE = 320
# Height of the letters: of the face, but within these shares of the picture's longer side.
_OF_FACE, _LEAST, _MOST = 0.16, 0.022, 0.05
_LEAST_LETTERS = 12
# Height of the strip below a picture that a face fills, as a share of its longer side.
_STRIP = 0.12


def caption(prediction: Prediction) -> str:
    """Say in a few words what a model says of a face."""
    if prediction.is_sure is False:
        names = prediction.candidates or ()
        return "not sure" + (f": {' or '.join(names)}" if 0 < len(names) <= 2 else "")
    return f"{prediction.emotion} {prediction.probability:.0%}"


def colour_of(number: int) -> str:
    """Return the colour of a class by its place among the classes, as ``#rrggbb``."""
    return _COLOURS[number % len(_COLOURS)]


def annotate(image: Image.Image, predictions: Sequence[Prediction]) -> Image.Image:
    """Draw frames and captions on a copy of a picture, enlarged where it is small.

    Parameters
    ----------
    image : PIL.Image.Image
        Upright, of mode L or RGB.
    predictions : sequence of Prediction
        Of its faces; one without a place is of the whole picture, with a strip below it.

    Returns
    -------
    PIL.Image.Image
        Of mode RGB.
    """
    scale = max(1.0, _LEAST_SIDE / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    drawn = image.convert("RGB")
    if size != image.size:
        drawn = drawn.resize(size, Image.Resampling.BICUBIC)
    if any(prediction.face is None for prediction in predictions):
        drawn = _with_strip(drawn)
    # The largest first, so that the captions of the others are over it.
    for prediction in sorted(predictions, key=_height, reverse=True):
        _draw(drawn, prediction, scale)
    return drawn


def encode(image: Image.Image, suffix: str) -> bytes:
    """Encode a picture as JPEG, or as PNG where the suffix is ``.png``."""
    buffer = io.BytesIO()
    if suffix.lower() == ".png":
        image.save(buffer, "png")
    else:
        image.save(buffer, "jpeg", quality=90)
    return buffer.getvalue()


def _height(prediction: Prediction) -> float:
    face = prediction.face
    return math.inf if face is None else face.box[3] - face.box[1]


def _with_strip(image: Image.Image) -> Image.Image:
    """Make room below a picture that a face fills, so that its caption does not cover it."""
    taller = Image.new("RGB", (image.width, image.height + round(_STRIP * max(image.size))), _INK)
    taller.paste(image)
    return taller


def _draw(drawn: Image.Image, prediction: Prediction, scale: float) -> None:
    canvas = ImageDraw.Draw(drawn)
    longest = max(drawn.size)
    colour = colour_of(prediction.classes.index(prediction.emotion))
    text = caption(prediction)
    if prediction.face is None:
        strip = round(_STRIP * longest / (1 + _STRIP))
        font, width = _fitting_font(text, strip * 0.7, drawn.width)
        place = ((drawn.width - width) / 2, drawn.height - strip / 2)
        canvas.text(place, text, fill=colour, font=font, anchor="lm")
        return
    left, top, right, bottom = (edge * scale for edge in prediction.face.box)
    height = min(max(_OF_FACE * (bottom - top), _LEAST * longest, _LEAST_LETTERS), _MOST * longest)
    line = max(2, round(height / 8))
    rim = max(1, line // 2)
    frame = (left - line, top - line, right + line, bottom + line)
    outer = (frame[0] - rim, frame[1] - rim, frame[2] + rim, frame[3] + rim)
    canvas.rectangle(outer, outline=_INK, width=line + 2 * rim)
    canvas.rectangle(frame, outline=colour, width=line)
    font, width = _fitting_font(text, height, drawn.width)
    pad = font.size / 4
    size = (width + 2 * pad, font.size * 1.25 + pad)
    x, y = _caption_place(drawn.size, frame, size)
    canvas.rectangle((x, y, x + size[0], y + size[1]), fill=colour, outline=_INK)
    canvas.text((x + pad, y + size[1] / 2), text, fill=_ink_on(colour), font=font, anchor="lm")


def _caption_place(
    picture: tuple[int, int], frame: tuple[float, float, float, float], size: tuple[float, float]
) -> tuple[float, float]:
    """Return the upper left corner of a caption: below the face, above it, or else within."""
    x = min(max(0.0, frame[0]), max(0.0, picture[0] - size[0] - 1))
    if frame[3] + size[1] < picture[1]:
        return x, max(0.0, frame[3])
    if frame[1] - size[1] >= 0:
        return x, frame[1] - size[1]
    return x, max(0.0, picture[1] - size[1] - 1)


def _fitting_font(text: str, height: float, room: int) -> tuple[ImageFont.FreeTypeFont, float]:
    """Return a font of about a height with which a text has room, and the text's width."""
    font = _font(max(_LEAST_LETTERS, round(height)))
    while font.getlength(text) > room - font.size / 2 and font.size > _LEAST_LETTERS / 2:
        font = _font(round(font.size) - 1)
    return font, font.getlength(text)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType; install Pillow from PyPI")
    return font


def _ink_on(colour: str) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return _INK if 0.3 * red + 0.59 * green + 0.11 * blue > 110 else "#ffffff"
