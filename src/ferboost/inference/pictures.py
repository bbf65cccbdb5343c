"""Pictures of any kind, whole or as faces of 48 x 48 gray pixels."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.datasets.images import (
    decode_face,
    decode_picture,
    face_of_image,
    picture_of_image,
    read_face,
    read_picture,
)
from ferboost.errors import FerboostError, ImageError
from ferboost.progress import Tell

__all__ = [
    "Picture",
    "as_pictures",
    "read_faces",
    "source_of",
    "to_face",
    "to_picture",
]

#: A path, an encoded image, an image of Pillow, or an array of gray or RGB(A) values.
Picture = str | Path | bytes | Image.Image | NDArray[np.generic]

_COLOUR_CHANNELS = (3, 4)


def as_pictures(pictures: Picture | Iterable[Picture]) -> Sequence[Picture]:
    """Return a sequence of pictures, whether one or several were given.

    An array is several if it has a dimension more than one picture: (n, height, width) or
    (n, height, width, 3 or 4).
    """
    if isinstance(pictures, np.ndarray):
        is_colour = pictures.ndim >= 3 and pictures.shape[-1] in _COLOUR_CHANNELS
        return list(pictures) if pictures.ndim == 3 + is_colour else [pictures]
    if isinstance(pictures, str | Path | bytes | Image.Image):
        return [pictures]
    return list(pictures)


def source_of(picture: Picture) -> str | None:
    """Return the path of a picture that is a file, else None."""
    return str(picture) if isinstance(picture, str | Path) else None


def to_face(picture: Picture, position: int) -> NDArray[np.uint8]:
    """Return a picture as a face, uint8 of shape (48, 48).

    Parameters
    ----------
    picture : Picture
    position : int
        Of the picture among others, for the message of an error.

    Raises
    ------
    ImageError
        If it cannot be read, or is nothing that a picture can be.
    """
    name = f"picture {position}"
    if isinstance(picture, str | Path):
        return read_face(Path(picture))
    if isinstance(picture, bytes):
        return decode_face(picture, name)[0]
    if isinstance(picture, Image.Image):
        return face_of_image(picture, name)
    if isinstance(picture, np.ndarray):
        values = _whole_values(picture, name)
        if values.shape == (IMAGE_SIZE, IMAGE_SIZE):
            return values
        return face_of_image(Image.fromarray(values), name)
    raise _no_picture(picture, name)


def to_picture(picture: Picture) -> Image.Image:
    """Return a picture whole and upright, of mode L or RGB.

    Raises
    ------
    ImageError
        If it cannot be read, or is nothing that a picture can be.
    """
    name = "the picture"
    if isinstance(picture, str | Path):
        return read_picture(Path(picture))
    if isinstance(picture, bytes):
        return decode_picture(picture, name)
    if isinstance(picture, Image.Image):
        return picture_of_image(picture, name)
    if isinstance(picture, np.ndarray):
        return picture_of_image(Image.fromarray(_whole_values(picture, name)), name)
    raise _no_picture(picture, name)


def _no_picture(found: object, name: str) -> ImageError:
    return ImageError(
        f"{name} is of type {type(found).__name__}; expected a path, bytes, an image of Pillow "
        "or an array"
    )


def _whole_values(array: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    is_colour = array.ndim == 3 and array.shape[-1] in _COLOUR_CHANNELS
    if not (array.ndim == 2 or is_colour) or array.size == 0:
        raise ImageError(
            f"{name} is an array of shape {array.shape}; expected (height, width) or "
            "(height, width, 3 or 4)"
        )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array, dtype=np.uint8)
    is_number = np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)
    if not is_number or not np.array_equal(array, np.clip(np.floor(array), 0, 255)):
        raise ImageError(
            f"{name} is an array of {array.dtype} with other values than whole numbers from 0 to "
            "255; scale it"
        )
    return np.ascontiguousarray(array).astype(np.uint8)


def read_faces(
    paths: Sequence[Path], on_progress: Tell | None = None
) -> tuple[list[NDArray[np.uint8]], list[str], list[FerboostError]]:
    """Read picture files that a face fills, and go on where one cannot be read.

    Parameters
    ----------
    paths : sequence of Path
    on_progress : callable, optional
        Called with (done, total, "") after every file.

    Returns
    -------
    faces : list of ndarray of uint8, shape (48, 48)
    names : list of str
        The path of each.
    failures : list of FerboostError
        One for each file that cannot be read.
    """
    faces, names = [], []
    failures: list[FerboostError] = []
    for done, path in enumerate(paths, start=1):
        try:
            faces.append(read_face(path))
            names.append(str(path))
        except ImageError as error:
            failures.append(error)
        if on_progress is not None:
            on_progress(done, len(paths), "")
    return faces, names, failures
