"""The models of a run as one graph: preprocessing, networks, trees, and the mean over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.export.graph import FACES, PROBABILITIES, Graph
from ferboost.export.network import add_network
from ferboost.export.trees import add_trees
from ferboost.features import PIXEL_SIDE
from ferboost.models import SeedModel

__all__ = ["ExportedGraph", "build_graph"]


@dataclass(frozen=True, eq=False)
class ExportedGraph:
    """What is exported, and the same with its inner values in sight.

    Attributes
    ----------
    model : onnx.ModelProto
        From faces to probabilities.
    inspected : onnx.ModelProto
        The same, whose further outputs are, by seed, what the trees see or the softmax is taken of.
    """

    model: onnx.ModelProto
    inspected: onnx.ModelProto


def build_graph(models: Sequence[SeedModel], variant: str, classes: int) -> ExportedGraph:
    """Build the graph of one variant; of several seeds, their probabilities are averaged.

    Parameters
    ----------
    models : sequence of SeedModel
    variant : str
        ``"cnn"``, or the tap whose trees decide.
    classes : int

    Raises
    ------
    ExportError
        If a network or its trees cannot be exported.
    """
    graph = Graph()
    seen, probabilities = [], []
    for model in models:
        inner, logits = _add_member(graph, model, variant, classes)
        seen.append(inner)
        probabilities.append(graph.add("Softmax", logits, axis=1))
    mean = graph.add("Mean", *probabilities) if len(probabilities) > 1 else probabilities[0]
    graph.name_output(mean, PROBABILITIES)
    return ExportedGraph(graph.model([PROBABILITIES]), graph.model([PROBABILITIES, *seen]))


def _add_member(graph: Graph, model: SeedModel, variant: str, classes: int) -> tuple[str, str]:
    """Return what the last part of a model sees, and the logits that it gives."""
    if variant == "pixels":
        features = _add_pixels(graph)
    else:
        taps = add_network(graph, model.network, FACES)
        if variant == "cnn":
            return taps["logits"], taps["logits"]
        features = taps[variant]
    return features, add_trees(graph, model.trees[variant].booster_, features, classes)


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
