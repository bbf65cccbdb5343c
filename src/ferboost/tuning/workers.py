"""What tries points: workers, here processes that share the cores of this machine."""

import os
import queue
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from ferboost.files import storage_errors

__all__ = [
    "Heard",
    "ProcessPool",
    "ProcessWorker",
    "Worker",
    "WorkerPool",
    "available_cores",
    "process_pool",
]

# What a process runs, if nothing else is asked for.
_TRIES = "ferboost.tuning.worker"


def available_cores() -> int:
    """Return the cores that this process may use: fewer where OMP_NUM_THREADS says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores or 1, int(asked)) if asked.isdecimal() and int(asked) else cores or 1


class Worker(ABC):
    """Tries points, and says by a line of JSON what comes out."""

    @abstractmethod
    def send(self, message: BaseModel) -> None:
        """Say something to it; if it has ended, its end is heard of anyway."""

    @abstractmethod
    def end(self) -> None:
        """End it."""

    @abstractmethod
    def how_it_ended(self) -> str:
        """Return, of one that has hung up, how it ended and the last that it printed."""

    def was_taken_away(self) -> bool:
        """Say, of one that has hung up, whether its machine is gone, whatever it did there."""
        return False


class ProcessWorker(Worker):
    """A process on this machine.

    Parameters
    ----------
    log : Path
        What it prints goes there.
    threads : int
    inbox : SimpleQueue of Heard
        Where all that it says is put, and its end.
    module : str
        What it runs.
    """

    def __init__(
        self, log: Path, threads: int, inbox: "queue.SimpleQueue[Heard]", module: str = _TRIES
    ) -> None:
        self.log = log
        root = str(Path(__file__).parents[2])  # what holds the package ferboost
        search = os.environ.get("PYTHONPATH")
        environment = {
            "PYTHONPATH": os.pathsep.join([root, search] if search else [root]),
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
        }
        with storage_errors(log), log.open("ab") as errors:
            # In a session of its own, so that Ctrl-C reaches only the process that answers for it.
            self._process = subprocess.Popen(  # noqa: S603 - what it runs is a module of ours
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | environment,
                text=True,
                encoding="utf-8",
                start_new_session=True,
            )
        self._inbox = inbox
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def send(self, message: BaseModel) -> None:
        """Say something to the process."""
        stream = self._process.stdin
        with suppress(BrokenPipeError):
            if stream is not None:
                stream.write(message.model_dump_json() + "\n")
                stream.flush()

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                if stream is not None:
                    stream.close()

    def how_it_ended(self) -> str:
        """Return how the process ended, and the last that it printed."""
        code = self._process.wait()
        lines = self.log.read_text("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"its process ended ({how}{': ' + last if last and code > 0 else ''})"

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self._inbox.put(Heard(self, line))
        self._inbox.put(Heard(self, None))


@dataclass(frozen=True)
class Heard:
    """What a worker said, a line of JSON; None when it has ended."""

    worker: Worker
    line: str | None


class WorkerPool(ABC):
    """Starts workers, and hears all of them."""

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._workers: list[Worker] = []

    @abstractmethod
    def _make(self, inbox: "queue.SimpleQueue[Heard]") -> Worker:
        """Start a worker that puts what it says there."""

    def start(self) -> Worker:
        """Start a worker."""
        worker = self._make(self._inbox)
        self._workers.append(worker)
        return worker

    def hear(self, seconds: float | None = None) -> Heard | None:
        """Wait until a worker says something or ends; None where that takes too long."""
        try:
            return self._inbox.get(timeout=seconds)
        except queue.Empty:
            return None

    def end(self, worker: Worker) -> None:
        """End a worker, and forget it."""
        worker.end()
        self._workers.remove(worker)

    def end_all(self) -> None:
        """End all workers."""
        for worker in list(self._workers):
            self.end(worker)


class ProcessPool(WorkerPool):
    """Starts processes on this machine.

    Parameters
    ----------
    folder : Path
        For their logs.
    threads : int
        Of each.
    module : str
        What each runs.
    """

    def __init__(self, folder: Path, threads: int, module: str = _TRIES) -> None:
        super().__init__()
        self._folder = folder
        self._threads = threads
        self._module = module
        self._started = 0

    def _make(self, inbox: "queue.SimpleQueue[Heard]") -> ProcessWorker:
        self._started += 1
        log = self._folder / f"worker-{self._started}.log"
        with storage_errors(log):
            log.parent.mkdir(parents=True, exist_ok=True)
            log.unlink(missing_ok=True)
        return ProcessWorker(log, self._threads, inbox, self._module)


@contextmanager
def process_pool(folder: Path, jobs: int, module: str = _TRIES) -> Iterator[ProcessPool]:
    """Yield a pool whose `jobs` processes share the cores out, and that ends with the block."""
    pool = ProcessPool(folder, max(1, available_cores() // jobs), module)
    try:
        yield pool
    finally:
        pool.end_all()
