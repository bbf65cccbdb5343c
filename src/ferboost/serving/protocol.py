"""Connections that cannot be held open by doing nothing.

uvicorn waits without end for the head of a request, for its body, and for a client that takes no
answer.
"""

import socket
from asyncio import AbstractEventLoop, BaseTransport, TimerHandle, Transport
from typing import Any, ClassVar, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ferboost.serving.limits import Limits
from ferboost.serving.problems import PROBLEM_TYPE, ProblemError

__all__ = ["protocol_for"]

# A server's own answer to a slow body comes before the connection is cut.
_SECONDS_OF_GRACE = 2.0
_MAX_HEAD_BYTES = 64 * 2**10


def protocol_for(limits: Limits) -> type["BoundedProtocol"]:
    """Return the protocol class that holds these limits."""
    return type("LimitedProtocol", (BoundedProtocol,), {"limits": limits})


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with an end to waiting, to heads, and to the number of connections."""

    limits: ClassVar[Limits]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # as uvicorn has it
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._receiving: TimerHandle | None = None
        self._sending: TimerHandle | None = None
        self._head_bytes = 0
        self._is_in_head = True

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin to wait for a request; refuse to where there are too many connections."""
        super().connection_made(cast(Transport, transport))
        # asyncio forgets this for sockets that it did not make, and head and body of an answer are
        # then 40 ms apart: 280 answers a second instead of 970.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) > self.limits.connections:
            reason = "the server has too many connections; try again in a second"
            self._refuse(ProblemError(503, reason, {"Retry-After": "1"}))
            return
        self._expect(self.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._stop_receiving()
        self._stop_sending()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a head or a body."""
        if self._is_in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and not self.transport.is_closing():
            if self._head_bytes > _MAX_HEAD_BYTES:
                reason = f"the head of the request has more than {_MAX_HEAD_BYTES:,} bytes"
                self._refuse(ProblemError(431, reason))
            elif self._receiving is None:
                self._expect(self.limits.head_seconds)

    def on_headers_complete(self) -> None:
        """Begin to wait for the body."""
        self._is_in_head = False
        self._expect(self.limits.body_seconds + _SECONDS_OF_GRACE)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop to wait, for it is the server's turn, or wait for the next request."""
        self._is_in_head = True
        self._head_bytes = 0
        if self.cycle.response_complete:  # it needed no body
            self._expect(self.limits.head_seconds)
        else:
            self._stop_receiving()
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Begin to wait for the client to take what it asked for."""
        super().pause_writing()
        self._sending = self.loop.call_later(self.limits.send_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop to wait for the client."""
        self._stop_sending()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, whether or not the client takes the last answer."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(self.limits.send_seconds, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Say that this is not HTTP."""
        del msg
        self._refuse(ProblemError(400, "this is not an HTTP/1.1 request"))

    def _expect(self, seconds: float) -> None:
        self._stop_receiving()
        self._receiving = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if self._is_in_head and self._head_bytes:
            reason = f"the head did not arrive within {self.limits.head_seconds:g} seconds"
            self._refuse(ProblemError(408, reason))
        else:
            self.transport.abort()

    def _refuse(self, error: ProblemError) -> None:
        """Answer outside of the application, and close."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()  # in the middle of another answer
            return
        body = bytes(error.response().body)
        headers = error.headers | {
            "Content-Type": PROBLEM_TYPE,
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        lines = [f"HTTP/1.1 {error.problem.status} {error.problem.title}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.transport.write("\r\n".join((*lines, "", "")).encode() + body)
        self.transport.close()

    def _stop_receiving(self) -> None:
        if self._receiving is not None:
            self._receiving.cancel()
            self._receiving = None

    def _stop_sending(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
