"""How many trainings at a time use the cores best, by measuring them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ferboost.cnn.network import build_network
from ferboost.cnn.precision import Precision, choose_device, choose_precision
from ferboost.config import Settings
from ferboost.tuning.messages import Measure, Pace, Steps
from ferboost.tuning.workers import Worker, WorkerPool, available_cores, process_pool

__all__ = ["Jobs", "choose_jobs", "gain_of_jobs", "jobs_as_asked", "measure_precision"]

# Several at a time need as many times the memory: they have to be clearly faster to be worth it.
_LEAST_GAIN = 1.15
_MOST_JOBS = 4
_SECONDS = 0.75
_TURNS = 3
# A process that says nothing for so long is stuck.
_PATIENCE = 120.0
_PACER = "ferboost.tuning.pacer"
# Too little memory, of whatever kind, or disk.
_FAILURES = (RuntimeError, MemoryError, OSError)


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
    except _FAILURES as error:
        return Jobs(1, 1.0, f"{number} could not be tried ({_first_line(error)})")
    reason = f"measured {gain:.2f} times as fast as one (taken from {_LEAST_GAIN} on)"
    if gain < _LEAST_GAIN:
        return Jobs(1, 1.0, f"{number} are {reason}")
    return Jobs(number, gain, reason)


def jobs_as_asked(settings: Settings, classes: int, number: int, precision: Precision) -> Jobs:
    """Take as many trainings at a time as were asked for, and measure what that gains.

    Parameters
    ----------
    settings : Settings
        What the trainings start from.
    classes : int
    number : int
    precision : Precision
        What they are done in.
    """
    try:
        gain = gain_of_jobs(settings, precision, classes, number)
    except _FAILURES as error:
        return Jobs(number, 1.0, f"not measured ({_first_line(error)})")
    return Jobs(number, gain, f"measured {gain:.2f} times as fast as one")


def gain_of_jobs(settings: Settings, precision: Precision, classes: int, number: int) -> float:
    """Measure how many times as fast as one at a time so many trainings are.

    Parameters
    ----------
    settings : Settings
    precision : Precision
    classes : int
    number : int
        At a time, each a process; they share the cores out. No more than four are tried.

    Returns
    -------
    float
        At most their number; 1 on a GPU, whose kernels take turns anyway.

    Raises
    ------
    RuntimeError, OSError
        If a process does not begin, or ends.
    """
    number = min(number, _MOST_JOBS)
    if number == 1 or precision.device != "cpu":
        return 1.0
    pace = Pace(settings=settings, classes=classes, precision=precision)
    with (
        TemporaryDirectory(prefix="ferboost-") as folder,
        process_pool(Path(folder) / "one", 1, _PACER) as one,
        process_pool(Path(folder) / "several", number, _PACER) as several,
    ):
        alone, beside = [one.start()], [several.start() for _ in range(number)]
        _tell(alone + beside, pace)
        _hear(one, alone)
        _hear(several, beside)
        # In turns, and the best of each: other programs only ever make either slower.
        rates = [(_rate(one, alone), _rate(several, beside)) for _ in range(_TURNS)]
    gain = max(several for _, several in rates) / max(one for one, _ in rates)
    return min(gain, float(number))


def _rate(pool: WorkerPool, workers: Sequence[Worker]) -> float:
    """Return the steps a second of all of them, at the same time."""
    _tell(workers, Measure(seconds=_SECONDS))
    return _hear(pool, workers)


def _tell(workers: Sequence[Worker], message: Pace | Measure) -> None:
    for worker in workers:
        worker.send(message)


def _hear(pool: WorkerPool, workers: Sequence[Worker]) -> float:
    """Wait until each has said its steps a second, and return their sum."""
    total = 0.0
    for _ in workers:
        heard = pool.hear(_PATIENCE)
        if heard is None:
            raise RuntimeError(f"nothing was heard for {_PATIENCE:.0f} s")
        if heard.line is None:
            raise RuntimeError(heard.worker.how_it_ended())
        total += Steps.model_validate_json(heard.line).per_second
    return total


def _first_line(error: BaseException) -> str:
    return str(error).split("\n")[0]
