"""Runs that SIGKILL ends at given moments, for the tests of resuming.

    python interrupted.py FOLDER tell:7 file:3

starts a run in FOLDER/tell:7 that is killed when it tells its progress for the seventh time, and
one in FOLDER/file:3 that is killed when its third file is written but has not got its name yet. All
are forked from one process, since to import torch and xgboost takes longer than the runs. Prints
the signal that ended each.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ferboost.datasets.dataset import FaceDataset
from ferboost.pipeline import execute_run
from ferboost.progress import Monitor, Tell
from tiny import begin, faces, run_settings

#: Two seeds, so that there are moments between them, and trees after each CNN.
SETTINGS = run_settings(
    {"epochs": 3, "augmentation": "published"}, {"rounds": 3}, seeds=(0, 1), data={"balance": True}
)


def dataset() -> FaceDataset:
    """Return faces with unequal classes, so that balancing copies some."""
    drawn = faces(16)
    chosen = (drawn.labels > 0) | (drawn.splits == "test") | (drawn.images[:, 0, 0] % 2 == 0)
    return drawn.select(chosen)


class CountingMonitor(Monitor):
    """Counts how often progress is told; the last time is given, the process is killed."""

    def __init__(self, last: int | None = None) -> None:
        self.told = 0
        self._last = last

    @contextmanager
    def stage(self, description: str) -> Iterator[Tell]:
        yield self._count

    def _count(self, _done: int, _total: int, _detail: str) -> None:
        self.told += 1
        if self.told == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


def _kill_at_file(last: int) -> None:
    synced = 0
    original = os.fsync

    def fsync(descriptor: int) -> None:
        nonlocal synced
        synced += 1
        if synced == last:
            os.kill(os.getpid(), signal.SIGKILL)
        original(descriptor)

    setattr(os, "fsync", fsync)  # noqa: B010 - its own type takes more than a number


def _run_until(folder: Path, moment: str) -> None:
    kind, _, number = moment.partition(":")
    run, prepared = begin(folder / moment, dataset(), SETTINGS)
    if kind == "file":
        _kill_at_file(int(number))
    monitor = CountingMonitor(int(number) if kind == "tell" else None)
    execute_run(run, prepared, monitor)


def main() -> None:
    """Fork one process for each moment, one after the other."""
    folder = Path(sys.argv[1])
    for moment in sys.argv[2:]:
        child = os.fork()
        if child == 0:
            _run_until(folder, moment)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        print(moment, os.WTERMSIG(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
