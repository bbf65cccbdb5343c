"""Photos and films with known faces, made from one portrait, for the benchmarks to look at.

The portrait is NASA's of Eileen Collins, in the public domain, which comes with scikit-image.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

__all__ = ["Box", "Scene", "draw_scene", "faces_hit", "write_film", "write_photos"]

#: Left, top, right and bottom edge, in pixels.
Box = tuple[float, float, float, float]

_TICKS = 90_000
# Seconds in which everyone in a film is back where they were.
_ROUND = 10
# Head and shoulders in the portrait, and the face in it; pixels of the portrait.
_BUST = (100, 0, 356, 256)
_FACE = (178, 62, 270, 184)


@dataclass(frozen=True)
class Scene:
    """A picture of mode RGB and the boxes of the faces in it."""

    image: Image.Image
    faces: tuple[Box, ...]


def draw_scene(
    size: tuple[int, int], busts: Sequence[tuple[float, float, float]], variant: int = 0
) -> Scene:
    """Draw a picture with people in it.

    Parameters
    ----------
    size : tuple of int
        Width and height.
    busts : sequence of (x, y, side)
        Upper left corner and side of each head with its shoulders, in pixels. The face has 0.36
        by 0.48 of the side.
    variant : int
        Decides background, brightness, and who is mirrored.
    """
    image = _background(size, variant)
    faces = []
    for number, (x, y, side) in enumerate(busts):
        bust = _bust()
        left, top, right, bottom = (value - _BUST[place % 2] for place, value in enumerate(_FACE))
        if (variant + number) % 2:
            bust = bust.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            left, right = bust.width - right, bust.width - left
        bust = ImageEnhance.Brightness(bust).enhance(0.8 + 0.1 * ((variant + number) % 5))
        scale = side / bust.width
        placed = bust.resize((round(side), round(side)), Image.Resampling.LANCZOS)
        image.paste(placed, (round(x), round(y)), _soft_edge(placed.size))
        faces.append((x + left * scale, y + top * scale, x + right * scale, y + bottom * scale))
    return Scene(image, tuple(faces))


def write_photos(folder: Path, count: int) -> list[tuple[Path, tuple[Box, ...]]]:
    """Write photos of 1280 x 960 with one to four faces of 65 to 150 pixels, as JPEG."""
    written = []
    for number in range(count):
        people = 1 + number % 4
        busts = [
            (
                20 + 315 * place + 12 * math.sin(number + place),
                120 + 200 * ((number + place) % 3) + 15 * math.cos(number * place),
                180 + 40 * ((number + 2 * place) % 4),
            )
            for place in range(people)
        ]
        scene = draw_scene((1280, 960), busts, number)
        path = folder / f"photo-{number:03}.jpg"
        scene.image.save(path, quality=92)
        written.append((path, scene.faces))
    return written


def write_film(
    path: Path,
    frames: int,
    *,
    size: tuple[int, int] = (1920, 1080),
    rate: int = 30,
    portraits: Sequence[Image.Image] = (),
) -> None:
    """Write a film of two faces that walk in circles, H.264, `rate` frames a second.

    Ten seconds are drawn, and repeated without being coded again: 10,000 frames take no longer to
    write than 300. With `portraits`, which are to be square, everyone's face becomes another one
    every second, within a fifth of it.
    """
    import av

    period = min(frames, _ROUND * rate)
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "21"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS)
        packets = []
        for number, image in enumerate(_walk(size, period, rate, portraits)):
            frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            frame.pts, frame.time_base = number * (_TICKS // rate), Fraction(1, _TICKS)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        coded = [(p.pts or 0, p.dts or 0, p.is_keyframe, bytes(p)) for p in packets]
        for number in range(frames):
            turn, place = divmod(number, period)
            pts, dts, is_key, content = coded[place]
            packet = av.Packet(content)
            shift = turn * period * (_TICKS // rate)
            packet.pts, packet.dts = pts + shift, dts + shift
            packet.time_base, packet.stream = Fraction(1, _TICKS), stream
            packet.is_keyframe = is_key
            film.mux(packet)


def faces_hit(true: Sequence[Box], found: Sequence[Box]) -> int:
    """Count the true faces whose centre lies in a found box, each box taken once."""
    left = list(found)
    hits = 0
    for box in true:
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        for other in left:
            if other[0] < x < other[2] and other[1] < y < other[3]:
                left.remove(other)
                hits += 1
                break
    return hits


def _walk(
    size: tuple[int, int], period: int, rate: int, portraits: Sequence[Image.Image]
) -> Iterator[Image.Image]:
    width, height = size
    empty = _background(size, 3)
    for number in range(period):
        angle = 2 * math.pi * number / (_ROUND * rate)
        image = empty.copy()
        for person, (x, y) in enumerate(((0.08, 0.2), (0.58, 0.3))):
            side = height * (0.42 + 0.06 * math.sin(2 * angle + person))
            bust = _bust().resize((round(side), round(side)))
            if portraits:
                face = _between(portraits[person::2], number / rate)
                bust = face.resize((round(side * 0.6), round(side * 0.6)), Image.Resampling.BICUBIC)
            elif person:
                bust = bust.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            corner = (
                round(width * (x + 0.06 * math.cos(angle + person))),
                round(height * (y + 0.1 * math.sin(angle + person))),
            )
            image.paste(bust, corner, _soft_edge(bust.size))
        yield image


def _between(portraits: Sequence[Image.Image], seconds: float) -> Image.Image:
    """Return the portrait of a moment, which becomes the next one in the last fifth of a second."""
    number, part = divmod(seconds, 1.0)
    one, other = (portraits[(int(number) + k) % len(portraits)].convert("RGB") for k in (0, 1))
    return Image.blend(one, other, max(0.0, part * 5 - 4))


@cache
def _bust() -> Image.Image:
    from skimage import data

    return Image.fromarray(data.astronaut()).crop(_BUST)  # type: ignore[no-untyped-call]


def _background(size: tuple[int, int], variant: int) -> Image.Image:
    """Return a room of gradients, furniture and noise: something for a detector to look at."""
    random = np.random.default_rng(variant)
    width, height = size
    small = random.integers(40, 200, (5, 7, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(25):
        x, y = random.uniform(0, width), random.uniform(0, height)
        w, h = random.uniform(20, width / 5, 2)
        colour = tuple(int(c) for c in random.integers(20, 220, 3))
        pen.rectangle((x, y, x + w, y + h), fill=colour, outline=(10, 10, 10))
    noise = random.normal(0, 4, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def _soft_edge(size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", (64, 64), 0)
    ImageDraw.Draw(mask).rounded_rectangle((3, 3, 60, 63), radius=18, fill=255)
    return mask.resize(size, Image.Resampling.BILINEAR)
