"""Encoded images of any kind to faces of 48 x 48 gray pixels."""

import io
import struct
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.errors import ImageError

__all__ = ["IMAGE_SUFFIXES", "MAX_IMAGE_BYTES", "MAX_IMAGE_PIXELS", "decode_face", "encode_png"]

#: File name endings that are read as images.
IMAGE_SUFFIXES = frozenset(
    ".avif .bmp .gif .jfif .jpeg .jpg .pgm .png .ppm .tif .tiff .webp".split()
)

#: An encoded image larger than this is refused: no face needs it.
MAX_IMAGE_BYTES = 64 * 2**20

#: An image with more pixels than this is refused before it is decoded (a decompression bomb).
MAX_IMAGE_PIXELS = 64_000_000


def decode_face(content: bytes, name: str) -> tuple[NDArray[np.uint8], frozenset[str]]:
    """Decode an image and bring it to the form of FER-2013.

    Colour becomes gray (ITU-R 601 luma), 16 bits become 8, other sizes are cut to a centred square
    and resampled with antialiasing.

    Parameters
    ----------
    content : bytes
        The encoded image in any format that Pillow reads.
    name : str
        What the message of an error calls the image.

    Returns
    -------
    face : ndarray of uint8, shape (48, 48)
    changes : frozenset of str
        What was done beyond decoding: ``"colour"``, ``"depth"`` and ``"size"``.

    Raises
    ------
    ImageError
        If the content is no image, is damaged, or is unreasonably large.
    """
    if not content:
        raise ImageError(f"{name} is an empty file, not an image; remove or replace it")
    if len(content) > MAX_IMAGE_BYTES:
        raise ImageError(f"{name} has {len(content):,} bytes; at most {MAX_IMAGE_BYTES:,} are read")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's size and metadata warnings; sizes: below
            with Image.open(io.BytesIO(content)) as image:
                width, height = image.size
                if width * height > MAX_IMAGE_PIXELS:
                    raise ImageError(
                        f"{name} is {width} x {height} pixels; at most {MAX_IMAGE_PIXELS:,} pixels "
                        "are decoded"
                    )
                if image.mode == "L" and image.size == (IMAGE_SIZE, IMAGE_SIZE):
                    return np.asarray(image), frozenset()
                return _convert(image)
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not an image in a known format; remove or replace it"
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} decodes to too many pixels; remove it") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError) as error:
        raise ImageError(f"{name} is a damaged image ({error}); remove or replace it") from error


def _convert(image: Image.Image) -> tuple[NDArray[np.uint8], frozenset[str]]:
    changes = set()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):
        changes.add("depth")
        values = np.asarray(upright, dtype=np.float64)
        top = 65535 if upright.mode.startswith("I") else max(values.max(), 1.0)
        upright = Image.fromarray((np.clip(values / top, 0, 1) * 255).round().astype(np.uint8))
    elif upright.mode not in ("L", "1"):
        changes.add("colour")
        if upright.mode in ("LA", "PA", "RGBA") or "transparency" in upright.info:
            rgba = upright.convert("RGBA")
            upright = Image.new("RGBA", rgba.size, "white")
            upright.alpha_composite(rgba)
    gray = upright.convert("L")
    if gray.size != (IMAGE_SIZE, IMAGE_SIZE):
        changes.add("size")
        gray = ImageOps.fit(gray, (IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)
    return np.asarray(gray), frozenset(changes)


def encode_png(face: NDArray[np.uint8]) -> bytes:
    """Encode a face, uint8 of shape (height, width), as PNG without loss."""
    buffer = io.BytesIO()
    Image.fromarray(face).save(buffer, format="png")
    return buffer.getvalue()
