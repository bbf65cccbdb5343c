"""``ferboost``, whose second process dies at the end of its second epoch; started by torchrun."""

import os
import signal
from collections.abc import Iterable

from torch import nn

from ferboost.cli import main
from ferboost.cnn.group import Group

averaged = Group.average
calls = 0


def average(self: Group, networks: Iterable[nn.Module]) -> None:
    global calls  # noqa: PLW0603
    calls += 1
    if self.rank == 1 and calls == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    averaged(self, networks)


Group.average = average  # type: ignore[method-assign]
main()
