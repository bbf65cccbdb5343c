"""Hand-crafted descriptors of a face: HOG and LBP, for all images at once."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CELL",
    "CIRCLE",
    "CLIP",
    "DIRECTIONS",
    "LEAST_LENGTH",
    "PATTERNS",
    "TURNS",
    "Describe",
    "hog_features",
    "lbp_features",
]

#: A descriptor: images to rows.
Describe = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

#: Pixels along a side of a cell.
CELL = 8
#: Directions of a gradient, of half a circle.
DIRECTIONS = 9
#: Values of a normalised block of HOG are at most this before they are normalised again.
CLIP = 0.2
#: Least length that a block of HOG is divided by: blank ones stay blank.
LEAST_LENGTH = 1e-6
#: Cosine and sine of the limits between the directions, float32 of shape (8, 2).
TURNS: NDArray[np.float32] = np.array(
    [
        (math.cos(turn * math.pi / DIRECTIONS), math.sin(turn * math.pi / DIRECTIONS))
        for turn in range(1, DIRECTIONS)
    ],
    dtype=np.float32,
)
#: Pixels of the circle around a pixel, in order: rows and columns from 0 to 2.
CIRCLE = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))
#: Patterns that LBP tells apart, the last of them all that are not uniform.
PATTERNS = 10

_ROWS = 1024


def hog_features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return histograms of oriented gradients: 9 directions, cells of 8 x 8, blocks of 2 x 2.

    Blocks are normalised, clipped at 0.2 and normalised again (Dalal and Triggs, 2005); a gradient
    votes for the one direction it is nearest to.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 48, 48)

    Returns
    -------
    ndarray of float32, shape (n, 900)
        From 0 to 1.

    References
    ----------
    .. [1] Dalal, N. & Triggs, B. (2005). Histograms of oriented gradients for human detection.
       CVPR, 886-893.
    """
    return _in_parts(images, _hog)


def lbp_features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return histograms of uniform local binary patterns in cells of 8 x 8 pixels.

    A pattern says which of the 8 neighbours of a pixel are at least as bright. Those with at most
    two changes around the circle count by their number of bright neighbours, all others as one
    (Ojala et al., 2002; the neighbours here are the pixels themselves, not interpolated).

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 48, 48)

    Returns
    -------
    ndarray of float32, shape (n, 360)
        Pixels from 0 to 64: 36 cells of 10 patterns.

    References
    ----------
    .. [1] Ojala, T., Pietikäinen, M. & Mäenpää, T. (2002). Multiresolution gray-scale and rotation
       invariant texture classification with local binary patterns. IEEE TPAMI, 24(7), 971-987.
    """
    return _in_parts(images, _lbp)


def _in_parts(images: NDArray[np.uint8], describe: Describe) -> NDArray[np.float32]:
    """Describe a thousand images at a time, since the arrays on the way are 20 times as large."""
    parts = [
        describe(images[start : start + _ROWS]) for start in range(0, max(len(images), 1), _ROWS)
    ]
    return np.concatenate(parts)


def _hog(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    gray = images.astype(np.float32)
    down, right = np.zeros_like(gray), np.zeros_like(gray)
    down[:, 1:-1] = gray[:, 2:] - gray[:, :-2]
    right[:, :, 1:-1] = gray[:, :, 2:] - gray[:, :, :-2]
    # Opposite gradients are one direction, the number of its turns by a ninth of half a circle.
    # Compared by products, as an exported model does: no angle, and no rounding near a limit.
    opposite = (down < 0) | ((down == 0) & (right < 0))
    sign = np.where(opposite, np.float32(-1), np.float32(1))
    direction = np.zeros(gray.shape, np.int64)
    for cosine, sine in TURNS:
        direction += sign * (down * cosine - right * sine) >= 0
    cells = _cell_histograms(direction, np.sqrt(down**2 + right**2), DIRECTIONS)
    blocks = np.concatenate(
        (cells[:, :-1, :-1], cells[:, :-1, 1:], cells[:, 1:, :-1], cells[:, 1:, 1:]), axis=3
    )
    clipped = np.minimum(_unit(blocks), CLIP)
    return _unit(clipped).reshape(len(images), math.prod(clipped.shape[1:]))


def _lbp(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge")
    side = images.shape[1]
    bright = np.stack([padded[:, y : y + side, x : x + side] >= images for y, x in CIRCLE])
    changes = (bright != np.roll(bright, 1, axis=0)).sum(axis=0)
    pattern = np.where(changes <= 2, bright.sum(axis=0), PATTERNS - 1)
    histograms = _cell_histograms(pattern, np.ones(images.shape, np.float32), PATTERNS)
    return histograms.reshape(len(images), math.prod(histograms.shape[1:]))


def _cell_histograms(
    bins: NDArray[np.int64], weights: NDArray[np.float32], count: int
) -> NDArray[np.float32]:
    """Return the sum of the weights by image, row and column of cells, and bin."""
    images, side = bins.shape[0], bins.shape[1]
    cells = side // CELL
    row, column = np.indices((side, side)) // CELL
    place = np.arange(images)[:, None, None] * cells**2 + row * cells + column
    flat = (place * count + bins).ravel()
    sums = np.bincount(flat, weights.ravel(), minlength=images * cells**2 * count)
    return sums.astype(np.float32).reshape(images, cells, cells, count)


def _unit(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.sqrt((blocks**2).sum(axis=3, keepdims=True))
    unit: NDArray[np.float32] = blocks / np.maximum(length, LEAST_LENGTH)
    return unit
