"""How many trainings at a time use the cores best, by measuring them."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch

from ferboost.cnn.network import build_network
from ferboost.cnn.precision import Precision, choose_device, choose_precision, training_step
from ferboost.config import Settings
from ferboost.tuning.workers import available_cores

__all__ = ["Jobs", "choose_jobs", "gain_of_jobs", "measure_precision"]

# Several at a time need as many times the memory: they have to be clearly faster to be worth it.
_LEAST_GAIN = 1.15
_MOST_JOBS = 4
_SECONDS = 0.75
_TURNS = 3


@dataclass(frozen=True)
class Jobs:
    """How many trainings there are at a time: the result of `choose_jobs`, with its reason.

    Attributes
    ----------
    number : int
    gain : float
        How many times as fast as one at a time they are.
    reason : str
    """

    number: int
    gain: float
    reason: str

    def describe(self) -> str:
        """Say what was chosen and why, in one line."""
        return f"{self.number} at a time: {self.reason}"


def measure_precision(settings: Settings, classes: int) -> Precision:
    """Choose what the network of some settings is trained in.

    Raises
    ------
    SettingsError
        If the network cannot be.
    """
    network = build_network(settings.cnn, classes)
    return choose_precision(network, settings.cnn.batch_size, settings.number_format)


def choose_jobs(settings: Settings, classes: int, most: int, precision: Precision | None) -> Jobs:
    """Time training steps of several networks at a time, and of one on all cores.

    A small network leaves cores waiting for each other; several share them better. A large one
    gains little, and several of it take as many times the memory.

    Parameters
    ----------
    settings : Settings
        What the trainings start from.
    classes : int
    most : int
        Trainings that there are.
    precision : Precision or None
        What they are done in; None where it is not measured yet.

    Returns
    -------
    Jobs
        One on a GPU, where there is a single core or training, and where several cannot be tried.
    """
    number = min(available_cores(), _MOST_JOBS, most)
    if number < 2:
        return Jobs(1, 1.0, "there is no more than one training or core")
    if choose_device() != "cpu":
        return Jobs(1, 1.0, "they share the GPU")
    try:
        precision = precision or measure_precision(settings, classes)
        gain = gain_of_jobs(settings, precision, classes, number)
    except (RuntimeError, MemoryError) as error:
        return Jobs(1, 1.0, f"{number} could not be tried ({str(error).splitlines()[0]})")
    reason = f"measured {gain:.2f} times as fast as one (taken from {_LEAST_GAIN} on)"
    if gain < _LEAST_GAIN:
        return Jobs(1, 1.0, f"{number} are {reason}")
    return Jobs(number, gain, reason)


def gain_of_jobs(settings: Settings, precision: Precision, classes: int, number: int) -> float:
    """Measure how many times as fast as one at a time so many trainings are.

    Threads stand in for processes: they compete for cores and memory in the same way.

    Parameters
    ----------
    settings : Settings
    precision : Precision
    classes : int
    number : int
        At a time; the cores are shared out. No more than four are tried.

    Returns
    -------
    float
        At most their number; 1 on a GPU, whose kernels take turns anyway.
    """
    number = min(number, _MOST_JOBS)
    if number == 1 or precision.device != "cpu":
        return 1.0
    cores, threads = available_cores(), torch.get_num_threads()

    def together() -> float:
        each = [pool.submit(_rate, step, max(1, cores // number)) for step in steps]
        return sum(rate.result() for rate in each)

    try:
        with torch.random.fork_rng(devices=[]), ThreadPoolExecutor(number) as pool:
            network = build_network(settings.cnn, classes)
            batch_size = settings.cnn.batch_size
            steps = [training_step(network, batch_size, precision) for _ in range(number)]
            # In turns, and the best of each: other programs only ever make either slower.
            rates = [(_rate(steps[0], cores), together()) for _ in range(_TURNS)]
    finally:
        torch.set_num_threads(threads)
    alone, shared = zip(*rates, strict=True)
    return float(min(max(shared) / max(alone), number))


def _rate(step: Callable[[], None], threads: int) -> float:
    """Return steps a second on so many threads of torch's; others may do the same meanwhile."""
    torch.set_num_threads(threads)
    step()  # kernels are chosen in the first one
    started, steps = time.perf_counter(), 0
    while (took := time.perf_counter() - started) < _SECONDS:
        step()
        steps += 1
    return steps / took
