"""How long a training takes on this machine, by measuring a few steps of it."""

import time
from collections.abc import Callable
from math import ceil

import numpy as np
import torch

from ferboost.boosting import BoostedTrees
from ferboost.cnn.network import build_network
from ferboost.cnn.precision import Precision
from ferboost.config import CNNSettings, TreeSettings
from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.errors import SettingsError

__all__ = ["CostMeter", "tree_seconds"]

_STEPS = 3
# Beyond its steps, an epoch judges the validation images and draws its order.
_OVERHEAD = 1.25
#: Settings that a step takes as long with, whatever they are.
_FREE = ("learning_rate", "l2", "epochs", "patience", "dropout")
_ROUNDS = 2


class CostMeter:
    """Tells seconds per epoch; every shape of network is measured once.

    Parameters
    ----------
    precision : Precision
        What is trained in.
    images, classes : int
        Training images of an epoch, and their classes.
    """

    def __init__(self, precision: Precision, images: int, classes: int) -> None:
        self._precision = precision
        self._images = images
        self._classes = classes
        self._seconds: dict[str, float] = {}

    def epoch_seconds(self, settings: CNNSettings) -> float:
        """Return how long an epoch takes; 0 for a network that cannot be."""
        shape = settings.model_dump_json(exclude=set(_FREE))
        if shape not in self._seconds:
            try:
                self._seconds[shape] = self._measure(settings)
            except SettingsError:
                self._seconds[shape] = 0.0
        return self._seconds[shape]

    def _measure(self, settings: CNNSettings) -> float:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            network = self._precision.place(build_network(settings, self._classes)).train()
            optimizer = torch.optim.Adam(network.parameters())
            size = (settings.batch_size, IMAGE_SIZE, IMAGE_SIZE)
            images = torch.randint(0, 256, size, dtype=torch.uint8)
            images = images.to(self._precision.device)

            def step() -> float:
                with self._precision.autocast():
                    loss = network(images).logsumexp(dim=1).mean()
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                return float(loss.detach())

            step()  # kernels are chosen in the first one
            seconds = _fewest_seconds(step)
        return _OVERHEAD * seconds * ceil(self._images / settings.batch_size)


def tree_seconds(settings: TreeSettings, images: int, features: int, classes: int) -> float:
    """Return about how long trees take to grow on so many images and features."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((images, features), dtype=np.float32)
    y = generator.integers(0, classes, images)
    few = settings.model_copy(update={"rounds": _ROUNDS, "early_stopping": None})
    trees = BoostedTrees(few, classes=classes, seed=0)
    return _fewest_seconds(lambda: trees.fit(x, y), 1) / _ROUNDS * settings.rounds


def _fewest_seconds(action: Callable[[], object], repeats: int = _STEPS) -> float:
    """Time an action several times; other programs only ever make it slower."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)
