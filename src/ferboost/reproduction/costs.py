"""How long a training takes on this machine, by measuring a few steps of it."""

import copy
import time
from collections.abc import Callable
from math import ceil
from statistics import fmean

import numpy as np
import torch

from ferboost.baselines import new_baseline
from ferboost.boosting import BoostedTrees
from ferboost.cnn.group import current_group
from ferboost.cnn.network import FaceNetwork, build_network
from ferboost.cnn.precision import Precision
from ferboost.cnn.stepping import TrainingStep, new_optimizer
from ferboost.config import CNNSettings, Settings, TreeSettings
from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.errors import SettingsError
from ferboost.features import feature_matrix
from ferboost.variants import STACKED, groups_of, is_distance, layer_of
from ferboost.views import views_of

__all__ = ["CostMeter", "all_trees_seconds", "tree_seconds"]

_STEPS = 3
# By device: kernels are chosen in the first; on a GPU, where a step is recorded, in several.
_FIRST_STEPS = {"cpu": 1, "cuda": 5}
# Beyond its steps, an epoch judges the validation images and draws its order.
_OVERHEAD = 1.25
#: Settings that a step takes as long with, whatever they are.
_FREE = ("learning_rate", "l2", "epochs", "patience", "dropout")
_ROUNDS = 2
_BASELINE_ROWS = 2000
_OBSERVED_SECONDS = 5.0
# One experiment that went fast does not show that the next will.
_MOST_GAIN = 0.5


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
        self._slowdown = 1.0

    def observe(self, settings: CNNSettings) -> None:
        """Train some steps, and see how much longer they take than the fastest of them.

        Other programs make that longer, and a budget has to do with what they leave.
        """
        step = self._step_of(settings)
        times: list[float] = []
        while sum(times) < _OBSERVED_SECONDS:
            times.append(_seconds_of(step))
        shape = _shape_of(settings)
        self._seconds[shape] = self._epoch_of(min(times), settings)
        self._slowdown = max(1.0, fmean(times) / min(times))

    def learn(self, expected: float, took: float) -> None:
        """Correct what is said from now on, after what was to take `expected` seconds is over."""
        if expected > 0:
            self._slowdown *= max(_MOST_GAIN, took / expected)

    def epoch_seconds(self, settings: CNNSettings) -> float:
        """Return how long an epoch takes; 0 for a network that cannot be."""
        shape = _shape_of(settings)
        if shape not in self._seconds:
            try:
                step = self._step_of(settings)
                self._seconds[shape] = self._epoch_of(_fewest_seconds(step), settings)
            except SettingsError:
                self._seconds[shape] = 0.0
        return self._seconds[shape] * self._slowdown

    def _epoch_of(self, step: float, settings: CNNSettings) -> float:
        return _OVERHEAD * step * ceil(self._images / settings.batch_size)

    def _step_of(self, settings: CNNSettings) -> Callable[[], float]:
        """Return a step of training, after the first ones."""
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            network = build_network(settings, self._classes).train()
            self._precision.place(network)
            size = (settings.batch_size, IMAGE_SIZE, IMAGE_SIZE)
            images = torch.randint(0, 256, size, dtype=torch.uint8)
            labels = torch.randint(0, self._classes, size[:1])
        training = TrainingStep(
            network,
            copy.deepcopy(network) if settings.averaging else network,
            new_optimizer(network, settings),
            settings=settings,
            precision=self._precision,
            group=current_group(),
        )
        device = self._precision.device
        batch = {"images": images.to(device), "labels": labels.to(device)}

        def step() -> float:
            with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
                training.take(batch, rate=1.0, share=1.0)
            return float(training.sums[0])

        for _ in range(_FIRST_STEPS[device]):
            step()
        return step


def _shape_of(settings: CNNSettings) -> str:
    return settings.model_dump_json(exclude=set(_FREE))


def tree_seconds(
    settings: TreeSettings, images: int, features: int, classes: int, baseline: str | None = None
) -> float:
    """Return about how long trees take to grow on so many images and features.

    Parameters
    ----------
    settings : TreeSettings
    images, features, classes : int
    baseline : str, optional
        Which of `ferboost.variants.BASELINES` is fitted instead.
    """
    few = settings.model_copy(update={"rounds": _ROUNDS, "early_stopping": None})
    rounds, rows = settings.rounds / _ROUNDS, images
    if baseline in {"logistic", "mlp"}:  # they have steps of their own, each linear in the rows
        rounds, rows = 1.0, min(images, _BASELINE_ROWS)
    generator = np.random.default_rng(0)
    x = generator.standard_normal((rows, features), dtype=np.float32)
    y = np.arange(rows) % classes
    trees = (
        BoostedTrees(few, classes, seed=0)
        if baseline is None
        else new_baseline(baseline, few, classes, seed=0, residual=False)
    )
    return _fewest_seconds(lambda: trees.fit(x, y), 1) * rounds * images / rows


def all_trees_seconds(settings: Settings, images: int, classes: int) -> float:
    """Return about how long all trees and baselines on the taps of one seed take to grow.

    Out of fold they grow on as many images, part by part. Early stopping may make it less.
    """
    trees = settings.trees
    network = build_network(settings.cnn, classes)
    rows = images * (len(views_of(trees.views)) if trees.view_rows else 1)
    each = sum(
        tree_seconds(trees, rows, width, classes, baseline)
        for width in (_width(network, tap, trees, classes) for tap in trees.taps)
        for baseline in (None, *trees.baselines)
    )
    return each * (2 if trees.mode == "both" else 1)


def _width(network: FaceNetwork, tap: str, settings: TreeSettings, classes: int) -> int:
    """Return how many values the trees on a tap see."""
    face = np.zeros((1, IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    width = 0
    for group in groups_of(tap):
        if is_distance(group):
            width += classes
        elif group == STACKED:
            width += classes * len(settings.stacked)
        else:
            width += feature_matrix(network, face, layer_of(group)).shape[1]
    return width


def _fewest_seconds(action: Callable[[], object], repeats: int = _STEPS) -> float:
    """Time an action several times; other programs only ever make it slower."""
    return min(_seconds_of(action) for _ in range(repeats))


def _seconds_of(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
