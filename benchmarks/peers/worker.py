"""One program that reads emotions, at work in its own environment; started by against_peers.py.

    python worker.py {ferboost,fer,deepface,emotiefflib}

The first line on standard output is JSON: `version` and `seconds` of loading, up to the first
prediction, or `error`. Then every line of JSON on standard input is a task, and has a line of JSON
as its answer. This file imports what is installed beside it and nothing else: the environments of
the others have no ferboost.

Boxes are (left, top, right, bottom) in pixels; emotions have the names of FER-2013's folders.
"""

import importlib.metadata
import json
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What programs print of themselves goes to standard error; standard output is for answers.
_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

Box = tuple[float, float, float, float]
Found = list[tuple[Box, str]]

_NAMES = {
    "anger": "angry",
    "angry": "angry",
    "contempt": "disgust",  # FER-2013 has none, and it is the nearest
    "disgust": "disgust",
    "disgusted": "disgust",
    "fear": "fear",
    "fearful": "fear",
    "happiness": "happy",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "sadness": "sad",
    "surprise": "surprise",
    "surprised": "surprise",
}
_SIDE = 48
_SHEET = 8  # faces in a row and in a column of a sheet


class Peer:
    """A program, used as its documentation says, in the fastest way that was found there."""

    def found(self, picture: Any) -> Found:  # Any: a path or an array, blue first as in OpenCV
        """Find the faces of a picture and tell their emotions."""
        raise NotImplementedError("it has no face detector")

    def faces(self, faces: NDArray[np.uint8]) -> list[str]:
        """Tell the emotions of faces, uint8 of shape (n, 48, 48)."""
        raise NotImplementedError

    def photos(self, paths: Sequence[str]) -> list[Found]:
        """Read photos from disk, find their faces, tell their emotions."""
        return [self.found(path) for path in paths]

    def film(self, path: str) -> Iterator[Found]:
        """Tell the emotions of the faces in every frame of a film."""
        import cv2

        film = cv2.VideoCapture(path)
        while True:
            there, frame = film.read()
            if not there:
                return
            yield self.found(frame)


class Ferboost(Peer):
    """ferboost with the model and the detector inside the package."""

    def __init__(self) -> None:
        from ferboost import Predictor

        self._predictor = Predictor()

    def faces(self, faces: NDArray[np.uint8]) -> list[str]:
        """Predict in batches."""
        return [prediction.emotion for prediction in self._predictor.predict(faces)]

    def photos(self, paths: Sequence[str]) -> list[Found]:
        """Read several at a time, as ``ferboost predict`` does."""
        from ferboost.inference.photos import Photo, predict_photos

        results = predict_photos(map(Path, paths), self._predictor, self._predictor.detector)
        return [[_ours(p) for p in r.predictions] if isinstance(r, Photo) else [] for r in results]

    def film(self, path: str) -> Iterator[Found]:
        """Follow faces from frame to frame, as ``ferboost predict`` does."""
        from ferboost import CenterFace
        from ferboost.inference.films import DETECTION_SIDE, predict_film
        from ferboost.inference.video import Video

        detector = CenterFace(longest_side=DETECTION_SIDE, threads=1)
        with Video(Path(path)) as video:
            for moment in predict_film(video.frames(), self._predictor, detector):
                yield [_ours(face.prediction) for face in moment.faces]


def _ours(prediction: Any) -> tuple[Box, str]:  # Any: the type is of another environment
    return prediction.face.box, prediction.emotion


class Fer(Peer):
    """fer with its defaults: a Haar cascade, and its quantised TensorFlow Lite model."""

    def __init__(self) -> None:
        from fer.fer import FER

        self._detector = FER()
        # Its margin of 10 pixels around a face would reach into the next one of a sheet.
        self._cropped = FER(offsets=(0, 0))

    def found(self, picture: Any) -> Found:
        """Detect emotions."""
        return [
            (_corners(*one["box"]), max(one["emotions"], key=one["emotions"].get))
            for one in self._detector.detect_emotions(picture)
        ]

    def faces(self, faces: NDArray[np.uint8]) -> list[str]:
        """Show faces by the sheet: it takes one picture, and many places in it."""
        emotions = []
        for sheet, places in _sheets(faces):
            found = self._cropped.detect_emotions(sheet, face_rectangles=places)
            emotions += [max(one["emotions"], key=one["emotions"].get) for one in found]
        return emotions


class DeepFace(Peer):
    """deepface with its defaults, asked for emotions alone."""

    def __init__(self) -> None:
        import deepface.DeepFace

        self._analyze = deepface.DeepFace.analyze

    def found(self, picture: Any) -> Found:
        """Analyse emotions."""
        places = [(one["region"], one["dominant_emotion"]) for one in self._ask(picture)]
        return [(_corners(r["x"], r["y"], r["w"], r["h"]), emotion) for r, emotion in places]

    def faces(self, faces: NDArray[np.uint8]) -> list[str]:
        """Analyse batches, its detector skipped."""
        return [
            face["dominant_emotion"]
            for batch in _batches(faces)
            for (face,) in self._ask(batch, detector_backend="skip")
        ]

    def _ask(self, picture: Any, **options: str) -> Any:
        # Without enforce_detection=False, a picture without a face is an exception.
        return self._analyze(
            picture, actions=["emotion"], enforce_detection=False, silent=True, **options
        )


class EmotiEffLib(Peer):
    """EmotiEffLib on onnxruntime. It has no detector: photos and films are not for it alone."""

    def __init__(self) -> None:
        from emotiefflib.facial_analysis import EmotiEffLibRecognizer

        self._recognizer = EmotiEffLibRecognizer(engine="onnx", model_name="enet_b0_8_best_vgaf")

    def faces(self, faces: NDArray[np.uint8]) -> list[str]:
        """Predict in batches."""
        return [
            emotion
            for batch in _batches(faces)
            for emotion in self._recognizer.predict_emotions(batch)[0]
        ]


_PEERS: dict[str, type[Peer]] = {
    "ferboost": Ferboost,
    "fer": Fer,
    "deepface": DeepFace,
    "emotiefflib": EmotiEffLib,
}


def _corners(x: float, y: float, width: float, height: float) -> Box:
    return float(x), float(y), float(x + width), float(y + height)


def _sheets(
    faces: NDArray[np.uint8],
) -> Iterator[tuple[NDArray[np.uint8], list[tuple[int, int, int, int]]]]:
    """Yield colour pictures of up to 64 faces, and where each is, as (x, y, width, height)."""
    for start in range(0, len(faces), _SHEET**2):
        part = faces[start : start + _SHEET**2]
        sheet = np.zeros((_SHEET * _SIDE, _SHEET * _SIDE, 3), dtype=np.uint8)
        places = []
        for number, face in enumerate(part):
            row, column = divmod(number, _SHEET)
            x, y = column * _SIDE, row * _SIDE
            sheet[y : y + _SIDE, x : x + _SIDE] = face[..., None]
            places.append((x, y, _SIDE, _SIDE))
        yield sheet, places


def _batches(faces: NDArray[np.uint8]) -> Iterator[list[NDArray[np.uint8]]]:
    """Yield lists of faces in colour."""
    for start in range(0, len(faces), _SHEET**2):
        yield [np.repeat(face[..., None], 3, axis=2) for face in faces[start : start + _SHEET**2]]


def _do(peer: Peer, task: dict[str, Any]) -> dict[str, Any]:
    start = time.perf_counter()
    answer: dict[str, Any]
    if task["task"] == "photos":
        answer = {"found": peer.photos(task["paths"])}
    elif task["task"] == "faces":
        images = np.load(task["path"])
        start = time.perf_counter()
        answer = {"emotions": [_NAMES[name.lower()] for name in peer.faces(images)]}
    else:
        answer = {"found": list(peer.film(task["path"]))}
    answer["seconds"] = time.perf_counter() - start
    return answer


def _answer(content: dict[str, Any]) -> None:
    # ru_maxrss is in kilobytes on Linux, the most that the process has had so far.
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**content, "memory": memory}), file=_answers, flush=True)


def _reason(error: BaseException) -> str:
    """Return the error, and what it was caused by in the end, in one line."""
    root = error
    while root.__cause__ or root.__context__:
        root = root.__cause__ or root.__context__ or root
    lines = [f"{type(e).__name__}: {' '.join(str(e).split())}"[:250] for e in (error, root)]
    return " <- ".join(dict.fromkeys(lines))


def main() -> None:
    """Load the program, then answer each line."""
    name = sys.argv[1]
    try:
        start = time.perf_counter()
        peer = _PEERS[name]()
        peer.faces(np.full((1, _SIDE, _SIDE), 128, dtype=np.uint8))
        seconds = time.perf_counter() - start
    except Exception as error:  # noqa: BLE001 - whatever a program raises is its result
        _answer({"error": _reason(error)})
        return
    _answer({"version": importlib.metadata.version(name), "seconds": seconds})
    for line in sys.stdin:
        try:
            _answer(_do(peer, json.loads(line)))
        except Exception as error:  # noqa: BLE001 - as above
            _answer({"error": _reason(error)})


if __name__ == "__main__":
    main()
