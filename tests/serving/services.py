"""Applications of a small service, and real servers on free ports."""

import io
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from types import MappingProxyType
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from numpy.typing import NDArray
from PIL import Image

from ferboost.inference import Face, Predictor
from ferboost.progress import Tell
from ferboost.serving import Limits, create_app
from ferboost.serving.server import configure

#: Two faces of 20 pixels, one in each half of `photo`.
FACES = (
    Face((60.0, 12.0, 80.0, 32.0), 0.9, eyes=((65.0, 18.0), (75.0, 18.0))),
    Face((10.0, 10.0, 30.0, 30.0), 0.6),
)


class Told:
    """A detector that finds what it is told in pictures as wide as `photo`, and nothing else."""

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        return list(FACES) if image.shape[1] == 100 else []


class Gate(Predictor):
    """A predictor that waits while its gate is closed, and is never wrong by much."""

    def __init__(self) -> None:
        super().__init__(threads=1, detector=Told())
        self.gate = Event()
        self.gate.set()
        self.began = Event()
        self.faces = 0

    def predict_proba(
        self, faces: NDArray[np.uint8], on_progress: Tell | None = None
    ) -> NDArray[np.float32]:
        self.began.set()
        assert self.gate.wait(20)
        self.faces += len(faces)
        if on_progress is not None:
            on_progress(len(faces), len(faces), "")
        return np.full((len(faces), len(self.classes)), 1 / len(self.classes), dtype=np.float32)

    def close(self) -> None:
        self.began.clear()
        self.gate.clear()


def encoded(image: Image.Image, form: str = "png", **how: Any) -> bytes:
    """Return the bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **how)
    return buffer.getvalue()


def face(seed: int = 0) -> bytes:
    """Return a PNG of a face's size."""
    values = np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)
    return encoded(Image.fromarray(values))


def photo(seed: int = 0) -> bytes:
    """Return a PNG in which `Told` finds two faces."""
    values = np.random.default_rng(seed).integers(0, 256, (50, 100, 3), dtype=np.uint8)
    return encoded(Image.fromarray(values))


@contextmanager
def running(predictor: Predictor, limits: Limits | None = None, **how: Any) -> Iterator["Running"]:
    """Run a server in a thread; stop it in the end."""
    limits = limits or Limits()
    with Running(create_app(predictor, limits=limits, workers=2, **how), limits) as server:
        yield server


class Running:
    """A server at work."""

    def __init__(self, app: FastAPI, limits: Limits) -> None:
        self.app = app
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.server = uvicorn.Server(configure(app, limits))
        self._thread = Thread(target=self.server.run, kwargs={"sockets": [self._listener]})

    def __enter__(self) -> "Running":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._listener.close()

    def begin_to_stop(self) -> None:
        """Do what a signal does."""
        self.server.should_exit = True

    def stop(self) -> None:
        """Wait for the end."""
        self.begin_to_stop()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def connect(self) -> socket.socket:
        """Return a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


def request(
    body: bytes = b"",
    path: str = "/v1/predict?faces=whole",
    method: str = "POST",
    length: int | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """Return the bytes of a request."""
    given = {"Host": "localhost", "Content-Type": "image/png"} | dict(headers)
    given["Content-Length"] = str(len(body) if length is None else length)
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join((*lines, "", "")).encode() + body


def read_all(connection: socket.socket) -> bytes:
    """Read until the server closes."""
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def read_answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one answer: status, headers, body."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        assert piece, f"the server closed after {received!r}"
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers["content-length"]):
        piece = connection.recv(65536)
        assert piece, f"the server closed in the middle of {body!r}"
        body += piece
    return int(first.split()[1]), headers, body


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something that another thread does."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.01)
