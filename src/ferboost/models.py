"""The trained models of a run: one CNN a seed, and trees on its taps."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from ferboost.boosting import BoostedTrees
from ferboost.cnn.checkpoint import load_weights
from ferboost.cnn.network import FaceNetwork, build_network
from ferboost.evaluation.results import PredictTime
from ferboost.features import feature_matrix, pixel_features, tap_features
from ferboost.runs import Run

__all__ = ["SeedModel", "load_seed_model", "network_path", "trees_path"]

_TIMED_REPEATS = 3


def network_path(folder: Path) -> Path:
    """Return where the CNN of a seed is kept."""
    return folder / "network.safetensors"


def trees_path(folder: Path, tap: str) -> Path:
    """Return where the trees on a tap are kept."""
    return folder / f"trees-{tap}.ubj"


@dataclass(frozen=True, eq=False)
class SeedModel:
    """A CNN and the trees on its taps.

    Attributes
    ----------
    network : FaceNetwork
    trees : dict of str to BoostedTrees
        By tap, ``"pixels"`` included.
    """

    network: FaceNetwork
    trees: dict[str, BoostedTrees]

    @property
    def variants(self) -> tuple[str, ...]:
        """``"cnn"``, then the taps that have trees."""
        return ("cnn", *self.trees)

    def probabilities(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Return the probabilities that each variant gives.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, 48, 48)

        Returns
        -------
        dict of str to ndarray of float32, shape (n, classes)
        """
        taps = {"output", *self.trees} - {"pixels"}
        features = tap_features(self.network, images, taps)
        if "pixels" in self.trees:
            features["pixels"] = pixel_features(images)
        trees = {tap: model.predict_proba(features[tap]) for tap, model in self.trees.items()}
        return {"cnn": features["output"], **trees}

    def predict_time(self, images: NDArray[np.uint8], variant: str) -> PredictTime:
        """Time one variant on `images`: the network, the trees, and both in one go."""
        if variant == "cnn":
            seconds = _median_seconds(lambda: tap_features(self.network, images, ["output"]))
            return PredictTime(cnn=seconds, trees=0.0, whole=seconds)

        def features() -> NDArray[np.float32]:
            return feature_matrix(self.network, images, variant)

        given = features()
        trees = self.trees[variant]
        return PredictTime(
            cnn=0.0 if variant == "pixels" else _median_seconds(features),
            trees=_median_seconds(lambda: trees.predict_proba(given)),
            whole=_median_seconds(lambda: trees.predict_proba(features())),
        )


def load_seed_model(run: Run, seed: int) -> SeedModel:
    """Read the models of one seed of a run.

    Raises
    ------
    RunError
        If the seed is not trained yet, or a file is damaged.
    """
    folder = run.seed_path(seed)
    classes = len(run.record.classes)
    network = build_network(run.settings.cnn, classes)
    if not network_path(folder).exists():
        raise run.unfinished(f"seed {seed} has no trained CNN")
    load_weights(network_path(folder), network)
    network.eval()
    trees: dict[str, BoostedTrees] = {
        tap: BoostedTrees.load(trees_path(folder, tap), run.settings.trees, classes)
        for tap in run.settings.trees.taps
        if trees_path(folder, tap).exists()
    }
    return SeedModel(network, trees)


def _median_seconds(action: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_TIMED_REPEATS):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return median(seconds)
