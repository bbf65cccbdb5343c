"""A process that trains as a trial would, to see how fast: `Pace` comes in, then `Measure`s.

It says `Steps` when it can begin, and after each `Measure`.
"""

import time
from collections.abc import Callable

from ferboost.cnn.network import build_network
from ferboost.cnn.precision import training_step
from ferboost.tuning.messages import Measure, Pace, Steps
from ferboost.tuning.worker import open_channel

__all__ = ["main"]


def main() -> None:
    """Train for as long as is asked for, until the other side hangs up."""
    channel = open_channel()
    pace = channel.receive(Pace)
    network = build_network(pace.settings.cnn, pace.classes)
    step = training_step(network, pace.settings.cnn.batch_size, pace.precision)
    step()  # kernels are chosen in the first one
    channel.send(Steps(per_second=0.0))
    while True:
        channel.send(Steps(per_second=_rate(step, channel.receive(Measure).seconds)))


def _rate(step: Callable[[], None], seconds: float) -> float:
    started, steps = time.perf_counter(), 0
    while (took := time.perf_counter() - started) < seconds:
        step()
        steps += 1
    return steps / took


if __name__ == "__main__":
    main()
