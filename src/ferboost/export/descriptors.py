"""The hand-crafted descriptors of `ferboost.descriptors` as ONNX nodes."""

import numpy as np
from onnx import TensorProto

from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.descriptors import (
    CELL,
    CIRCLE,
    CLIP,
    LEAST_LENGTH,
    PATTERNS,
    TURNS,
)
from ferboost.export.graph import FACES, Graph

__all__ = ["add_hog", "add_lbp"]


def add_hog(graph: Graph) -> str:
    """Add `ferboost.descriptors.hog_features`; return its value, float32 of shape (n, 900)."""
    gray = _gray(graph)
    down, right = (_gradient(graph, gray, axis) for axis in (2, 3))
    zero = _number(graph, 0)
    level_left = graph.add("And", graph.add("Equal", down, zero), graph.add("Less", right, zero))
    opposite = graph.add("Or", graph.add("Less", down, zero), level_left)
    sign = graph.add("Where", opposite, _number(graph, -1), _number(graph, 1))
    cosines, sines = (graph.constant(TURNS[:, i].reshape(1, -1, 1, 1)) for i in (0, 1))
    side = graph.add("Sub", graph.add("Mul", down, cosines), graph.add("Mul", right, sines))
    past = graph.add("GreaterOrEqual", graph.add("Mul", sign, side), zero)
    turns = graph.add("Cast", past, to=TensorProto.FLOAT)
    # Past the limit below, and not past the one above.
    below = graph.add("Pad", turns, _whole(graph, 0, 1, 0, 0, 0, 0, 0, 0), _number(graph, 1))
    above = graph.add("Pad", turns, _whole(graph, 0, 0, 0, 0, 0, 1, 0, 0), zero)
    squares = graph.add("Add", graph.add("Mul", down, down), graph.add("Mul", right, right))
    votes = graph.add("Mul", graph.add("Sub", below, above), graph.add("Sqrt", squares))
    cells = graph.add("Transpose", _cell_means(graph, votes), perm=[0, 2, 3, 1])
    count = IMAGE_SIZE // CELL
    corners = [
        graph.add(
            "Slice",
            cells,
            _whole(graph, row, column),
            _whole(graph, count - 1 + row, count - 1 + column),
            _whole(graph, 1, 2),
        )
        for row in (0, 1)
        for column in (0, 1)
    ]
    # Means instead of sums: a block is normalised anyway, and a blank one is nought either way.
    blocks = _unit(graph, graph.add("Concat", *corners, axis=3))
    clipped = graph.add("Min", blocks, _number(graph, CLIP))
    return graph.add("Flatten", _unit(graph, clipped), axis=1)


def add_lbp(graph: Graph) -> str:
    """Add `ferboost.descriptors.lbp_features`; return its value, float32 of shape (n, 360)."""
    gray = _gray(graph)
    padded = graph.add("Pad", gray, _whole(graph, 0, 0, 1, 1, 0, 0, 1, 1), mode="edge")
    neighbours = [
        graph.add(
            "Slice",
            padded,
            _whole(graph, row, column),
            _whole(graph, row + IMAGE_SIZE, column + IMAGE_SIZE),
            _whole(graph, 2, 3),
        )
        for row, column in CIRCLE
    ]
    around = [graph.add("GreaterOrEqual", value, gray) for value in neighbours]
    bright = [graph.add("Cast", value, to=TensorProto.FLOAT) for value in around]
    changes = [
        graph.add("Cast", graph.add("Xor", one, next_one), to=TensorProto.FLOAT)
        for one, next_one in zip(around, (*around[1:], around[0]), strict=True)
    ]
    uniform = graph.add("LessOrEqual", graph.add("Sum", *changes), _number(graph, 2))
    pattern = graph.add("Where", uniform, graph.add("Sum", *bright), _number(graph, PATTERNS - 1))
    numbers = graph.constant(np.arange(PATTERNS, dtype=np.float32).reshape(1, -1, 1, 1))
    is_pattern = graph.add("Cast", graph.add("Equal", pattern, numbers), to=TensorProto.FLOAT)
    # A mean of 64 noughts and ones is exact.
    counts = graph.add("Mul", _cell_means(graph, is_pattern), _number(graph, CELL**2))
    return graph.add("Flatten", graph.add("Transpose", counts, perm=[0, 2, 3, 1]), axis=1)


def _gray(graph: Graph) -> str:
    """Return the faces, float32 of shape (n, 1, 48, 48)."""
    channel = graph.add("Unsqueeze", FACES, _whole(graph, 1))
    return graph.add("Cast", channel, to=TensorProto.FLOAT)


def _gradient(graph: Graph, gray: str, axis: int) -> str:
    """Return the difference of the two neighbours along an axis, and nought at the border."""
    after, before = (
        graph.add("Slice", gray, _whole(graph, start), _whole(graph, end), _whole(graph, axis))
        for start, end in ((2, IMAGE_SIZE), (0, IMAGE_SIZE - 2))
    )
    pads = np.zeros(8, dtype=np.int64)
    pads[[axis, axis + 4]] = 1
    return graph.add("Pad", graph.add("Sub", after, before), graph.constant(pads))


def _cell_means(graph: Graph, values: str) -> str:
    return graph.add("AveragePool", values, kernel_shape=[CELL, CELL], strides=[CELL, CELL])


def _unit(graph: Graph, blocks: str) -> str:
    length = graph.add("ReduceL2", blocks, _whole(graph, 3), keepdims=1)
    return graph.add("Div", blocks, graph.add("Max", length, _number(graph, LEAST_LENGTH)))


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, dtype=np.float32))


def _whole(graph: Graph, *values: int) -> str:
    return graph.constant(np.array(values, dtype=np.int64))
