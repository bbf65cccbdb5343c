"""Faces of several clients, predicted together."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Batcher"]

Shares: TypeAlias = NDArray[np.float32]


@dataclass
class _Item:
    faces: NDArray[np.uint8]
    future: "Future[Shares]"
    taken: int = 0
    parts: list[Shares] = field(default_factory=list)


class _Piece(NamedTuple):
    item: _Item
    start: int
    end: int


class Batcher:
    """Predicts what several threads bring in common batches, in a thread of its own.

    A batch is whatever waits at the moment when the one before is done: the busier the server, the
    larger the batches, and nobody waits for company. Of who brings more than a batch, one batch's
    worth is taken in each turn.

    Parameters
    ----------
    predict : callable
        Takes faces, uint8 of shape (n, 48, 48), and returns probabilities, (n, classes).
    largest : int
        Faces of one batch.
    on_batch : callable, optional
        Called with the number of faces of each batch.
    """

    def __init__(
        self,
        predict: Callable[[NDArray[np.uint8]], Shares],
        *,
        largest: int = 64,
        on_batch: Callable[[int], None] | None = None,
    ) -> None:
        self._predict = predict
        self._largest = largest
        self._on_batch = on_batch
        self._items: deque[_Item] = deque()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._work, name="ferboost-batches", daemon=True)
        self._thread.start()

    def submit(self, faces: NDArray[np.uint8]) -> "Future[Shares]":
        """Have faces, uint8 of shape (n, 48, 48) with n > 0, predicted.

        Raises
        ------
        RuntimeError
            If the batcher is closed.
        """
        item = _Item(faces, Future())
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            self._items.append(item)
            self._changed.notify()
        return item.future

    def close(self) -> None:
        """Finish what was brought, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether its thread works."""
        return self._thread.is_alive()

    def _work(self) -> None:
        while pieces := self._next_batch():
            brought = [piece.item.faces[piece.start : piece.end] for piece in pieces]
            try:
                shares = self._predict(np.concatenate(brought))
            except Exception as error:  # noqa: BLE001 - whoever waits gets it, and the thread lives
                for piece in pieces:
                    piece.item.future.set_exception(error)
                continue
            if self._on_batch is not None:
                self._on_batch(len(shares))
            ends = np.cumsum([len(part) for part in brought])[:-1]
            for piece, part in zip(pieces, np.split(shares, ends), strict=True):
                piece.item.parts.append(part)
                if piece.end == len(piece.item.faces):
                    _finish(piece.item)

    def _next_batch(self) -> list[_Piece]:
        """Wait for faces; return none when the batcher is closed and all is done."""
        with self._changed:
            while True:
                pieces = self._take()
                if pieces or self._closed:
                    return pieces
                self._changed.wait()

    def _take(self) -> list[_Piece]:
        pieces: list[_Piece] = []
        room = self._largest
        for _ in range(len(self._items)):
            item = self._items.popleft()
            if not _is_wanted(item):
                continue
            start = item.taken
            item.taken = min(len(item.faces), start + room)
            room -= item.taken - start
            pieces.append(_Piece(item, start, item.taken))
            if item.taken < len(item.faces):
                self._items.append(item)
            if not room:
                break
        return pieces


def _finish(item: _Item) -> None:
    item.future.set_result(np.concatenate(item.parts))


def _is_wanted(item: _Item) -> bool:
    """Say no if it failed in an earlier batch, or was cancelled; from now on it cannot be."""
    if item.future.running():
        return True
    return not item.future.done() and item.future.set_running_or_notify_cancel()
