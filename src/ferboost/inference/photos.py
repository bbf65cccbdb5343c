"""Photos by the thousand: read and searched ahead, classified in batches, in constant memory."""

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ferboost.datasets.images import face_of_image, read_picture
from ferboost.errors import ImageError
from ferboost.inference.faces import Detector, Face, crop_face
from ferboost.inference.predictions import Prediction, Predictions

__all__ = [
    "LARGEST_FACE_PICTURE",
    "Classifier",
    "Found",
    "Photo",
    "Search",
    "Unreadable",
    "predict_photos",
]

#: How faces are come by: ``detect`` looks for them, ``whole`` takes every picture as one, and
#: ``auto`` does that with the pictures that are not larger than `LARGEST_FACE_PICTURE`.
Search = Literal["auto", "detect", "whole"]
#: What was done with a picture: a face was found in it, it was taken as one, or none was found.
Found = Literal["face", "whole", "none"]

#: Longest side, in pixels, of pictures that are taken as a face that fills them: twice the side of
#: FER-2013's images. In so small a photo of a scene, a face would have too few pixels to be read.
LARGEST_FACE_PICTURE = 96

_BATCH = 64
# A batch is not waited for longer than this, so that results and progress come as they are made.
_SECONDS_OF_BATCH = 0.5
# Pictures that are kept to be drawn on wait in memory, at most so many pixels.
_PIXELS_OF_BATCH = 32_000_000


class Classifier(Protocol):
    """Whatever tells emotions of faces."""

    def predict_crops(
        self,
        crops: Sequence[NDArray[np.uint8]],
        sources: Sequence[str | None],
        faces: Sequence[Face | None] | None = None,
    ) -> Predictions:
        """Return one prediction for each crop, uint8 of shape (48, 48)."""
        ...


@dataclass(frozen=True)
class Photo:
    """A picture that was read, and what a model says of the faces in it.

    Attributes
    ----------
    path : Path
    size : tuple of int
        Width and height, upright.
    found : {"face", "whole", "none"}
    predictions : tuple of Prediction
        From left to right.
    image : PIL.Image.Image or None
        Upright, where it was to be kept.
    """

    path: Path
    size: tuple[int, int]
    found: Found
    predictions: tuple[Prediction, ...]
    image: Image.Image | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Unreadable:
    """A picture that could not be read, and why."""

    path: Path
    error: ImageError


@dataclass(frozen=True)
class _Read:
    path: Path
    size: tuple[int, int]
    crops: tuple[NDArray[np.uint8], ...]
    faces: tuple[Face | None, ...]
    image: Image.Image | None


def predict_photos(
    paths: Iterable[Path],
    classifier: Classifier,
    detector: Detector,
    *,
    search: Search = "auto",
    keep_images: bool = False,
    workers: int | None = None,
) -> Iterator[Photo | Unreadable]:
    """Tell the emotions of the faces in pictures, in their order.

    Parameters
    ----------
    paths : iterable of Path
    classifier : Classifier
        Such as a `Predictor`.
    detector : Detector
        Is asked by several threads at once.
    search : {"auto", "detect", "whole"}
        How faces are come by.
    keep_images : bool
        Whether results hold the pictures.
    workers : int, optional
        Threads that read and search; as many as there are cores where it is not given.

    Yields
    ------
    Photo or Unreadable
        One for each path. A picture that cannot be read does not stop the others.
    """

    def read(path: Path) -> _Read | Unreadable:
        try:
            image = read_picture(path)
            return _search(path, image, detector, search, keep_image=keep_images)
        except ImageError as error:
            return Unreadable(path, error)

    count = workers or os.cpu_count() or 1
    pool = ThreadPoolExecutor(count)
    try:
        started = (pool.submit(read, path) for path in paths)
        for batch in _batches(_read_ahead(started, 2 * count)):
            yield from _classify(batch, classifier)
    finally:
        pool.shutdown(cancel_futures=True)


def _search(
    path: Path, image: Image.Image, detector: Detector, search: Search, *, keep_image: bool
) -> _Read:
    kept = image if keep_image else None
    is_face = search == "auto" and max(image.size) <= LARGEST_FACE_PICTURE
    if is_face or search == "whole":
        return _Read(path, image.size, (face_of_image(image, str(path)),), (None,), kept)
    found = detector.detect(np.asarray(image.convert("RGB")))
    faces = tuple(sorted(found, key=lambda face: face.box))
    try:
        crops = tuple(crop_face(image, face) for face in faces)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    return _Read(path, image.size, crops, faces, kept)


def _read_ahead(
    started: Iterator["Future[_Read | Unreadable]"], ahead: int
) -> Iterator[_Read | Unreadable]:
    """Yield results in their order, with a few more under way; what is started waits its turn."""
    pending: deque[Future[_Read | Unreadable]] = deque()
    for future in started:
        pending.append(future)
        if len(pending) > ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _batches(results: Iterator[_Read | Unreadable]) -> Iterator[list[_Read | Unreadable]]:
    batch: list[_Read | Unreadable] = []
    faces, pixels, begun = 0, 0, time.monotonic()
    for result in results:
        batch.append(result)
        if isinstance(result, _Read):
            faces += len(result.crops)
            pixels += 0 if result.image is None else result.image.width * result.image.height
        late = time.monotonic() - begun > _SECONDS_OF_BATCH
        if late or faces >= _BATCH or pixels >= _PIXELS_OF_BATCH:
            yield batch
            batch, faces, pixels, begun = [], 0, 0, time.monotonic()
    if batch:
        yield batch


def _classify(
    batch: Sequence[_Read | Unreadable], classifier: Classifier
) -> Iterator[Photo | Unreadable]:
    read = [result for result in batch if isinstance(result, _Read)]
    predictions = iter(
        classifier.predict_crops(
            [crop for result in read for crop in result.crops],
            [str(result.path) for result in read for _ in result.crops],
            [face for result in read for face in result.faces],
        )
    )
    for result in batch:
        if isinstance(result, Unreadable):
            yield result
            continue
        own = tuple(next(predictions) for _ in result.faces)
        found: Found = "none" if not own else "whole" if own[0].face is None else "face"
        yield Photo(result.path, result.size, found, own, result.image)
