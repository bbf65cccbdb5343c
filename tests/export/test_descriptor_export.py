"""Descriptors as ONNX nodes give what their NumPy code gives."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from ferboost.descriptors import Describe, hog_features, lbp_features, word_features
from ferboost.export.descriptors import add_hog, add_lbp, add_words
from ferboost.export.graph import Graph
from ferboost.export.parity import run_graph
from tiny import faces


def steps() -> NDArray[np.uint8]:
    """Return images in which every gradient from -255 to 255 in one direction is some pixel's."""
    ramp = np.arange(48, dtype=np.int64)
    images = [ramp[:, None] * down + ramp * right for down in range(6) for right in range(-5, 6)]
    return np.stack([image % 256 for image in images]).astype(np.uint8)


IMAGES = np.concatenate(
    (
        faces().split("train").images,
        np.random.default_rng(0).integers(0, 256, (20, 48, 48)).astype(np.uint8),
        np.random.default_rng(1).integers(99, 101, (20, 48, 48)).astype(np.uint8),
        np.zeros((1, 48, 48), np.uint8),
        steps(),
    )
)


@pytest.mark.parametrize(
    ("describe", "add", "tolerance"),
    [(hog_features, add_hog, 1e-6), (lbp_features, add_lbp, 0), (word_features, add_words, 1e-6)],
)
def test_the_nodes_give_what_the_arrays_do(
    describe: Describe, add: Callable[[Graph], str], tolerance: float
) -> None:
    graph = Graph()
    graph.name_output(add(graph), "described")
    (found,) = run_graph(graph.model(["described"]), IMAGES)
    np.testing.assert_allclose(found, describe(IMAGES), rtol=0, atol=tolerance)
