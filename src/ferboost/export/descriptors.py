"""The hand-crafted descriptors of `ferboost.descriptors` as ONNX nodes."""

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.descriptors import (
    CELL,
    CIRCLE,
    CLIP,
    LEAST_LENGTH,
    PATTERNS,
    REGION,
    SHARPNESS,
    SIFT_CELL,
    SIFT_CELLS,
    SIFT_TURNS,
    TURNS,
    visual_words,
)
from ferboost.export.graph import FACES, Graph

__all__ = ["add_hog", "add_lbp", "add_words"]


def add_hog(graph: Graph) -> str:
    """Add `ferboost.descriptors.hog_features`; return its value, float32 of shape (n, 900)."""
    votes, _ = _add_votes(graph, TURNS)
    blocks = _add_neighbours(graph, _add_cells(graph, votes, CELL), IMAGE_SIZE // CELL, 2)
    return graph.add("Flatten", _add_clipped(graph, blocks), axis=1)


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
    counts = graph.add("Mul", _add_cells(graph, is_pattern, CELL), _number(graph, CELL**2))
    return graph.add("Flatten", counts, axis=1)


def add_words(graph: Graph) -> str:
    """Add `ferboost.descriptors.word_features`; return its value, float32 of shape (n, 1152)."""
    words = visual_words()
    transposed = graph.constant(np.ascontiguousarray(2 * SHARPNESS * words.T, dtype=np.float32))
    products = graph.add("MatMul", _add_sift(graph), transposed)
    squares = graph.constant((SHARPNESS * np.square(words).sum(axis=1)).astype(np.float32))
    weights = graph.add("Softmax", graph.add("Sub", products, squares), axis=3)
    regions = (IMAGE_SIZE // SIFT_CELL - SIFT_CELLS + 1) // REGION
    parts = graph.add(
        "Reshape", weights, _whole(graph, -1, regions, REGION, regions, REGION, len(words))
    )
    return graph.add(
        "Flatten", graph.add("ReduceMean", parts, _whole(graph, 2, 4), keepdims=0), axis=1
    )


def _add_sift(graph: Graph) -> str:
    """Add `ferboost.descriptors.sift_descriptors`."""
    votes, opposite = _add_votes(graph, SIFT_TURNS)
    zero = _number(graph, 0)
    ahead, back = (
        graph.add("Where", opposite, zero, votes),
        graph.add("Where", opposite, votes, zero),
    )
    # The first and the last half direction of half a circle make one with those of the other half.
    halves = [
        graph.add("Add", _channels(graph, one, 0, 1), _channels(graph, other, 4, 5))
        for one, other in ((ahead, back), (back, ahead))
    ]
    directions = graph.add(
        "Concat",
        halves[0],
        _channels(graph, ahead, 1, 4),
        halves[1],
        _channels(graph, back, 1, 4),
        axis=1,
    )
    cells = _add_cells(graph, directions, SIFT_CELL)
    return _add_clipped(graph, _add_neighbours(graph, cells, IMAGE_SIZE // SIFT_CELL, SIFT_CELLS))


def _add_votes(graph: Graph, turns: NDArray[np.float32]) -> tuple[str, str]:
    """Add each gradient's length in the channel of its direction, and whether it points back."""
    gray = _gray(graph)
    down, right = (_gradient(graph, gray, axis) for axis in (2, 3))
    zero = _number(graph, 0)
    level_left = graph.add("And", graph.add("Equal", down, zero), graph.add("Less", right, zero))
    opposite = graph.add("Or", graph.add("Less", down, zero), level_left)
    sign = graph.add("Where", opposite, _number(graph, -1), _number(graph, 1))
    cosines, sines = (graph.constant(turns[:, i].reshape(1, -1, 1, 1)) for i in (0, 1))
    side = graph.add("Sub", graph.add("Mul", down, cosines), graph.add("Mul", right, sines))
    past = graph.add("GreaterOrEqual", graph.add("Mul", sign, side), zero)
    passed = graph.add("Cast", past, to=TensorProto.FLOAT)
    # Past the limit below, and not past the one above.
    below = graph.add("Pad", passed, _whole(graph, 0, 1, 0, 0, 0, 0, 0, 0), _number(graph, 1))
    above = graph.add("Pad", passed, _whole(graph, 0, 0, 0, 0, 0, 1, 0, 0), zero)
    squares = graph.add("Add", graph.add("Mul", down, down), graph.add("Mul", right, right))
    votes = graph.add("Mul", graph.add("Sub", below, above), graph.add("Sqrt", squares))
    return votes, opposite


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


def _channels(graph: Graph, values: str, start: int, end: int) -> str:
    return graph.add("Slice", values, _whole(graph, start), _whole(graph, end), _whole(graph, 1))


def _add_cells(graph: Graph, values: str, size: int) -> str:
    """Add the means of cells, channels last; as good as sums where they are normalised."""
    means = graph.add("AveragePool", values, kernel_shape=[size, size], strides=[size, size])
    return graph.add("Transpose", means, perm=[0, 2, 3, 1])


def _add_neighbours(graph: Graph, cells: str, side: int, count: int) -> str:
    """Add every square of `count` x `count` cells, its cells side by side."""
    parts = [
        graph.add(
            "Slice",
            cells,
            _whole(graph, row, column),
            _whole(graph, side - count + 1 + row, side - count + 1 + column),
            _whole(graph, 1, 2),
        )
        for row in range(count)
        for column in range(count)
    ]
    return graph.add("Concat", *parts, axis=3)


def _add_clipped(graph: Graph, blocks: str) -> str:
    return _unit(graph, graph.add("Min", _unit(graph, blocks), _number(graph, CLIP)))


def _unit(graph: Graph, blocks: str) -> str:
    length = graph.add("ReduceL2", blocks, _whole(graph, 3), keepdims=1)
    return graph.add("Div", blocks, graph.add("Max", length, _number(graph, LEAST_LENGTH)))


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, dtype=np.float32))


def _whole(graph: Graph, *values: int) -> str:
    return graph.constant(np.array(values, dtype=np.int64))
