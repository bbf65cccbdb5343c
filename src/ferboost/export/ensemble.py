"""The models of a run as one graph: preprocessing, networks, trees, their mean, calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from ferboost.boosting import BoostedTrees
from ferboost.centres import ClassCentres
from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.errors import ExportError
from ferboost.evaluation.scaling import SMALLEST_PROBABILITY, Scaling
from ferboost.export.descriptors import add_hog, add_lbp, add_words
from ferboost.export.graph import FACES, PROBABILITIES, Graph, WeightFormat
from ferboost.export.network import add_network
from ferboost.export.trees import add_trees
from ferboost.features import PIXEL_SIDE, needs_network
from ferboost.models import SeedModel, members_of
from ferboost.variants import (
    CNN,
    FOLD_CNNS,
    STACKED,
    groups_of,
    is_averaged,
    is_distance,
    is_residual,
    layer_of,
    measured_of,
    tap_of,
)
from ferboost.views import views_of

__all__ = ["ExportedGraph", "build_graph"]


@dataclass(frozen=True, eq=False)
class ExportedGraph:
    """What is exported, and the same with its inner values in sight.

    Attributes
    ----------
    model : onnx.ModelProto
        From faces to probabilities.
    inspected : onnx.ModelProto
        The same, whose further outputs are, member by member, what enters its last part: what the
        trees see where there are any, and the logits where they count.
    """

    model: onnx.ModelProto
    inspected: onnx.ModelProto


def build_graph(
    models: Sequence[SeedModel],
    variant: str,
    classes: int,
    scaling: Scaling | None = None,
    weight_format: WeightFormat = "float32",
) -> ExportedGraph:
    """Build the graph of one variant; of several seeds or folds, probabilities are averaged.

    Parameters
    ----------
    models : sequence of SeedModel
    variant : str
        See `ferboost.variants`.
    classes : int
    scaling : Scaling, optional
        Calibrates the mean.
    weight_format : {"float32", "float16", "int8"}
        See `ferboost.export.graph.Graph`.

    Raises
    ------
    ExportError
        If a network, its trees or what they see cannot be exported.
    """
    graph = Graph(weight_format)
    seen, probabilities = [], []
    for member, own in members_of(models, variant):
        inner, logits = _add_member(graph, member, own, classes)
        seen += inner
        probabilities.append(graph.add("Softmax", logits, axis=1))
    mean = graph.add("Mean", *probabilities) if len(probabilities) > 1 else probabilities[0]
    if scaling is not None:
        mean = _add_scaling(graph, mean, scaling)
    graph.name_output(mean, PROBABILITIES)
    return ExportedGraph(graph.model([PROBABILITIES]), graph.model([PROBABILITIES, *seen]))


def _add_member(
    graph: Graph, model: SeedModel, variant: str, classes: int
) -> tuple[list[str], str]:
    """Return what enters the last part of a model, and the logits that it gives."""
    tap, residual = tap_of(variant), is_residual(variant)
    taps: dict[str, str] = {}
    if residual or needs_network(tap):
        taps = add_network(graph, model.network, FACES)
    if variant in {CNN, FOLD_CNNS}:
        return [taps["logits"]], taps["logits"]
    features = _add_features(graph, model, tap, taps)
    grown = model.trees[variant]
    if not isinstance(grown, BoostedTrees):
        raise ExportError(
            f"{variant!r} is there to be compared with, and is not exported; export the CNN or "
            "trees"
        )
    if not grown.rounds_:  # residual ones that early stopping did without
        return [features, taps["logits"]], taps["logits"]
    margins = add_trees(graph, grown.booster_, features, classes, residual=residual)
    if not residual:
        return [features], margins
    return [features, taps["logits"]], graph.add("Add", taps["logits"], margins)


def _add_features(graph: Graph, model: SeedModel, tap: str, taps: Mapping[str, str]) -> str:
    parts = []
    layers = _add_layers(graph, model, tap, taps)
    for group in groups_of(tap):
        if group in _OF_IMAGES:
            parts.append(_OF_IMAGES[group](graph))
        elif group == STACKED:
            parts += [add_network(graph, own, FACES)["logits"] for own in model.stacked]
        elif is_distance(group):
            measured = measured_of(group)
            parts.append(_add_distances(graph, layers[measured], model.centres[measured]))
        else:
            parts.append(layers[group])
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


def _add_layers(
    graph: Graph, model: SeedModel, tap: str, taps: Mapping[str, str]
) -> dict[str, str]:
    """Return the layers, and their means over the views of a face where the tap has any."""
    averaged = [g for g in map(measured_of, groups_of(tap)) if is_averaged(g)]
    seen = [taps]
    for rows, columns in views_of(model.views)[1:] if averaged else ():
        shifted = graph.add("Gather", FACES, graph.constant(rows), axis=1)
        view = graph.add("Gather", shifted, graph.constant(columns), axis=2)
        seen.append(add_network(graph, model.network, view))
    means = {g: graph.add("Mean", *(own[layer_of(g)] for own in seen)) for g in averaged}
    return {**taps, **means}


def _add_distances(graph: Graph, values: str, centres: ClassCentres) -> str:
    """Add `ClassCentres.distances`."""
    rows = graph.add("Unsqueeze", values, graph.constant(np.array([1], dtype=np.int64)))
    scaled = graph.add(
        "Mul",
        graph.add("Sub", rows, graph.constant(centres.centres[None])),
        graph.constant(centres.precision),
    )
    axes = graph.constant(np.array([2], dtype=np.int64))
    return graph.add("ReduceMean", graph.add("Mul", scaled, scaled), axes, keepdims=0)


def _add_scaling(graph: Graph, probabilities: str, scaling: Scaling) -> str:
    """Add `Scaling.apply`."""
    least = graph.constant(np.array(SMALLEST_PROBABILITY, dtype=np.float32))
    logs = graph.add("Log", graph.add("Max", probabilities, least))
    scale = graph.constant(np.array(scaling.scale, dtype=np.float32))
    bias = graph.constant(np.array(scaling.bias, dtype=np.float32))
    return graph.add("Softmax", graph.add("Add", graph.add("Mul", logs, scale), bias), axis=1)


def _add_pixels(graph: Graph) -> str:
    """Add `ferboost.features.pixel_features`: a whole sum, then one division, rounds the same."""
    block = IMAGE_SIZE // PIXEL_SIDE
    gray = graph.add("Cast", FACES, to=TensorProto.FLOAT)
    shape = np.array([-1, PIXEL_SIDE, block, PIXEL_SIDE, block], dtype=np.int64)
    blocks = graph.add("Reshape", gray, graph.constant(shape))
    axes = graph.constant(np.array([2, 4], dtype=np.int64))
    sums = graph.add("ReduceSum", blocks, axes, keepdims=0)
    flat = graph.add("Flatten", sums, axis=1)
    return graph.add("Div", flat, graph.constant(np.array(block**2, dtype=np.float32)))


#: The feature groups that need no network.
_OF_IMAGES = {"pixels": _add_pixels, "hog": add_hog, "lbp": add_lbp, "words": add_words}
