"""Whether maps explain the model: what removing pixels does, and what random weights leave.

Adebayo et al. (2018) found maps that look convincing and do not depend on what a network has
learnt. So each method is asked about networks whose weights were drawn anew, too.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from torch import nn

from ferboost.cnn.network import FaceNetwork
from ferboost.errors import DataError, SettingsError
from ferboost.evaluation.bootstrap import Measure, cluster_interval
from ferboost.explanation.maps import (
    METHODS,
    Method,
    Predict,
    blur,
    explain_networks,
    networks_of,
)
from ferboost.models import SeedModel
from ferboost.progress import Tell

__all__ = [
    "DEPTHS",
    "ORDERS",
    "SHARES",
    "ExplanationCheck",
    "MethodCheck",
    "check_explanations",
    "randomize",
    "rank_correlation",
    "removal_curves",
]

#: How much of a network is drawn anew, from the output down: a share of its layers; 0: the last.
DEPTHS = (0.0, 0.5, 1.0)
#: Shares of the pixels that are removed, or brought back.
SHARES = tuple(step / 8 for step in range(9))
#: By whose maps pixels are ordered.
ORDERS = ("trained", "randomised", "at random")

#: Given a network and a seed, returns one of the same architecture with random weights.
Draw = Callable[[FaceNetwork, int], FaceNetwork]

# Maps that agree by half or more with those of random weights have survived them.
_SURVIVES = 0.5
# Each explains a few of the faces: as many draws of weights as can be had for one pass.
_NETWORKS = 20


@dataclass(frozen=True)
class MethodCheck:
    """How the maps of one method fared.

    Attributes
    ----------
    method : str
    deletion, insertion : mapping of str to tuple of float
        Mean probability of the verdict where the first `SHARES` of the pixels, in the order of a
        map, are blurred, and where all others are [1]_. By `ORDERS`.
    gain : Measure
        Area between insertion and deletion in the order of the trained model's map, less the same
        in the order of a randomised one's: in probability, mean over faces.
    gain_over_chance : Measure
        The same against a random order.
    wins : float
        Share of the faces where the trained model's order is better than the randomised one's.
    similarity : tuple of Measure
        Rank correlation of the maps of the trained and the randomised model, by `DEPTHS` [2]_.

    References
    ----------
    .. [1] Petsiuk, V., Das, A. & Saenko, K. (2018). RISE: randomized input sampling for explanation
       of black-box models. BMVC.
    .. [2] Adebayo, J. et al. (2018). Sanity checks for saliency maps. NeurIPS.
    """

    method: Method
    deletion: Mapping[str, tuple[float, ...]]
    insertion: Mapping[str, tuple[float, ...]]
    gain: Measure
    gain_over_chance: Measure
    wins: float
    similarity: tuple[Measure, ...]

    @property
    def separates(self) -> bool:
        """Whether the maps tell the trained model from randomised ones, by both checks."""
        return self.gain.interval[0] > 0 and self.similarity[-1].interval[1] < _SURVIVES

    def sentence(self) -> str:
        """Return what the checks found."""
        low, high = self.gain.interval
        alike = self.similarity[-1]
        verdict = (
            f"{self.method} tells the trained model from randomised ones"
            if self.separates
            else f"{self.method} does not tell the trained model from randomised ones: do not "
            "believe its maps"
        )
        return (
            f"{verdict} (removal: {100 * self.gain.value:+.1f} points [{100 * low:.1f}, "
            f"{100 * high:.1f}], better on {100 * self.wins:.0f} % of faces; rank correlation of "
            f"the maps: {alike.value:.2f} [{alike.interval[0]:.2f}, {alike.interval[1]:.2f}])."
        )


@dataclass(frozen=True)
class ExplanationCheck:
    """The checks of all methods on one model.

    Attributes
    ----------
    variant : str
    seed : int
        Of the run, whose model was checked.
    faces : int
    networks : int
        Randomised ones; each explained its share of the faces.
    methods : tuple of MethodCheck
    source : str
        Which faces these are, such as ``"test faces of fer2013.zip"``.
    left_out : int
        Faces beside them that were left out, because the model was made with them.
    """

    variant: str
    seed: int
    faces: int
    networks: int
    methods: tuple[MethodCheck, ...]
    source: str = "faces"
    left_out: int = 0

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return what `from_dict` reads."""
        return {
            "variant": self.variant,
            "seed": self.seed,
            "faces": self.faces,
            "networks": self.networks,
            "source": self.source,
            "left_out": self.left_out,
            "shares": list(SHARES),
            "depths": list(DEPTHS),
            "methods": [
                {
                    "method": own.method,
                    "separates": own.separates,
                    "deletion": {name: list(curve) for name, curve in own.deletion.items()},
                    "insertion": {name: list(curve) for name, curve in own.insertion.items()},
                    "gain": own.gain.to_dict(),
                    "gain_over_chance": own.gain_over_chance.to_dict(),
                    "wins": own.wins,
                    "similarity": [measure.to_dict() for measure in own.similarity],
                }
                for own in self.methods
            ],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "ExplanationCheck":
        """Return what `to_dict` described.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is something else.
        """
        if content["shares"] != list(SHARES) or content["depths"] != list(DEPTHS):
            raise ValueError("it is of another version of ferboost")
        methods = []
        for own in content["methods"]:
            method = next(name for name in get_args(Method) if name == str(own["method"]))
            deletion, insertion = (
                {name: tuple(map(float, own[curves][name])) for name in ORDERS}
                for curves in ("deletion", "insertion")
            )
            gain, chance = (Measure.from_dict(own[n]) for n in ("gain", "gain_over_chance"))
            similarity = tuple(map(Measure.from_dict, own["similarity"]))
            wins = float(own["wins"])
            methods.append(MethodCheck(method, deletion, insertion, gain, chance, wins, similarity))
        seed, faces, networks = (int(content[name]) for name in ("seed", "faces", "networks"))
        source, left_out = str(content.get("source", "faces")), int(content.get("left_out", 0))
        variant = str(content["variant"])
        return cls(variant, seed, faces, networks, tuple(methods), source, left_out)


def check_explanations(
    model: SeedModel,
    draw: Draw,
    images: NDArray[np.uint8],
    variant: str = "cnn",
    *,
    seed: int = 0,
    tell: Tell | None = None,
) -> ExplanationCheck:
    """Check the maps of every method on a model's own verdicts.

    The faces are dealt out to up to 20 draws of random weights, and intervals come from resampling
    these with their faces: they hold for faces and for draws.

    Parameters
    ----------
    model : SeedModel
    draw : callable
        Given a network and a seed, returns one of the same architecture with random weights.
    images : ndarray of uint8, shape (n, 48, 48)
        Faces that the model was not trained on; at least two.
    variant : str
        ``"cnn"``, or trees; where weights are random, the trees stay as they are.
    seed : int
        Of the model in its run, and of what is random here.
    tell : callable, optional
        Called with (done, total, name) before every step.

    Raises
    ------
    DataError
        If there are fewer than two faces.
    SettingsError
        If the variant needs no network.
    """
    if not networks_of([model], variant):
        raise SettingsError(
            f"explanations are checked by drawing the weights of CNNs anew, and {variant!r} needs "
            "no CNN; check another model"
        )
    if len(images) < 2:
        raise DataError(f"explanations are checked on two faces or more, found {len(images)}")
    dealt = np.arange(len(images)) % min(_NETWORKS, len(images) // 2)
    at_random = np.random.default_rng(seed).random(images.shape, dtype=np.float32)

    predict = _predict_by(model, variant)
    targets = predict(images).argmax(axis=1)
    total, done = len(METHODS) * (len(DEPTHS) + 2), 0

    def step(name: str) -> None:
        nonlocal done
        if tell is not None:
            tell(done, total, name)
        done += 1

    checks = []
    for method in METHODS:
        step(f"{method}, trained")
        trained = explain_networks(method, networks_of([model], variant), predict, images, targets)
        similarity = []
        for depth in DEPTHS:
            step(f"{method}, randomised")
            drawn = np.empty_like(trained)
            for number in range(int(dealt.max()) + 1):
                own = dealt == number
                other = _randomize_model(model, draw, depth, seed + 1000 * (number + 1))
                drawn[own] = explain_networks(
                    method,
                    networks_of([other], variant),
                    _predict_by(other, variant),
                    images[own],
                    targets[own],
                )
            found = rank_correlation(trained, drawn)
            similarity.append(Measure(float(found.mean()), cluster_interval(found, dealt)))
        step(f"{method}, removing pixels")
        maps = dict(zip(ORDERS, (trained, drawn, at_random), strict=True))
        curves = {n: removal_curves(predict, images, own, targets) for n, own in maps.items()}
        checks.append(_compare(method, curves, dealt, tuple(similarity)))
    return ExplanationCheck(variant, seed, len(images), int(dealt.max()) + 1, tuple(checks))


def _predict_by(model: SeedModel, variant: str) -> Predict:
    return lambda faces: model.probabilities_of(faces, variant)


def _compare(
    method: Method,
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    dealt: NDArray[np.int64],
    similarity: tuple[Measure, ...],
) -> MethodCheck:
    areas: dict[str, NDArray[np.float64]] = {
        name: np.asarray(np.trapezoid(insertion - deletion, SHARES, axis=1))
        for name, (deletion, insertion) in curves.items()
    }
    gains = [areas["trained"] - areas[name] for name in ORDERS[1:]]
    over_randomised, over_chance = (
        Measure(float(gain.mean()), cluster_interval(gain, dealt)) for gain in gains
    )
    deletion, insertion = (
        {name: tuple(map(float, own[place].mean(axis=0))) for name, own in curves.items()}
        for place in (0, 1)
    )
    wins = float((gains[0] > 0).mean())
    return MethodCheck(method, deletion, insertion, over_randomised, over_chance, wins, similarity)


def removal_curves(
    predict: Predict,
    images: NDArray[np.uint8],
    maps: NDArray[np.float32],
    targets: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Blur more and more of each face, and bring it back, in the order of its map.

    Parameters
    ----------
    predict : callable
    images : ndarray of uint8, shape (n, 48, 48)
    maps : ndarray of float32, shape (n, 48, 48)
        The greatest values first; equal ones in random order.
    targets : ndarray of int64, shape (n,)

    Returns
    -------
    deletion, insertion : ndarray of float64, shape (n, len(SHARES))
        Probability of the target where a share of the pixels is blurred, and where all but it are.
    """
    pixels = images[0].size
    noise = np.random.default_rng(0).random((len(images), pixels))
    order = np.lexsort((noise, -maps.reshape(len(images), pixels)))
    ranks = np.argsort(order, axis=1).reshape(images.shape)
    blurred = blur(images)
    rows = np.arange(len(images))
    deletion, insertion = (np.empty((len(images), len(SHARES))) for _ in range(2))
    for column, share in enumerate(SHARES):
        first = ranks < share * pixels
        deletion[:, column] = predict(np.where(first, blurred, images))[rows, targets]
        insertion[:, column] = predict(np.where(first, images, blurred))[rows, targets]
    return deletion, insertion


def rank_correlation(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return Spearman's correlation of each pair of maps, shape (n,); 0 where one is constant."""
    ranks = [stats.rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (first, second)]
    centred = [own - own.mean(axis=1, keepdims=True) for own in ranks]
    products = (centred[0] * centred[1]).sum(axis=1)
    lengths = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    found: NDArray[np.float64] = products / np.where(lengths > 0, lengths, 1.0)
    return found


def randomize(network: FaceNetwork, drawn: FaceNetwork, depth: float) -> FaceNetwork:
    """Return a copy whose uppermost layers have the weights of `drawn`.

    Parameters
    ----------
    network, drawn : FaceNetwork
        Of the same architecture.
    depth : float
        Share of the layers with weights, from the output down, 0 to 1; at least one is taken.
    """
    found = copy.deepcopy(network)
    layers = list(zip(_layers(found), _layers(drawn), strict=True))
    count = max(1, round(depth * len(layers)))
    for own, other in layers[-count:]:
        own.load_state_dict(other.state_dict())
    return found.eval()


def _layers(network: nn.Module) -> Sequence[nn.Module]:
    return [m for m in network.modules() if next(m.parameters(recurse=False), None) is not None]


def _randomize_model(model: SeedModel, draw: Draw, depth: float, seed: int) -> SeedModel:
    network, *stacked = (
        randomize(own, draw(own, seed + 100 * place), depth)
        for place, own in enumerate((model.network, *model.stacked))
    )
    folds = tuple(
        _randomize_model(fold, draw, depth, seed + place)
        for place, fold in enumerate(model.folds, start=1)
    )
    return replace(model, network=network, stacked=tuple(stacked), folds=folds)
