"""CUDA graphs: kernels that are recorded once and started by one call from then on."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = ["aside", "parallel", "record"]


def record(action: Callable[[], None]) -> Callable[[], None]:
    """Record what `action` starts on the GPU, without running it; return what runs it.

    What it reads and writes stays where it lies. It must have run some times before, `aside`, so
    that kernels are chosen and what is kept has its place.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph), torch.backends.cudnn.flags(enabled=True, benchmark=True):
        action()
    return graph.replay


@contextmanager
def aside() -> Iterator[None]:
    """Run kernels on a stream of their own, after what was started before and before what follows.

    What has run on the default stream cannot be recorded later.
    """
    own = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    own.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(own), torch.backends.cudnn.flags(enabled=True, benchmark=True):
        yield
    torch.cuda.current_stream().wait_stream(own)


def parallel(
    action: Callable[[Tensor], Tensor],
    tensors: Sequence[Tensor],
    streams: list[torch.cuda.Stream],
) -> list[Tensor]:
    """Return `action` of each tensor; on a GPU, all at the same time, since each is small.

    Parameters
    ----------
    action : callable
    tensors : sequence of Tensor
    streams : list of Stream
        Kept from call to call; streams that it lacks are added.
    """
    if not tensors or not tensors[0].is_cuda:
        return [action(tensor) for tensor in tensors]
    while len(streams) < len(tensors):
        streams.append(torch.cuda.Stream())  # type: ignore[no-untyped-call]
    current = torch.cuda.current_stream()
    results = []
    for stream, tensor in zip(streams, tensors, strict=False):
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            results.append(action(tensor))
    for stream in streams[: len(tensors)]:
        current.wait_stream(stream)
    return results
