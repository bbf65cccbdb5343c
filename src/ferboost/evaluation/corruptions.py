"""What happens to faces on the way to a model, at graded strength."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

__all__ = ["CORRUPTIONS", "Corruption"]

_Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Corruption:
    """One way in which a face gets worse.

    Attributes
    ----------
    name : str
        A word or two, lower case.
    unit : str
        What `strengths` counts.
    strengths : tuple of float
        From harmless to strong; the first changes nothing.
    apply : callable
        Given images uint8 (n, height, width), a strength and a random generator, returns the
        changed images, of the same shape and type.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    apply: Callable[[_Images, float, np.random.Generator], _Images]


def _blur(images: _Images, strength: float, _random: np.random.Generator) -> _Images:
    return _rounded(ndimage.gaussian_filter(images.astype(np.float32), (0, strength, strength)))


def _noise(images: _Images, strength: float, random: np.random.Generator) -> _Images:
    noise = random.standard_normal(images.shape, dtype=np.float32)
    return _rounded(images + strength * noise)


def _jpeg(images: _Images, strength: float, _random: np.random.Generator) -> _Images:
    if strength >= 100:
        return images
    found = np.empty_like(images)
    for index, image in enumerate(images):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=int(strength))
        with Image.open(stream) as decoded:
            found[index] = np.asarray(decoded.convert("L"))
    return found


def _brightness(images: _Images, strength: float, _random: np.random.Generator) -> _Images:
    return _rounded(images.astype(np.float32) + strength)


def _contrast(images: _Images, strength: float, _random: np.random.Generator) -> _Images:
    means = images.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    return _rounded(means + strength * (images - means))


def _rotation(images: _Images, strength: float, random: np.random.Generator) -> _Images:
    return _each_way(images, strength, random, lambda angle: (angle, 1.0, 0.0))


def _shift(images: _Images, strength: float, random: np.random.Generator) -> _Images:
    return _each_way(images, strength, random, lambda pixels: (0.0, 1.0, pixels))


def _scale(images: _Images, strength: float, _random: np.random.Generator) -> _Images:
    return np.stack([_moved(image, 0.0, strength, 0.0) for image in images])


def _resolution(images: _Images, strength: float, _random: np.random.Generator) -> _Images:
    height, width = images.shape[1:]
    side = int(strength)
    if side >= width:
        return images
    return np.stack([
        np.asarray(
            Image.fromarray(image)
            .resize((side, side), Image.Resampling.BOX)
            .resize((width, height), Image.Resampling.BILINEAR)
        )
        for image in images
    ])  # fmt: skip


def _occlusion(images: _Images, strength: float, random: np.random.Generator) -> _Images:
    height, width = images.shape[1:]
    rows, columns = (round(strength * length) for length in (height, width))
    found = images.copy()
    tops = random.integers(0, height - rows + 1, len(images))
    lefts = random.integers(0, width - columns + 1, len(images))
    for image, top, left in zip(found, tops, lefts, strict=True):
        image[top : top + rows, left : left + columns] = 128
    return found


def _each_way(
    images: _Images,
    strength: float,
    random: np.random.Generator,
    movement: Callable[[float], tuple[float, float, float]],
) -> _Images:
    signs = random.choice([-1.0, 1.0], len(images))
    changed = [
        _moved(image, *movement(sign * strength)) for image, sign in zip(images, signs, strict=True)
    ]
    return np.stack(changed)


def _moved(image: _Images, angle: float, scale: float, pixels: float) -> _Images:
    """Return `image` turned by degrees, enlarged and shifted sideways; borders are repeated."""
    if (angle, scale, pixels) == (0.0, 1.0, 0.0):
        return image
    turn = np.deg2rad(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / scale
    centre = (np.array(image.shape) - 1) / 2
    offset = centre - matrix @ (centre + np.array([0.0, pixels]))
    moved = ndimage.affine_transform(
        image.astype(np.float32), matrix, offset, order=1, mode="nearest"
    )
    return _rounded(moved)


def _rounded(values: NDArray[np.floating]) -> _Images:
    return np.asarray(np.rint(values).clip(0, 255), dtype=np.uint8)


#: Each begins with a strength that changes nothing.
CORRUPTIONS = (
    Corruption("blur", "standard deviation, pixels", (0, 0.5, 1, 1.5, 2, 3), _blur),
    Corruption("noise", "standard deviation, gray values", (0, 5, 10, 20, 30, 50), _noise),
    Corruption("JPEG", "quality", (100, 80, 50, 30, 15, 5), _jpeg),
    Corruption("darker", "gray values added", (0, -20, -40, -60, -80, -120), _brightness),
    Corruption("brighter", "gray values added", (0, 20, 40, 60, 80, 120), _brightness),
    Corruption("contrast", "factor", (1, 0.7, 0.5, 0.3, 0.2, 0.1), _contrast),
    Corruption("rotation", "degrees, either way", (0, 5, 10, 20, 30, 45), _rotation),
    Corruption("shift", "pixels of 48, sideways", (0, 1, 2, 4, 6, 10), _shift),
    Corruption("looser crop", "size of the face", (1, 0.9, 0.8, 0.7, 0.6, 0.5), _scale),
    Corruption("tighter crop", "size of the face", (1, 1.1, 1.2, 1.3, 1.5, 1.8), _scale),
    Corruption("resolution", "pixels a side", (48, 32, 24, 16, 12, 8), _resolution),
    Corruption(
        "occlusion", "side of a gray square / image's", (0, 0.2, 0.3, 0.4, 0.5, 0.6), _occlusion
    ),
)
