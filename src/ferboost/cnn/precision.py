"""Choosing number format and memory layout for training by measuring them on this machine."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import nn

from ferboost.cnn.recording import aside, record
from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.errors import RunError

__all__ = [
    "Precision",
    "choose_device",
    "choose_precision",
    "one_thread",
    "require_device",
    "training_step",
]

# bfloat16 rounds: it has to be clearly faster to be worth it, and a choice near a tie would
# differ between two runs on one machine.
_LEAST_GAIN = 1.2
_REPEATS = 8
# Untimed ones on a GPU, in which kernels are chosen.
_FIRST_STEPS = 3
_PROCESSOR = {"cpu": "one core", "cuda": "the GPU"}
# Beside busy programs, bfloat16 measured 0.3 to 0.6 times as fast by the clock on the wall with two
# threads, and 2.2 to 2.4 times by the processor time of one. Windows counts that in steps of 16 ms.
_FINE = time.get_clock_info("process_time").resolution < 1e-3
_processor_seconds = time.process_time if _FINE else time.perf_counter

NumberFormat = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Precision:
    """How a network is trained: the result of `choose_precision`, with its reason."""

    device: Literal["cpu", "cuda"]
    number_format: NumberFormat
    channels_last: bool
    reason: str

    def place(self, network: nn.Module) -> nn.Module:
        """Move `network` to the device and memory layout, in place, and return it."""
        network.to(self.device)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return network.to(memory_format=layout)  # type: ignore[call-overload,no-any-return]

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context in which forward passes run in the number format."""
        return torch.autocast(
            self.device, dtype=torch.bfloat16, enabled=self.number_format == "bfloat16"
        )

    def describe(self) -> str:
        """Say what was chosen and why, in one line."""
        layout = "last" if self.channels_last else "first"
        return f"{self.number_format}, channels {layout}: {self.reason}"

    def to_dict(self) -> dict[str, str | bool]:
        """Return the fields as JSON can hold them."""
        return asdict(self)


def choose_device() -> Literal["cpu", "cuda"]:
    """Return ``"cuda"`` where a GPU can be used, else ``"cpu"``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def require_device(precision: Precision, path: Path) -> None:
    """Refuse to go on with what was started on a GPU where there is none.

    Raises
    ------
    RunError
        If there is none; `path` is what was started.
    """
    if precision.device == "cuda" and choose_device() != "cuda":
        raise RunError(f"{path} was started on a GPU, and there is none here; resume it there")


def choose_precision(
    network: nn.Module,
    batch_size: int,
    number_format: NumberFormat | Literal["measured"] = "measured",
) -> Precision:
    """Time training steps in float32 and bfloat16, with channels first and last; take the fastest.

    Processors differ: with AMX, bfloat16 is several times faster than float32; without, it is
    emulated and slower. bfloat16 must be at least 1.2 times as fast to be taken.

    Parameters
    ----------
    network : Module
        A copy of it is timed; its weights and the random state stay as they are.
    batch_size : int
    number_format : {"measured", "float32", "bfloat16"}
        As the settings say; nothing is timed where they say which.

    Returns
    -------
    Precision
    """
    device = choose_device()
    if number_format != "measured":
        return Precision(device, number_format, channels_last=True, reason="as the settings say")
    candidates = [
        Precision(device, candidate, channels_last, "")
        for candidate in get_args(NumberFormat)
        for channels_last in (False, True)
    ]
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), one_thread():
        seconds = _fastest_in_turns(
            [training_step(network, batch_size, precision) for precision in candidates], device
        )
    times = {
        (candidate.number_format, candidate.channels_last): time
        for candidate, time in zip(candidates, seconds, strict=True)
    }
    fastest = {
        candidate: min((False, True), key=lambda last: times[candidate, last])
        for candidate in get_args(NumberFormat)
    }
    plain = times["float32", fastest["float32"]]
    rounded = times["bfloat16", fastest["bfloat16"]]
    gain = plain / rounded
    chosen: NumberFormat = "bfloat16" if gain >= _LEAST_GAIN else "float32"
    reason = (
        f"measured on {_PROCESSOR[device]} for {batch_size} images a step: float32 "
        f"{plain * 1e3:.1f} ms, bfloat16 {rounded * 1e3:.1f} ms ({gain:.2f} times as fast; taken "
        f"from {_LEAST_GAIN} on)"
    )
    return Precision(device, chosen, fastest[chosen], reason)


def training_step(network: nn.Module, batch_size: int, precision: Precision) -> Callable[[], None]:
    """Return what takes a step of training, without the optimizer's, on a copy of `network`.

    Parameters
    ----------
    network : Module
    batch_size : int
    precision : Precision

    Returns
    -------
    callable
        Its first call on a processor is slow, since kernels are chosen in it.
    """
    trial = precision.place(copy.deepcopy(network)).train()
    images = torch.randint(0, 256, (batch_size, IMAGE_SIZE, IMAGE_SIZE), dtype=torch.uint8)
    images = images.to(precision.device)

    def step() -> None:
        with precision.autocast():
            loss = trial(images).logsumexp(dim=1).mean()
        loss.backward()

    if precision.device == "cpu":
        return step
    for _ in range(_FIRST_STEPS):
        with aside():
            step()
    trial.zero_grad()
    return record(step)  # as it is trained


def _fastest_in_turns(actions: Sequence[Callable[[], None]], device: str) -> list[float]:
    """Time every action several times, in turns; return the fewest seconds of each.

    The first ones are slow, since kernels are chosen in them; and other programs only ever make an
    action slower.
    """
    fewest = [math.inf] * len(actions)
    for _ in range(_REPEATS):
        for position, action in enumerate(actions):
            fewest[position] = min(fewest[position], _seconds(action, device))
    return fewest


def _seconds(action: Callable[[], None], device: str) -> float:
    if device == "cpu":
        start = _processor_seconds()
        action()
        return _processor_seconds() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    action()
    torch.cuda.synchronize()
    return time.perf_counter() - start


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on the processor with one thread meanwhile."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
