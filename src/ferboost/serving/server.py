"""The server: its sockets, its signals, and what it says on the terminal."""

import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from ferboost.errors import SettingsError
from ferboost.inference import BUNDLED_MODEL, Predictor
from ferboost.page import page_files
from ferboost.serving.application import create_app
from ferboost.serving.limits import Limits
from ferboost.serving.protocol import protocol_for

__all__ = ["TOKEN_VARIABLE", "configure", "read_token", "serve"]

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_LEAST_TOKEN = 16
_BACKLOG = 2048
_QUIET_LOGGERS = ("uvicorn", "python_multipart", "PIL", "multipart")
_LOUD_LOGGERS = ("ferboost.serving", "asyncio")

#: The environment variable that can hold the token.
TOKEN_VARIABLE = "FERBOOST_TOKEN"  # noqa: S105 - its name


def serve(
    model: Path = BUNDLED_MODEL,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits | None = None,
    token: str | None = None,
    allowed_hosts: Iterable[str] = (),
    threads: int | None = None,
    runs: Path | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serve a model over HTTP until the process gets SIGINT or SIGTERM.

    What was accepted until then is answered.

    Parameters
    ----------
    model : Path
        A file that ``ferboost export`` wrote.
    host : str
        Address to listen at; other than this machine's own, everyone who reaches it may ask.
    port : int
        0 takes a free one.
    limits : Limits, optional
    token : str, optional
        What clients have to bring: ``Authorization: Bearer TOKEN``.
    allowed_hosts : iterable of str
        Names under which a server that listens on this machine alone is reached, beside
        ``localhost``; not needed where there is a token.
    threads : int, optional
    runs : Path, optional
        A folder whose runs and studies are shown at ``/runs``.
    say : callable
        Gets one line at a time for the terminal.

    Raises
    ------
    SettingsError
        If the address cannot be listened at, or there is no folder `runs`.
    ModelError
        If the model cannot be used.
    """
    limits = limits or Limits()
    if runs is not None and not runs.is_dir():
        raise SettingsError(f"{runs} is no folder; --runs takes one with runs and studies in it")
    with _listen(host, port) as listener:
        address, port = listener.getsockname()[:2]
        is_local = ipaddress.ip_address(address).is_loopback
        names = {name.lower() for name in allowed_hosts}
        app = create_app(
            Predictor(model, threads=threads),
            limits=limits,
            token=token,
            hosts=names | set(_LOOPBACK_NAMES) if is_local or names else None,
            workers=threads,
            runs=runs,
            page=page_files(model),
        )
        place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        if not is_local and token is None:
            say(
                f"warning: everyone who reaches {place} may use this server, and pictures travel "
                "to it unencrypted; set a token, and put a proxy with TLS in front"
            )
        with _signals_that_end_quietly(), _log_lines(say):
            say(f"ready at http://{place} (Ctrl-C stops)")
            if runs is not None:
                say(f"runs and studies are at http://{place}/runs")
            _Server(configure(app, limits), say).run(sockets=[listener])
        say("stopped")


def read_token(file: Path | None, environment: Mapping[str, str]) -> str | None:
    """Return the token in a file, else the one in the environment, if there is any.

    There is no option that takes it: everyone on a machine sees what programs were started with.

    Raises
    ------
    SettingsError
        If it cannot be read, is easy to guess, or cannot stand in a header.
    """
    if file is not None:
        try:
            token, where = file.read_text("utf-8").strip(), str(file)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SettingsError(f"cannot read the token in {file}: {reason}") from error
    elif TOKEN_VARIABLE in environment:
        token, where = environment[TOKEN_VARIABLE].strip(), TOKEN_VARIABLE
    else:
        return None
    if len(token) < _LEAST_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
        raise SettingsError(
            f"the token in {where} has less than {_LEAST_TOKEN} characters, a space, or other than "
            "ASCII; make one by: openssl rand -hex 16"
        )
    return token


class _Server(uvicorn.Server):
    """Says that it stops, which can take as long as the slowest request."""

    def __init__(self, config: uvicorn.Config, say: Callable[[str], None]) -> None:
        super().__init__(config)
        self._say = say

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._say("stopping; what was accepted is answered (Ctrl-C again stops at once)")
        await super().shutdown(sockets)


def configure(app: FastAPI, limits: Limits) -> uvicorn.Config:
    """Return how uvicorn is to run an application of `create_app`."""
    return uvicorn.Config(
        app,
        http=protocol_for(limits),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=round(limits.body_seconds + limits.send_seconds),
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError, OverflowError) as error:
        reason = str(getattr(error, "strerror", None) or error).partition(" (")[0]
        raise SettingsError(
            f"cannot listen at {host} port {port}: {reason}; choose others by --host and --port"
        ) from error


@contextmanager
def _signals_that_end_quietly() -> Iterator[None]:
    """Have uvicorn's end by a signal be an end like any other: it raises it once more."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _LineHandler(logging.Handler):
    """Says the first line of a message, without the exceptions that might quote a request."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage().partition("\n")[0])


@contextmanager
def _log_lines(say: Callable[[str], None]) -> Iterator[None]:
    """Silence the libraries that quote what clients send, and say what the others have to say."""
    handler = _LineHandler(say)
    quiet, loud = map(logging.getLogger, _QUIET_LOGGERS), map(logging.getLogger, _LOUD_LOGGERS)
    loggers = [(logger, logging.CRITICAL + 1) for logger in quiet]
    loggers += [(logger, logging.WARNING) for logger in loud]
    before = [(logger, logger.level, logger.propagate) for logger, _ in loggers]
    for logger, level in loggers:
        logger.setLevel(level)
        logger.propagate = False
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, level, propagates in before:
            logger.setLevel(level)
            logger.propagate = propagates
            logger.removeHandler(handler)
