"""A static host on this machine, as anyone may have one."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any


class _Quiet(SimpleHTTPRequestHandler):
    def __init__(self, *rest: Any, answers: Event, directory: str) -> None:
        self.answers = answers
        super().__init__(*rest, directory=directory)

    def do_GET(self) -> None:
        self.answers.wait()
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def hosted(folder: Path, answers: Event | None = None) -> Iterator[str]:
    """Serve a folder; yield its address. Nothing is answered while `answers` is not set."""
    if answers is None:
        answers = Event()
        answers.set()
    handler = partial(_Quiet, answers=answers, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        answers.set()
        server.shutdown()
        server.server_close()
        thread.join()
