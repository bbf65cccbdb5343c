"""From encoded pictures to predictions: decoding and finding in threads, predicting in batches."""

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ferboost.datasets.images import decode_picture, face_of_image
from ferboost.errors import ImageError
from ferboost.inference import Face, Predictions, Predictor
from ferboost.inference.faces import crop_face
from ferboost.inference.photos import LARGEST_FACE_PICTURE, Search
from ferboost.serving.batching import Batcher
from ferboost.serving.limits import Limits
from ferboost.serving.metrics import Metrics

__all__ = ["Engine", "FoundFaces", "PredictedPicture"]

_NAME = "the picture"
# After so long, a request makes room for others before its next picture.
_SECONDS_IN_TURN = 0.02


@dataclass(frozen=True)
class FoundFaces:
    """What is known of a picture before its faces are predicted.

    Attributes
    ----------
    size : tuple of int
        Width and height of the upright picture, in pixels.
    count : int
        Faces found, also those left out for being too many.
    faces : tuple of Face or None
        From left to right; None for one that fills the picture.
    crops : tuple of ndarray of uint8, shape (48, 48)
    warnings : tuple of str or None
        In what each lies outside of what was trained.
    """

    size: tuple[int, int]
    count: int
    faces: tuple[Face | None, ...]
    crops: tuple[NDArray[np.uint8], ...]
    warnings: tuple[str | None, ...]


@dataclass(frozen=True)
class PredictedPicture:
    """What is said of one picture.

    Attributes
    ----------
    found : FoundFaces or ImageError
        The latter where it could not be read.
    predictions : Predictions
        Of the faces.
    """

    found: FoundFaces | ImageError
    predictions: Predictions


@dataclass
class _Job:
    pictures: deque[bytes]
    how: Search
    loop: asyncio.AbstractEventLoop
    shares: "asyncio.Future[NDArray[np.float32]]"
    found: list[FoundFaces | ImageError] = field(default_factory=list)

    def settle(self, outcome: NDArray[np.float32] | BaseException) -> None:
        """Wake whoever waits, from any thread."""
        with contextlib.suppress(RuntimeError):  # nobody waits: the server was stopped
            self.loop.call_soon_threadsafe(self._settle, outcome)

    def _settle(self, outcome: NDArray[np.float32] | BaseException) -> None:
        if self.shares.done():  # cancelled
            return
        if isinstance(outcome, BaseException):
            self.shares.set_exception(outcome)
        else:
            self.shares.set_result(outcome)


class Engine:
    """Answers requests; see `Batcher` for how those of several clients share the model.

    Parameters
    ----------
    predictor : Predictor
    limits : Limits
    metrics : Metrics
    workers : int, optional
        Threads that decode pictures and find faces; as many as there are cores where it is not
        given.
    """

    def __init__(
        self,
        predictor: Predictor,
        limits: Limits,
        metrics: Metrics,
        *,
        workers: int | None = None,
    ) -> None:
        self.predictor = predictor
        self._limits = limits
        self._pool = ThreadPoolExecutor(workers or os.cpu_count(), "ferboost-pictures")
        self._batcher = Batcher(predictor.predict_proba, on_batch=metrics.batch_faces.observe)

    @property
    def is_alive(self) -> bool:
        """Whether the thread that runs the model works."""
        return self._batcher.is_alive

    async def answer(self, pictures: Sequence[bytes], how: Search) -> list[PredictedPicture]:
        """Predict the faces of encoded pictures; give one answer for each.

        Cancelling it saves most of the work that is not done yet.
        """
        loop = asyncio.get_running_loop()
        job = _Job(deque(pictures), how, loop, loop.create_future())
        self._pool.submit(self._prepare, job)
        return self._answers(job.found, await job.shares)

    def warm_up(self) -> None:
        """Load what is loaded when it is first needed, so that no client waits for it."""
        self.predictor.detector.detect(np.zeros((480, 640, 3), dtype=np.uint8))
        self.predictor.predict_proba(np.zeros((1, 48, 48), dtype=np.uint8))

    def close(self) -> None:
        """Finish what was begun, and end the threads."""
        self._pool.shutdown()
        self._batcher.close()

    def _prepare(self, job: _Job) -> None:
        """Decode pictures and find their faces, some at a time; then bring all to the batcher."""
        turn_ends = time.monotonic() + _SECONDS_IN_TURN
        try:
            while job.pictures and not job.shares.done():
                job.found.append(self._find(job.pictures.popleft(), job.how))
                if job.pictures and time.monotonic() > turn_ends:
                    self._pool.submit(self._prepare, job)
                    return
            if not job.shares.done():
                self._predict(job)
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            job.settle(error)

    def _find(self, content: bytes, how: Search) -> FoundFaces | ImageError:
        try:
            picture = decode_picture(content, _NAME, max_pixels=self._limits.pixels)
            is_face = how == "auto" and max(picture.size) <= LARGEST_FACE_PICTURE
            if is_face or how == "whole":
                crop = face_of_image(picture, _NAME)
                return self._found(picture.size, 1, (None,), (crop,))
            found = self.predictor.detector.detect(np.asarray(picture.convert("RGB")))
            faces = sorted(found[: self._limits.faces], key=lambda face: face.box)
            crops = tuple(crop_face(picture, face) for face in faces)
        except ImageError as error:
            return error
        return self._found(picture.size, len(found), tuple(faces), crops)

    def _found(
        self,
        size: tuple[int, int],
        count: int,
        faces: tuple[Face | None, ...],
        crops: tuple[NDArray[np.uint8], ...],
    ) -> FoundFaces:
        warnings = self.predictor.warn(np.stack(crops)) if crops else ()
        return FoundFaces(size, count, faces, crops, warnings)

    def _predict(self, job: _Job) -> None:
        crops = [c for found in job.found if isinstance(found, FoundFaces) for c in found.crops]
        if not crops:
            job.settle(np.empty((0, len(self.predictor.classes)), dtype=np.float32))
            return

        def pass_on(future: "Future[NDArray[np.float32]]") -> None:
            job.settle(future.exception() or future.result())

        self._batcher.submit(np.stack(crops)).add_done_callback(pass_on)

    def _answers(
        self, found: list[FoundFaces | ImageError], shares: NDArray[np.float32]
    ) -> list[PredictedPicture]:
        answers, start = [], 0
        for picture in found:
            if isinstance(picture, ImageError):
                answers.append(PredictedPicture(picture, Predictions(())))
                continue
            end = start + len(picture.faces)
            predictions = Predictions.of(
                self.predictor.classes,
                shares[start:end],
                [None] * len(picture.faces),
                picture.faces,
                picture.warnings,
            )
            answers.append(PredictedPicture(picture, predictions))
            start = end
        return answers
