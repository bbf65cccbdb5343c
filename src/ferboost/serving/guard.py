"""What holds for every request, whatever its path: who may ask, and what an answer carries."""

import base64
import binascii
import hmac
import logging
import time
import traceback
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ferboost.serving.metrics import Metrics
from ferboost.serving.problems import ProblemError

__all__ = ["Guard"]

_LOG = logging.getLogger("ferboost.serving")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_ONLY_DATA = "default-src 'none'; frame-ancestors 'none'"
# Where there is a token, all other paths ask for it; the page holds the model.
_OPEN = ("/healthz", "/readyz", "/openapi.json")


class Guard:
    """Checks host and token, adds headers, measures, and turns a failure into its problem.

    Nothing of a request gets into the log: of an exception its kind and the places in the code are
    logged, not its message.

    Parameters
    ----------
    app : ASGIApp
    metrics : Metrics
    token : str or None
        What clients have to bring: ``Authorization: Bearer TOKEN``, or as the password of
        ``Basic``, which browsers ask for.
    hosts : collection of str or None
        What the header Host may say, without a port; None for anything. It keeps web pages from
        reaching a local server under a name of their own (DNS rebinding).
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        token: str | None,
        hosts: Collection[str] | None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._token = None if token is None else token.encode()
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0
        asks_to_upgrade = any(name == b"upgrade" for name, _ in scope["headers"])

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", _ONLY_DATA)
                headers.setdefault("Cache-Control", "no-store")
                if asks_to_upgrade:  # httptools reads nothing after such a head
                    headers["Connection"] = "close"
            await send(message)

        try:
            self._check(Headers(scope=scope), scope["path"], scope["method"])
            await self._app(scope, receive, tell)
        except ProblemError as error:
            await error.response()(scope, receive, tell)
        except ClientDisconnect:
            pass  # nobody is there to be answered
        except Exception as error:  # noqa: BLE001 - the last place to answer
            _log_without_message(error)
            if not status:
                await _internal().response()(scope, receive, tell)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - start)

    def _check(self, headers: Headers, path: str, method: str) -> None:
        if "upgrade" in headers and method == "POST":  # its body is lost, see above
            raise ProblemError(
                400, "the header Upgrade is not understood; send it as HTTP/1.1 without it"
            )
        if self._token is not None:
            if path not in _OPEN and not self._has_token(headers.get("authorization", "")):
                raise ProblemError(
                    401,
                    "this needs the server's token; send it as Authorization: Bearer TOKEN",
                    {"WWW-Authenticate": 'Bearer, Basic realm="ferboost"'},
                )
        elif self._hosts is not None and _host_name(headers.get("host", "")) not in self._hosts:
            raise ProblemError(
                421,
                "this server does not answer to the name in the header Host; start it with "
                "--allow-host NAME, or with a token",
            )

    def _has_token(self, authorization: str) -> bool:
        kind, _, credentials = authorization.partition(" ")
        brought = credentials.strip().encode("latin-1")
        if kind.lower() == "basic":
            try:
                brought = base64.b64decode(brought, validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        elif kind.lower() != "bearer":
            return False
        return self._token is not None and hmac.compare_digest(brought, self._token)


def _host_name(host: str) -> str:
    name = host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return name.strip("[]").lower()


def _internal() -> ProblemError:
    return ProblemError(500, "the server failed; its log says where")


def _log_without_message(error: Exception) -> None:
    places = " < ".join(
        f"{frame.name} ({frame.filename}:{frame.lineno})"
        for frame in reversed(traceback.extract_tb(error.__traceback__))
    )
    _LOG.error("internal error: %s in %s", type(error).__name__, places)
