"""How long the models of a run take to predict: the networks, the trees, and both in one go."""

import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from ferboost.evaluation.results import PredictTime
from ferboost.features import tap_features
from ferboost.models import SeedModel
from ferboost.progress import Tell
from ferboost.variants import CNN, FOLD_CNNS

__all__ = ["time_predictions"]

_REPEATS = 3
_LONG = 10.0
# Of all images, the first ones: the others take as long.
_IMAGES = 1000


def time_predictions(
    model: SeedModel,
    images: NDArray[np.uint8],
    variants: Sequence[str],
    tell: Tell | None = None,
) -> dict[str, PredictTime]:
    """Time variants of a model on images.

    The first 1,000 images are timed, and the others taken to be as fast; the same networks are
    timed once.

    Parameters
    ----------
    model : SeedModel
    images : ndarray of uint8, shape (n, 48, 48)
    variants : sequence of str
    tell : callable, optional
        Hears of as great a share of the images as of the variants, so that it can go on from what
        predicting them told.
    """
    of_networks: dict[tuple[int, ...], float] = {}
    some = images[:_IMAGES]
    times: dict[str, PredictTime] = {}
    for variant in variants:
        own = _time_variant(model, some, variant, of_networks)
        times[variant] = own.of_more(len(images) / len(some))
        if tell is not None:
            tell(len(images) * len(times) // len(variants), len(images), "")
    return times


def _time_variant(
    model: SeedModel,
    images: NDArray[np.uint8],
    variant: str,
    of_networks: dict[tuple[int, ...], float],
) -> PredictTime:
    whole = _median_seconds(lambda: model.probabilities_of(images, variant))
    if variant in {CNN, FOLD_CNNS}:
        if variant == CNN:
            of_networks[id(model.network),] = whole
        return PredictTime(cnn=whole, trees=0.0, whole=whole)
    members = [member for member, _ in model.members(variant)]
    networks = [network for member in members for network in member.networks(variant)]
    given = [member.features(images, [variant]) for member in members]

    def trees() -> None:
        for member, features in zip(members, given, strict=True):
            member.boosted(features, variant)

    def run_networks() -> None:
        for network in networks:
            tap_features(network, images, ["output"])

    key = tuple(map(id, networks))
    if networks and key not in of_networks:
        of_networks[key] = _median_seconds(run_networks)
    return PredictTime(cnn=of_networks.get(key, 0.0), trees=_median_seconds(trees), whole=whole)


def _median_seconds(action: Callable[[], object]) -> float:
    """Time an action, again where that is soon done."""
    seconds: list[float] = []
    while len(seconds) < _REPEATS and sum(seconds) < _LONG:
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return median(seconds)
