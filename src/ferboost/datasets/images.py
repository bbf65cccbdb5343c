"""Encoded images of any kind, as whole pictures or as faces of 48 x 48 gray pixels."""

import io
import logging
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.errors import ImageError

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_IMAGE_BYTES",
    "MAX_IMAGE_PIXELS",
    "decode_face",
    "decode_picture",
    "encode_png",
    "face_of_image",
    "picture_of_image",
    "read_face",
    "read_picture",
]

_Decoded = TypeVar("_Decoded")

#: File name endings that are read as images.
IMAGE_SUFFIXES = frozenset(
    {
        ".avif",
        ".bmp",
        ".gif",
        ".jfif",
        ".jpeg",
        ".jpg",
        ".pgm",
        ".png",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)

#: An encoded image larger than this is refused: no face needs it.
MAX_IMAGE_BYTES = 64 * 2**20

#: An image with more pixels than this is refused before it is decoded (a decompression bomb).
MAX_IMAGE_PIXELS = 64_000_000

# Pillow goes by the content, and would run Ghostscript on PostScript that is named .png.
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

# EXIF 2.3, tag 0x0112, and what brings each orientation upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_GRAY_MODES = ("1", "L", "LA")

# White in images of more than 8 bits: floats from 0 to 1, 8-bit values as floats, 16 and 32 bits.
_WHITE_POINTS = (1.0, 2.0**8 - 1, 2.0**16 - 1, 2.0**31 - 1)
_STRIP_PIXELS = 2**18


def decode_face(
    content: bytes, name: str, *, max_pixels: int = MAX_IMAGE_PIXELS
) -> tuple[NDArray[np.uint8], frozenset[str]]:
    """Decode an image and bring it to the form of FER-2013.

    The image is turned upright as its EXIF data says; colour becomes gray (ITU-R 601 luma),
    transparent parts white, 16 bits become 8; other sizes are cut to a centred square and resampled
    with antialiasing. Of several frames the first is taken.

    Parameters
    ----------
    content : bytes
        The encoded image: AVIF, BMP, GIF, JPEG, PNG, PPM, TIFF or WebP.
    name : str
        What the message of an error calls the image.
    max_pixels : int
        An image of more is refused before it is decoded.

    Returns
    -------
    face : ndarray of uint8, shape (48, 48)
    changes : frozenset of str
        What was done beyond decoding: ``"rotation"``, ``"colour"``, ``"transparency"``,
        ``"depth"``, ``"size"`` and ``"frames"``.

    Raises
    ------
    ImageError
        If the content is no image, is damaged, or is unreasonably large.
    """
    return _decode(content, name, _to_face, max_pixels)


def decode_picture(content: bytes, name: str, *, max_pixels: int = MAX_IMAGE_PIXELS) -> Image.Image:
    """Decode an image whole: upright, without transparency, 8 bits, of mode L or RGB.

    Parameters
    ----------
    content : bytes
        The encoded image, see `decode_face`.
    name : str
        What the message of an error calls the image.
    max_pixels : int
        An image of more is refused before it is decoded.

    Raises
    ------
    ImageError
        If the content is no image, is damaged, or is unreasonably large.
    """
    return _decode(content, name, _to_picture, max_pixels)


def read_face(path: Path) -> NDArray[np.uint8]:
    """Read an image file as `decode_face` does; return the face, uint8 of shape (48, 48).

    Raises
    ------
    ImageError
        If there is no such file, or it is no image that can be decoded.
    """
    return decode_face(_read(path), str(path))[0]


def read_picture(path: Path) -> Image.Image:
    """Read an image file whole, as `decode_picture` does.

    Raises
    ------
    ImageError
        If there is no such file, or it is no image that can be decoded.
    """
    return decode_picture(_read(path), str(path))


def face_of_image(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """Bring an image that Pillow holds to the form of FER-2013, as `decode_face` does.

    Raises
    ------
    ImageError
        If it cannot be decoded, or is unreasonably large.
    """
    return _convert(image, name, _to_face)[0]


def picture_of_image(image: Image.Image, name: str) -> Image.Image:
    """Bring an image that Pillow holds to the form of `decode_picture`.

    Raises
    ------
    ImageError
        If it cannot be decoded, or is unreasonably large.
    """
    return _convert(image, name, _to_picture)


def _read(path: Path) -> bytes:
    try:
        if path.is_dir() and not os.access(path, os.R_OK | os.X_OK):
            raise ImageError(f"the folder {path} cannot be listed; check its permissions")
        if path.exists() and not path.is_file():
            raise ImageError(f"{path} is a folder, a pipe or a device; expected an image file")
        with path.open("rb") as stream:
            return stream.read(MAX_IMAGE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"cannot read {path}: {reason}") from error


def _decode(
    content: bytes, name: str, convert: Callable[[Image.Image], _Decoded], max_pixels: int
) -> _Decoded:
    if not content:
        raise ImageError(f"{name} is an empty file, not an image; remove or replace it")
    if len(content) > MAX_IMAGE_BYTES:
        raise ImageError(f"{name} has {len(content):,} bytes; at most {MAX_IMAGE_BYTES:,} are read")
    try:
        with Image.open(io.BytesIO(content), formats=_available_formats()) as image:
            return _convert(image, name, convert, max_pixels)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not an image in a known format; remove or replace it"
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} decodes to too many pixels; remove it") from error
    except Exception as error:  # Pillow raises a dozen kinds on damaged bytes
        raise _damaged(name, error) from error


def _convert(
    image: Image.Image,
    name: str,
    convert: Callable[[Image.Image], _Decoded],
    max_pixels: int = MAX_IMAGE_PIXELS,
) -> _Decoded:
    _refuse_bomb(image, name, max_pixels)
    try:
        return convert(image)
    except Exception as error:  # Pillow raises a dozen kinds on damaged bytes
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> ImageError:
    if isinstance(error, MemoryError):
        return ImageError(f"{name} takes more memory to decode than there is; make it smaller")
    return ImageError(f"{name} is a damaged image ({error}); remove or replace it")


@cache
def _available_formats() -> tuple[str, ...]:
    # Of damaged images Pillow also logs what it raises, and Python would print that.
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _refuse_bomb(image: Image.Image, name: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            f"{name} is {width} x {height} pixels; at most {max_pixels:,} pixels are decoded"
        )


def _to_face(image: Image.Image) -> tuple[NDArray[np.uint8], frozenset[str]]:
    image.load()
    if image.mode == "L" and image.size == (IMAGE_SIZE, IMAGE_SIZE) and not image.info:
        return np.asarray(image), frozenset()  # no metadata to heed: 3 times as fast
    upright, changes = _to_upright(image)
    gray = upright.convert("L")
    if gray.size != (IMAGE_SIZE, IMAGE_SIZE):
        changes |= {"size"}
        gray = ImageOps.fit(gray, (IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)
    return np.asarray(gray), frozenset(changes)


def _to_picture(image: Image.Image) -> Image.Image:
    image.load()
    upright, _ = _to_upright(image)
    return upright.convert("L" if upright.mode in _GRAY_MODES else "RGB")


def _to_upright(image: Image.Image) -> tuple[Image.Image, set[str]]:
    """Return a loaded image upright, 8 bits, without transparency; and what was done."""
    changes = set()
    if getattr(image, "is_animated", False) and image.format != "MPO":
        changes.add("frames")
    turn = _UPRIGHT.get(_orientation(image))
    if turn is not None:
        changes.add("rotation")
        image = image.transpose(turn)
    if image.mode.startswith(("I", "F")):
        changes.add("depth")
        image = _to_8_bits(image)
    elif image.has_transparency_data:
        image, was_transparent = _on_white(image)
        changes |= {"transparency"} if was_transparent else set()
    if image.mode not in _GRAY_MODES:
        changes.add("colour")
    return image, changes


def _orientation(image: Image.Image) -> int:
    """Return what the picture's metadata say, 1 for upright where they are damaged."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - Pillow raises half a dozen kinds
        return 1


def _to_8_bits(image: Image.Image) -> Image.Image:
    top = -np.inf
    for _, values in _strips(image):
        if not np.isfinite(values).all():
            raise ValueError("some pixels are not numbers")
        top = max(top, float(values.max()))
    first = {"F": 0, "I": 1}.get(image.mode, 2)  # 16 bits may be dark, 32 bits are few at most
    candidates = _WHITE_POINTS[first:]
    white = next((candidate for candidate in candidates if top <= candidate), top)
    gray = np.empty((image.height, image.width), dtype=np.uint8)
    for rows, values in _strips(image):
        gray[rows] = (np.clip(values / white, 0, 1) * 255).round()
    return Image.fromarray(gray)


def _strips(image: Image.Image) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield some rows of an image after the other: all at once take up to 24 bytes a pixel."""
    height = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, height):
        bottom = min(top + height, image.height)
        strip = image.crop((0, top, image.width, bottom))
        yield slice(top, bottom), np.asarray(strip, dtype=np.float64)


def _on_white(image: Image.Image) -> tuple[Image.Image, bool]:
    """Return the image without transparency, and whether any pixel had some."""
    layers = image.convert("RGBA")
    ground = Image.new("RGBA", layers.size, "white")
    ground.alpha_composite(layers)
    darkest, _ = layers.getchannel("A").getextrema()
    mode = "L" if image.mode in _GRAY_MODES else "RGB"
    return ground.convert(mode), float(darkest) < 255  # type: ignore[arg-type]


def encode_png(face: NDArray[np.uint8]) -> bytes:
    """Encode a face, uint8 of shape (height, width), as PNG without loss."""
    buffer = io.BytesIO()
    Image.fromarray(face).save(buffer, format="png")
    return buffer.getvalue()
