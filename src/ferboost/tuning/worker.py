"""A process that tries points: one JSON object a line comes in, and goes out.

In: first `Setup`, then a `Task` for every trial, and within one a `Reply` to every `Epoch`. Out:
first `Ready`, then for every task its epochs and a `Verdict`.
"""

import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import TextIO, TypeVar

from pydantic import BaseModel

from ferboost.cnn.curves import EpochRecord
from ferboost.cnn.network import build_network
from ferboost.cnn.precision import Precision, choose_device, choose_precision
from ferboost.errors import SettingsError, TrainingDivergedError
from ferboost.runs import Run
from ferboost.tuning.faces import open_faces
from ferboost.tuning.messages import Epoch, Ready, Reply, Setup, Task
from ferboost.tuning.outcomes import SeedScore, Verdict
from ferboost.tuning.scoring import Scorer, StoppedError

_Message = TypeVar("_Message", bound=BaseModel)


class _Channel:
    """What this process says to the one that started it, and hears from it."""

    def __init__(self, incoming: TextIO, outgoing: TextIO) -> None:
        self._outgoing = outgoing
        self._inbox: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, args=(incoming,), daemon=True).start()

    def send(self, message: BaseModel) -> None:
        self._outgoing.write(message.model_dump_json() + "\n")
        self._outgoing.flush()

    def receive(self, kind: type[_Message]) -> _Message:
        return kind.model_validate_json(self._inbox.get())

    def _listen(self, incoming: TextIO) -> None:
        for line in incoming:
            self._inbox.put(line)
        os._exit(0)  # whoever started this process is gone, so nobody waits for the trial


def main() -> None:
    """Try points until the other side hangs up."""
    outgoing = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever prints, prints into the log
    channel = _Channel(sys.stdin, outgoing)
    setup = channel.receive(Setup)
    run = None if setup.run is None else Run.open(Path(setup.run))
    try:
        precision = None if run else setup.precision or _measure(setup)
    except SettingsError as error:
        channel.send(Ready(error=str(error)))
        return
    scorer = Scorer(open_faces(Path(setup.faces)), setup.classes, run)
    channel.send(Ready(precision=precision))
    while True:
        channel.send(_try(channel, scorer, channel.receive(Task), precision))


def _measure(setup: Setup) -> Precision:
    settings = setup.settings
    network = build_network(settings.cnn, setup.classes)
    if settings.number_format == "measured":
        return choose_precision(network, settings.cnn.batch_size)
    return Precision(
        choose_device(), settings.number_format, channels_last=True, reason="as the settings say"
    )


def _try(channel: _Channel, scorer: Scorer, task: Task, precision: Precision | None) -> Verdict:
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
        except SettingsError as error:
            return verdict("refused", str(error))
    return verdict("done")


if __name__ == "__main__":
    main()
