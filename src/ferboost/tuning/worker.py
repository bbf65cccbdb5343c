"""A process that tries points: one JSON object a line comes in, and goes out.

In: first `Setup`, then a `Task` for every trial, and within one a `Reply` to every `Epoch`. Out:
first `Ready`, then for every task its epochs and a `Verdict`.
"""

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from ferboost.cnn.precision import Precision
from ferboost.curves import EpochRecord
from ferboost.errors import DataError, SettingsError, TrainingDivergedError
from ferboost.runs import Run
from ferboost.tuning.faces import StudyFaces, open_faces
from ferboost.tuning.jobs import measure_precision
from ferboost.tuning.messages import Epoch, Ready, Reply, Setup, Task
from ferboost.tuning.outcomes import SeedScore, Verdict
from ferboost.tuning.scoring import Scorer, StoppedError

__all__ = ["Channel", "main", "open_channel", "try_points"]

_Message = TypeVar("_Message", bound=BaseModel)


class Channel:
    """What a worker says to whoever started it, and hears from there.

    Parameters
    ----------
    say : callable
        Takes a line of JSON.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._inbox: queue.SimpleQueue[str] = queue.SimpleQueue()

    def put(self, line: str) -> None:
        """Take what the other side has said."""
        self._inbox.put(line)

    def send(self, message: BaseModel) -> None:
        """Say something."""
        self._say(message.model_dump_json())

    def receive(self, kind: type[_Message]) -> _Message:
        """Wait for a message."""
        return kind.model_validate_json(self._inbox.get())


def open_channel() -> Channel:
    """Return the channel to whoever started this process, which ends when that hangs up."""
    outgoing = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever prints, prints into the log

    def say(line: str) -> None:
        outgoing.write(f"{line}\n")
        outgoing.flush()

    channel = Channel(say)
    threading.Thread(target=_listen, args=(channel,), daemon=True).start()
    return channel


def main() -> None:
    """Try points until the other side hangs up."""
    try_points(open_channel(), open_faces)


def try_points(channel: Channel, faces: Callable[[Path], StudyFaces]) -> None:
    """Try the points that are asked for, for ever; end only where it cannot begin.

    Parameters
    ----------
    channel : Channel
    faces : callable
        Given the folder that `Setup` names, returns what is in it.
    """
    setup = channel.receive(Setup)
    run = None if setup.run is None else Run.open(Path(setup.run))
    try:
        precision = (
            None if run else setup.precision or measure_precision(setup.settings, setup.classes)
        )
    except SettingsError as error:
        channel.send(Ready(error=str(error)))
        return
    scorer = Scorer(faces(Path(setup.faces)), setup.classes, run, setup.costs)
    channel.send(Ready(precision=precision))
    while True:
        channel.send(_try(channel, scorer, channel.receive(Task), precision))


def _listen(channel: Channel) -> None:
    for line in sys.stdin:
        channel.put(line)
    os._exit(0)  # whoever started this process is gone, so nobody waits for the trial


def _try(channel: Channel, scorer: Scorer, task: Task, precision: Precision | None) -> Verdict:
    start = time.perf_counter()
    scores: list[SeedScore] = []

    def verdict(status: str, reason: str = "") -> Verdict:
        seconds = time.perf_counter() - start
        return Verdict.model_validate(
            {"status": status, "reason": reason, "seconds": seconds, "seeds": scores}
        )

    for position, seed in enumerate(task.settings.seeds):

        def on_epoch(history: list[EpochRecord], loss: float, position: int = position) -> None:
            channel.send(Epoch(position=position, record=history[-1], loss=loss))
            if not channel.receive(Reply).go_on:
                raise StoppedError(history)

        try:
            scores.append(scorer.score(task.settings, task.variant, seed, precision, on_epoch))
        except StoppedError as stop:
            scores.append(SeedScore(seed=seed, history=tuple(stop.history)))
            return verdict("stopped", f"stopped after epoch {len(stop.history)}")
        except TrainingDivergedError as error:
            return verdict("diverged", str(error))
        except (SettingsError, DataError) as error:
            return verdict("refused", str(error))
    return verdict("done")


if __name__ == "__main__":
    main()
