"""Faces from frame to frame: who is who, where between detections, and calmer over time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ferboost.inference.faces import Face, overlap

__all__ = ["Smoother", "Tracked", "Tracker", "between"]

# From detection to detection, a face's boxes overlap by at least this (intersection over union).
_LEAST_OVERLAP = 0.2
# A face that is lost is waited for this long: turned heads come back.
_SECONDS_LOST = 1.0


@dataclass(frozen=True)
class Tracked:
    """A face in a frame, and which one of the film it is.

    Attributes
    ----------
    track : int
        From 1, in the order of their appearance.
    face : Face
    """

    track: int
    face: Face


@dataclass
class _Track:
    number: int
    face: Face
    seen: float
    speed: tuple[float, float] = field(default=(0.0, 0.0))  # pixels a second

    def place_at(self, time: float) -> Face:
        # A face goes on as it moved, but not for long: it turns round or stops.
        elapsed = min(time - self.seen, 0.5)
        return _moved(self.face, self.speed[0] * elapsed, self.speed[1] * elapsed)


class Tracker:
    """Tells which detected face is which, by where it is expected.

    A face that was not seen for more than a second, nor when faces were looked for the last time,
    is another one when it comes back.
    """

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._count = 0
        self._last_look = 0.0

    def update(self, faces: Sequence[Face], time: float) -> list[Tracked]:
        """Take the faces that were detected at a time, in seconds; return which ones they are."""
        known_since = min(time - _SECONDS_LOST, self._last_look)
        self._tracks = [track for track in self._tracks if track.seen >= known_since]
        self._last_look = time
        pairs = sorted(
            (
                (overlap(track.place_at(time).box, face.box), number, place)
                for number, track in enumerate(self._tracks)
                for place, face in enumerate(faces)
            ),
            reverse=True,
        )
        track_of: dict[int, _Track] = {}
        taken: set[int] = set()
        for shared, number, place in pairs:
            if shared >= _LEAST_OVERLAP and number not in taken and place not in track_of:
                taken.add(number)
                track_of[place] = self._tracks[number]
        return [
            Tracked(self._seen(track_of.get(place), face, time).number, face)
            for place, face in enumerate(faces)
        ]

    def _seen(self, track: _Track | None, face: Face, time: float) -> _Track:
        if track is None:
            self._count += 1
            track = _Track(self._count, face, time)
            self._tracks.append(track)
            return track
        elapsed = time - track.seen
        if elapsed > 0:
            (x0, y0), (x1, y1) = _centre(track.face), _centre(face)
            track.speed = ((x1 - x0) / elapsed, (y1 - y0) / elapsed)
        track.face, track.seen = face, time
        return track


class Smoother:
    """Averages the probabilities of each track over the time just gone by.

    Parameters
    ----------
    seconds : float
        What is so long ago counts 1/e of what is now; with 0, nothing is smoothed.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: dict[int, tuple[float, NDArray[np.float64]]] = {}
        self._now = self._before = 0.0

    def smooth(self, track: int, time: float, shares: Sequence[float]) -> tuple[float, ...]:
        """Take the probabilities of a track at a time, in seconds; return the smoothed ones."""
        if time > self._now:
            self._before, self._now = self._now, time
        known_since = min(time - _SECONDS_LOST, self._before)  # as a tracker knows it
        self._last = {n: v for n, v in self._last.items() if v[0] >= known_since}
        now = np.array(shares, dtype=np.float64)
        if track in self._last and self._seconds > 0:
            before, average = self._last[track]
            kept = math.exp(-max(0.0, time - before) / self._seconds)
            now = kept * average + (1 - kept) * now
        self._last[track] = (time, now)
        return tuple(map(float, now))


def between(before: Face, after: Face, share: float) -> Face:
    """Return the face at a share, 0 to 1, of the way from one place to another."""
    eyes = None
    if before.eyes is not None and after.eyes is not None:
        (first, second), (third, fourth) = before.eyes, after.eyes
        eyes = (_mix_point(first, third, share), _mix_point(second, fourth, share))
    left, top, right, bottom = (
        _mix(one, other, share) for one, other in zip(before.box, after.box, strict=True)
    )
    return Face((left, top, right, bottom), _mix(before.score, after.score, share), eyes)


def _mix(one: float, other: float, share: float) -> float:
    return one + (other - one) * share


def _mix_point(
    one: tuple[float, float], other: tuple[float, float], share: float
) -> tuple[float, float]:
    return (_mix(one[0], other[0], share), _mix(one[1], other[1], share))


def _centre(face: Face) -> tuple[float, float]:
    left, top, right, bottom = face.box
    return ((left + right) / 2, (top + bottom) / 2)


def _moved(face: Face, x: float, y: float) -> Face:
    left, top, right, bottom = face.box
    return Face((left + x, top + y, right + x, bottom + y), face.score)
