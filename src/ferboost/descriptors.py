"""Hand-crafted descriptors of a face: HOG, LBP and visual words, for all images at once."""

import math
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CELL",
    "CIRCLE",
    "CLIP",
    "DIRECTIONS",
    "LEAST_LENGTH",
    "PATTERNS",
    "REGION",
    "SHARPNESS",
    "SIFT_CELL",
    "SIFT_CELLS",
    "SIFT_TURNS",
    "TURNS",
    "Describe",
    "hog_features",
    "lbp_features",
    "sift_descriptors",
    "visual_words",
    "word_features",
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
#: Pixels of the circle around a pixel, in order: rows and columns from 0 to 2.
CIRCLE = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))
#: Patterns that LBP tells apart, the last of them all that are not uniform.
PATTERNS = 10

#: Pixels along a side of a cell of SIFT, and cells along a side of a patch.
SIFT_CELL, SIFT_CELLS = 4, 4
#: Patches along a side of a region whose words are counted together.
REGION = 3
#: How much nearer words count more: a weight is exp(-SHARPNESS times the squared distance).
SHARPNESS = 5.0

_ROWS = 1024


def _turns(limits: Sequence[float]) -> NDArray[np.float32]:
    """Return cosines and sines of the limits between directions, in parts of half a circle."""
    angles = np.array(limits) * math.pi
    return np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32)


#: Cosine and sine of the limits between the directions of HOG, float32 of shape (8, 2).
TURNS = _turns([turn / DIRECTIONS for turn in range(1, DIRECTIONS)])
#: The same of SIFT, whose 8 directions of a whole circle have the axes in their middle.
SIFT_TURNS = _turns([(turn + 0.5) / 4 for turn in range(4)])


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


def word_features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return histograms of visual words in nine regions: a bag of words with its places.

    A patch is described by `sift_descriptors`, and counts for the words near it by
    exp(-5 d^2), d its distance, 1 in all (a kernel codebook, van Gemert et al., 2010). The words
    are in the package (`visual_words`); a region is 3 x 3 patches.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 48, 48)

    Returns
    -------
    ndarray of float32, shape (n, 1152)
        Shares, from 0 to 1: 9 regions of 128 words.

    References
    ----------
    .. [1] van Gemert, J. C., Veenman, C. J., Smeulders, A. W. M. & Geusebroek, J.-M. (2010). Visual
       word ambiguity. IEEE TPAMI, 32(7), 1271-1283.
    .. [2] Ionescu, R. T., Popescu, M. & Grozea, C. (2013). Local learning to improve bag of visual
       words model for facial expression recognition. Workshop on challenges in representation
       learning, ICML.
    """
    return _in_parts(images, _words)


def sift_descriptors(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return SIFT descriptors of patches of 16 x 16 pixels, one every 4 pixels.

    8 directions in 4 x 4 cells of 4 x 4 pixels, normalised, clipped at 0.2 and normalised again
    (Lowe, 2004); upright, and a gradient votes for the one direction and cell it is in.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 48, 48)

    Returns
    -------
    ndarray of float32, shape (n, 9, 9, 128)
        From 0 to 1; 0 where a patch is blank.

    References
    ----------
    .. [1] Lowe, D. G. (2004). Distinctive image features from scale-invariant keypoints. IJCV,
       60(2), 91-110.
    """
    return _in_parts(images, _sift)


@cache
def visual_words() -> NDArray[np.float32]:
    """Return the words: centres of the SIFT descriptors of FER-2013's training images.

    Returns
    -------
    ndarray of float32, shape (128, 128)
        One descriptor a row.
    """
    with files("ferboost").joinpath("visual_words.npy").open("rb") as file:
        words = np.load(file, allow_pickle=False)
    return np.asarray(words, dtype=np.float32)


def _in_parts(images: NDArray[np.uint8], describe: Describe) -> NDArray[np.float32]:
    """Describe a thousand images at a time, since the arrays on the way are 20 times as large."""
    parts = [
        describe(images[start : start + _ROWS]) for start in range(0, max(len(images), 1), _ROWS)
    ]
    return np.concatenate(parts)


def _hog(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    down, right = _gradients(images)
    direction, _ = _directions(down, right, TURNS)
    cells = _cell_histograms(direction, np.sqrt(down**2 + right**2), DIRECTIONS, CELL)
    blocks = _clipped(_neighbours(cells, 2))
    return blocks.reshape(len(images), math.prod(blocks.shape[1:]))


def _lbp(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge")
    side = images.shape[1]
    bright = np.stack([padded[:, y : y + side, x : x + side] >= images for y, x in CIRCLE])
    changes = (bright != np.roll(bright, 1, axis=0)).sum(axis=0)
    pattern = np.where(changes <= 2, bright.sum(axis=0), PATTERNS - 1)
    histograms = _cell_histograms(pattern, np.ones(images.shape, np.float32), PATTERNS, CELL)
    return histograms.reshape(len(images), math.prod(histograms.shape[1:]))


def _words(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    words = visual_words()
    descriptors = _sift(images)
    nearness = 2 * descriptors @ words.T - np.square(words).sum(axis=1)
    nearness -= nearness.max(axis=3, keepdims=True)
    weights = np.exp(np.float32(SHARPNESS) * nearness)
    weights /= weights.sum(axis=3, keepdims=True)
    regions = descriptors.shape[1] // REGION
    shape = (len(images), regions, REGION, regions, REGION, len(words))
    shares: NDArray[np.float32] = weights.reshape(shape).mean(axis=(2, 4))
    return shares.reshape(len(images), regions**2 * len(words))


def _sift(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    down, right = _gradients(images)
    turn, opposite = _directions(down, right, SIFT_TURNS)
    direction = (turn + 4 * opposite) % 8
    cells = _cell_histograms(direction, np.sqrt(down**2 + right**2), 8, SIFT_CELL)
    return _clipped(_neighbours(cells, SIFT_CELLS))


def _gradients(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the differences of the neighbours below and above, right and left; 0 at borders."""
    gray = images.astype(np.float32)
    down, right = np.zeros_like(gray), np.zeros_like(gray)
    down[:, 1:-1] = gray[:, 2:] - gray[:, :-2]
    right[:, :, 1:-1] = gray[:, :, 2:] - gray[:, :, :-2]
    return down, right


def _directions(
    down: NDArray[np.float32], right: NDArray[np.float32], turns: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return how many limits lie before the axis of a gradient, and whether it points back.

    Told by signs of products, as an exported model does: no angle, and since no limit has a
    rational slope, no rounding that matters.
    """
    opposite = (down < 0) | ((down == 0) & (right < 0))
    sign = np.where(opposite, np.float32(-1), np.float32(1))
    passed = np.zeros(down.shape, np.int64)
    for cosine, sine in turns:
        passed += sign * (down * cosine - right * sine) >= 0
    return passed, opposite


def _cell_histograms(
    bins: NDArray[np.int64], weights: NDArray[np.float32], count: int, size: int
) -> NDArray[np.float32]:
    """Return the sum of the weights by image, row and column of cells, and bin."""
    images, side = bins.shape[0], bins.shape[1]
    cells = side // size
    row, column = np.indices((side, side)) // size
    place = np.arange(images)[:, None, None] * cells**2 + row * cells + column
    flat = (place * count + bins).ravel()
    sums = np.bincount(flat, weights.ravel(), minlength=images * cells**2 * count)
    return sums.astype(np.float32).reshape(images, cells, cells, count)


def _neighbours(cells: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return every square of `count` x `count` cells, its cells side by side."""
    places = cells.shape[1] - count + 1
    shifts = [(row, column) for row in range(count) for column in range(count)]
    parts = [cells[:, y : y + places, x : x + places] for y, x in shifts]
    return np.concatenate(parts, axis=3)


def _clipped(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    return _unit(np.minimum(_unit(blocks), CLIP))


def _unit(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.sqrt((blocks**2).sum(axis=3, keepdims=True))
    unit: NDArray[np.float32] = blocks / np.maximum(length, LEAST_LENGTH)
    return unit
