"""How much is in the house: a bounded queue, and who is turned away from it."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ferboost.serving.limits import Limits
from ferboost.serving.problems import ProblemError

__all__ = ["Intake"]

_LONGEST_WAIT = 60
# Of the pictures a second that were measured last, against those before.
_WEIGHT = 0.2


class Intake:
    """Counts the pictures and bytes of all requests. It belongs to the event loop alone.

    Parameters
    ----------
    limits : Limits

    Attributes
    ----------
    waiting : int
        Pictures that are accepted and not answered yet.
    held_bytes : int
        Of the bodies that are being received or worked on.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._rate = 0.0
        self._last_leave = time.monotonic()
        self.waiting = 0
        self.held_bytes = 0

    def require_room(self) -> None:
        """Turn a request away before its body is read.

        Raises
        ------
        ProblemError
            503, if there is no room for another picture.
        """
        if self.waiting >= self._limits.waiting:
            raise self._busy()

    @contextmanager
    def hold(self) -> Iterator["Held"]:
        """Give what counts the bytes of one request, until it is answered."""
        held = Held(self)
        try:
            yield held
        finally:
            self.held_bytes -= held.count

    @contextmanager
    def admit(self, pictures: int) -> Iterator[None]:
        """Have pictures wait, until they are answered.

        Raises
        ------
        ProblemError
            503, if there is no room for them.
        """
        # A request that is larger than all the room is let in where nobody else is.
        if self.waiting and self.waiting + pictures > self._limits.waiting:
            raise self._busy()
        self.waiting += pictures
        try:
            yield
        finally:
            self.waiting -= pictures
            self._measure(pictures)

    def take_bytes(self, count: int) -> None:
        """Count bytes that have come.

        Raises
        ------
        ProblemError
            503, if there is no room for them.
        """
        if self.held_bytes + count > self._limits.held_bytes:
            raise self._busy()
        self.held_bytes += count

    def _measure(self, pictures: int) -> None:
        now = time.monotonic()
        rate = pictures / max(now - self._last_leave, 1e-4)
        self._rate += (rate - self._rate) * _WEIGHT
        self._last_leave = now

    def _busy(self) -> ProblemError:
        seconds = self.waiting / self._rate if self._rate else 1
        retry = str(min(max(math.ceil(seconds), 1), _LONGEST_WAIT))
        return ProblemError(
            503,
            "the server is busy; try again after the time in Retry-After",
            {"Retry-After": retry},
        )


class Held:
    """The bytes of one request.

    Attributes
    ----------
    count : int
    """

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self.count = 0

    def take(self, count: int) -> None:
        """Count bytes that have come, see `Intake.take_bytes`."""
        self._intake.take_bytes(count)
        self.count += count
