"""Several processes that train one network together, as ``torchrun`` starts them.

The first process leads: it runs the whole program, and alone reads and writes. The others follow:
they are sent a network's settings and images, train it with the first, and wait for the next one.
"""

import gc
import json
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from ferboost.errors import GroupError

__all__ = ["Group", "current_group", "group_errors", "training_group"]

# The others wait while the first one grows trees and evaluates.
_PATIENCE = timedelta(days=7)
# The first process knows what to do next, so it is let speak first.
_SECONDS_OF_COURTESY = 0.5
_SPOKEN = "ferboost/spoken"
# A lost connection and torchrun's signal are two signs of the same; which comes first is chance.
_LOST = "another process of the training has ended, or torchrun was stopped"


@dataclass(frozen=True)
class Group:
    """The processes that train together, and which of them this one is.

    Attributes
    ----------
    rank : int
        From 0; that one leads.
    size : int
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process alone reads and writes."""
        return self.rank == 0

    def part(self, count: int) -> tuple[slice, int]:
        """Return this process's part of a batch, and how many images it has.

        Every image is in one part. Where there are fewer images than processes, those that get
        none take the first one, and are to count it 0 times.

        Parameters
        ----------
        count : int
            Images of the batch, at least 1.
        """
        start, end = (count * k // self.size for k in (self.rank, self.rank + 1))
        return (slice(start, end), end - start) if end > start else (slice(0, 1), 0)

    def share(self, network: nn.Module) -> nn.Module:
        """Return what to call in place of `network`, so that its gradients become the group's."""
        if self.size == 1:
            return network
        with warnings.catch_warnings():  # since 2.13 it has another name, which 2.6 does not know
            warnings.simplefilter("ignore", FutureWarning)
            return DistributedDataParallel(network, broadcast_buffers=False)

    def sum(self, values: Sequence[float]) -> list[float]:
        """Return the sums over the group of some numbers that each process has."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(total)
        return [float(value) for value in total]

    def average(self, networks: Iterable[nn.Module]) -> None:
        """Give all processes the mean of what batch normalisation has counted in each."""
        if self.size == 1:
            return
        for network in networks:
            for buffer in network.buffers():
                if buffer.is_floating_point():
                    distributed.all_reduce(buffer)
                    buffer.div_(self.size)

    def send(self, header: dict[str, Any], arrays: Sequence[NDArray[Any]]) -> None:  # Any: JSON
        """Send the others what to train."""
        shapes = [(array.dtype.str, array.shape) for array in arrays]
        _send_bytes(json.dumps([header, shapes]).encode())
        for array in arrays:
            # broadcast takes no read-only arrays, as torch has none.
            distributed.broadcast(torch.from_numpy(np.require(array, None, ["C", "W"])), src=0)

    def receive(self) -> tuple[dict[str, Any], list[NDArray[Any]]] | None:  # Any: JSON
        """Wait for what to train; None where there is nothing more."""
        length = torch.zeros(1, dtype=torch.int64)
        distributed.broadcast(length, src=0)
        if not length:
            return None
        text = torch.empty(int(length), dtype=torch.uint8)
        distributed.broadcast(text, src=0)
        header, shapes = json.loads(text.numpy().tobytes())
        arrays = [np.empty(shape, dtype) for dtype, shape in shapes]
        for array in arrays:
            distributed.broadcast(torch.from_numpy(array), src=0)
        return header, arrays


def current_group() -> Group:
    """Return the group that this process trains in; outside of `training_group` it is alone."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return Group()
    return Group(distributed.get_rank(), distributed.get_world_size())


@contextmanager
def training_group(follow: Callable[[Group], None]) -> Iterator[None]:
    """Join the processes that ``torchrun`` has started, if it has.

    Where this is the first or the only process, the block is run. The others call `follow` and end.

    Parameters
    ----------
    follow : callable

    Raises
    ------
    GroupError
        If another process of the group has ended, or this one is told to end. One process of a
        group raises it, or whatever else has ended the training; the others exit.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    store, rank, size = next(rendezvous("env://"))
    group = Group(rank, size)
    signal.signal(signal.SIGTERM, _end)
    if not group.leads:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process says how to go on
    try:
        with group_errors():
            _join(store, group)
            if not group.leads:
                follow(group)
                # Threads of gloo's may still run; once in a hundred times torch's destructors end
                # the process with an error for it ("terminate called").
                os._exit(0)
            yield
            with suppress(RuntimeError):  # a process that has ended already needs no word
                _send_bytes(b"")
            gc.collect()  # networks whose gradients were shared hold on to the group
            distributed.destroy_process_group()
    except Exception as error:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        bereft = isinstance(error, GroupError) and not group.leads
        if bereft:
            time.sleep(_SECONDS_OF_COURTESY)
        if store.add(_SPOKEN, 1) > 1:
            os._exit(1)  # another process has said why
        if bereft:
            raise GroupError(f"{error}; go on with: ferboost train --resume RUN") from error
        raise


@contextmanager
def group_errors() -> Iterator[None]:
    """Turn what torch raises where another process has gone into `GroupError`."""
    try:
        yield
    except RuntimeError as error:
        words = str(error).lower()
        if isinstance(error, distributed.DistError) or "gloo" in words or "nccl" in words:
            raise GroupError(_LOST) from error
        raise


def _join(store: Any, group: Group) -> None:  # Any: mypy does not see the type of stores
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
        store=store,
        rank=group.rank,
        world_size=group.size,
        timeout=_PATIENCE,
    )


def _send_bytes(content: bytes) -> None:
    """Send the others a length and, where it is not 0, so many bytes."""
    distributed.broadcast(torch.tensor([len(content)]), src=0)
    if content:
        distributed.broadcast(torch.frombuffer(bytearray(content), dtype=torch.uint8), src=0)


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise GroupError(_LOST)
