"""Emotions in films: faces detected now and then, followed in between, calmer over time."""

import math
import queue
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ferboost.inference.faces import Detector, Face, crop_face
from ferboost.inference.photos import Classifier
from ferboost.inference.predictions import Prediction
from ferboost.inference.tracking import Smoother, Tracked, Tracker, between
from ferboost.inference.video import Frame

__all__ = [
    "DETECTION_SIDE",
    "LOOKS_A_SECOND",
    "Moment",
    "TrackedPrediction",
    "predict_film",
]

#: Longest side, in pixels, of the copy of a frame in which faces are looked for.
DETECTION_SIDE = 640

#: How often a second faces are looked for and their emotions read.
LOOKS_A_SECOND = 6.0

_SMOOTHING_SECONDS = 0.5
# Frames wait in memory for the next look, with 1.5 to 3 bytes a pixel, and up to six times so many.
_MOST_FRAMES, _MOST_PIXELS = 100, 60_000_000
# Times are rounded: 15 frames a second are an equal way from 2 and from 3 frames a look.
_ROUNDING = 1e-6

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class TrackedPrediction:
    """What a model says of a face at a moment.

    Attributes
    ----------
    track : int
        Which face of the film it is, from 1, in the order of their appearance.
    prediction : Prediction
        With smoothed probabilities.
    """

    track: int
    prediction: Prediction


@dataclass(frozen=True)
class Moment:
    """A frame, and what a model says of the faces in it.

    Attributes
    ----------
    frame : Frame
    faces : tuple of TrackedPrediction
        By their tracks.
    """

    frame: Frame
    faces: tuple[TrackedPrediction, ...]


@dataclass(frozen=True)
class _Stretch:
    """The frames from one detection up to the next, and what was detected in the first."""

    frames: tuple[Frame, ...]
    found: tuple[Tracked, ...]


def predict_film(
    frames: Iterable[Frame],
    classifier: Classifier,
    detector: Detector,
    *,
    smoothing: float = _SMOOTHING_SECONDS,
    looks: float = LOOKS_A_SECOND,
) -> Iterator[Moment]:
    """Tell the emotions of the faces in each frame of a film.

    Faces are detected, and their emotions read, a few times a second. In between, faces are where a
    straight line from one detection to the next has them, and their emotions stand. Seconds are
    those of the frames' times: the rate that a film declares can be a hundred times its own.

    Parameters
    ----------
    frames : iterable of Frame
        Is read in a thread of its own, and detection runs in another; both stay a few frames ahead.
    classifier : Classifier
    detector : Detector
        Is shown frames of at most `DETECTION_SIDE` pixels.
    smoothing : float
        Probabilities are averaged with those before, which count 1/e after so many seconds.
    looks : float
        How often a second that is; at most in every frame, at least once in 100 frames, and
        more often in films of so many pixels that the frames in between would fill the memory.

    Yields
    ------
    Moment
        One for each frame, in their order.
    """
    reader = _Reader(classifier, Smoother(smoothing))
    stretches = _Ahead(_detect(_Ahead(_cut(frames, 1 / looks)), detector, Tracker()))
    try:
        before: _Stretch | None = None
        for stretch in stretches:
            if before is not None:
                yield from reader.read(before, stretch)
            before = stretch
        if before is not None:
            yield from reader.read(before, None)
    finally:
        stretches.close()


def _cut(frames: Iterable[Frame], seconds: float) -> Generator[tuple[Frame, ...], None, None]:
    """Yield stretches that begin with the frames that are nearest to so many seconds apart."""
    stretch: list[Frame] = []
    for frame in frames:
        most = min(_MOST_FRAMES, max(1, _MOST_PIXELS // math.prod(frame.size)))
        if stretch and (_is_due(frame, stretch, seconds) or len(stretch) >= most):
            yield tuple(stretch)
            stretch = []
        stretch.append(frame)
    if stretch:
        yield tuple(stretch)


def _is_due(frame: Frame, stretch: Sequence[Frame], seconds: float) -> bool:
    half_a_frame = (frame.time - stretch[-1].time) / 2
    return frame.time + half_a_frame >= stretch[0].time + seconds - _ROUNDING


def _detect(
    stretches: "_Ahead[tuple[Frame, ...]]", detector: Detector, tracker: Tracker
) -> Generator[_Stretch, None, None]:
    try:
        for frames in stretches:
            first = frames[0]
            shown = first.rgb(DETECTION_SIDE)
            scale = (first.size[0] / shown.shape[1], first.size[1] / shown.shape[0])
            faces = [_scaled(face, scale) for face in detector.detect(shown)]
            yield _Stretch(frames, tuple(tracker.update(faces, first.time)))
    finally:
        stretches.close()


def _scaled(face: Face, scale: tuple[float, float]) -> Face:
    across, down = scale
    left, top, right, bottom = face.box
    eyes = None
    if face.eyes is not None:
        (x0, y0), (x1, y1) = face.eyes
        eyes = ((x0 * across, y0 * down), (x1 * across, y1 * down))
    return Face((left * across, top * down, right * across, bottom * down), face.score, eyes)


class _Reader:
    """Reads the emotions of faces where they were detected."""

    def __init__(self, classifier: Classifier, smoother: Smoother) -> None:
        self._classifier = classifier
        self._smoother = smoother

    def read(self, stretch: _Stretch, after: _Stretch | None) -> Iterator[Moment]:
        """Yield the moments of a stretch."""
        first = stretch.frames[0]
        crops = []
        if stretch.found:
            gray = first.gray()
            crops = [crop_face(gray, found.face) for found in stretch.found]
        read = self._classifier.predict_crops(crops, [None] * len(crops))
        shown = {
            found.track: self._smooth(found.track, first.time, prediction)
            for found, prediction in zip(stretch.found, read, strict=True)
        }
        for frame in stretch.frames:
            told = (
                TrackedPrediction(place.track, replace(shown[place.track], face=place.face))
                for place in _places(frame, stretch, after)
            )
            yield Moment(frame, tuple(told))

    def _smooth(self, track: int, time: float, prediction: Prediction) -> Prediction:
        return replace(prediction, shares=self._smoother.smooth(track, time, prediction.shares))


def _places(frame: Frame, stretch: _Stretch, after: _Stretch | None) -> list[Tracked]:
    """Return where the faces of a stretch are in one of its frames.

    A face that the next detection does not have is gone from the second half on: nobody knows when
    it left.
    """
    start = stretch.frames[0].time
    if after is None:
        return sorted(stretch.found, key=lambda face: face.track)
    end = after.frames[0].time
    share = (frame.time - start) / max(end - start, 1e-9)
    later = {face.track: face.face for face in after.found}
    places = []
    for one in stretch.found:
        if one.track in later:
            places.append(Tracked(one.track, between(one.face, later[one.track], share)))
        elif share < 0.5:
            places.append(one)
    return sorted(places, key=lambda face: face.track)


class _Ahead(Iterator[_Item]):
    """Runs a generator in a thread, one item ahead of who asks for it."""

    def __init__(self, items: Generator[_Item, None, None]) -> None:
        self._items = items
        self._ready: queue.Queue[tuple[_Item] | BaseException | None] = queue.Queue(maxsize=1)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            for item in self._items:
                self._put((item,))
                if self._stopped.is_set():
                    break
        except BaseException as error:  # noqa: BLE001 - raised again where the items are asked for
            end = error
        self._items.close()
        self._put(end)

    def _put(self, item: tuple[_Item] | BaseException | None) -> None:
        while not self._stopped.is_set():
            try:
                self._ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def __next__(self) -> _Item:
        item = self._ready.get()
        if isinstance(item, tuple):
            return item[0]
        self._ready.put(item)  # who asks again gets the same answer
        if item is None:
            raise StopIteration
        raise item

    def close(self) -> None:
        """Stop the thread."""
        self._stopped.set()
        self._thread.join()
