"""Traces of tampering: blur, stretched histograms, and copies that augmentation made.

Thresholds stand between what the 32,298 genuine images of FER-2013 give and what the mildest
tampering tried gives; both numbers are beside each threshold.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ferboost.datasets.dataset import FaceDataset

__all__ = ["Suspects", "examine_split", "find_blurred", "find_stretched", "is_softer"]


#: Sharpness below which images are blurred. FER-2013's classes: 0.51 to 0.59, as JPEG of quality
#: 30: 0.48; after a Gaussian of 0.5 pixels: 0.38. Other photographs differ, so for them only
#: what a Gaussian of 0.8 pixels leaves (0.23) counts, or a split far softer than another one.
_BLURRED_FER2013 = 0.44
_BLURRED = 0.25
_SOFTER_SPLIT = 0.75

#: Share of empty grey levels above which histograms are stretched: FER-2013 0.005 to 0.011 by
#: class, stretched from the darkest to the brightest pixel 0.11, equalised 0.42.
_GAPS = 0.05

#: Share of images reaching both 0 and 255 that FER-2013 has not: 0.09 to 0.23, stretched 0.82.
_FULL_RANGE = 0.5

#: Correlation from which two images are copies, and the shares of a class that are copies, or
#: mirrored copies, above which it is padded. FER-2013: at most 0.38 and 0.03 (`disgusted`);
#: doubled by turns of 10 degrees: 0.65; by turns, shifts, shear and zoom of 20 %: mirrored 0.15.
_COPY = 0.93
_COPIES = 0.55
_MIRRORED = 0.10

#: Fewest images that a statistic is computed from, and how many are looked at.
_FEWEST = 50
_STATISTICS_SAMPLE = 1000
_COPIES_SAMPLE = 120
_COPIES_REFERENCE = 10_000

#: Images compared at once: 1,200 turned samples x 4,096 float32 are 20 MB.
_CHUNK = 4096

_BILINEAR = Image.Resampling.BILINEAR


@dataclass(frozen=True)
class Suspects:
    """Images of one class in one split that are not known to be genuine, and the evidence."""

    class_name: str
    images: NDArray[np.intp]
    originals: int
    sharpness: float
    gaps: float
    full_range: float
    looked_at: int
    copies: NDArray[np.intp]
    mirrored: int

    @property
    def are_augmented(self) -> bool:
        """Whether so many are copies of others that augmentation made them."""
        return self.looked_at >= _FEWEST and (
            len(self.copies) >= _COPIES * self.looked_at
            or self.mirrored >= _MIRRORED * self.looked_at
        )

    @property
    def are_whole(self) -> bool:
        """Whether blur and stretch are judged: turning softens, brightening leaves gaps."""
        return not (self.are_augmented and self.originals)


def examine_split(
    dataset: FaceDataset, split: str, genuine: NDArray[np.bool_]
) -> Iterator[Suspects]:
    """Return the evidence on each class that has images enough."""
    generator = np.random.default_rng(0)
    for label, name in enumerate(dataset.classes):
        members = np.flatnonzero((dataset.splits == split) & (dataset.labels == label))
        images = members[~genuine[members]]
        if len(images) < _FEWEST:
            continue
        sample = dataset.images[generator.permutation(images)[:_STATISTICS_SAMPLE]]
        distinct = members[np.unique(dataset.hashes[members], return_index=True)[1]]
        queries = generator.permutation(np.intersect1d(images, distinct))[:_COPIES_SAMPLE]
        others = generator.permutation(np.setdiff1d(distinct, queries))
        candidates = np.concatenate([queries, others])[:_COPIES_REFERENCE]
        upright, mirrored = _best_matches(dataset.images[candidates], len(queries))
        gaps, full_range = _histogram_traits(sample)
        yield Suspects(
            class_name=name,
            images=images,
            originals=len(members) - len(images),
            sharpness=_sharpness(sample),
            gaps=gaps,
            full_range=full_range,
            looked_at=len(queries),
            copies=queries[np.maximum(upright, mirrored) > _COPY],
            mirrored=int((mirrored > _COPY).sum()),
        )


def find_blurred(groups: Sequence[Suspects], *, is_fer2013: bool) -> list[Suspects]:
    """Return the classes that are blurred."""
    limit = _BLURRED_FER2013 if is_fer2013 else _BLURRED
    return _accused(groups, lambda group: group.sharpness < limit)


def find_stretched(groups: Sequence[Suspects], *, is_fer2013: bool) -> list[Suspects]:
    """Return the classes whose histograms are stretched."""
    return _accused(groups, lambda g: g.gaps > _GAPS or (is_fer2013 and g.full_range > _FULL_RANGE))


def is_softer(sharpness: float, other: float) -> bool:
    """Say whether a split is far softer than another one."""
    return sharpness < _SOFTER_SPLIT * other


def _accused(groups: Sequence[Suspects], shows: Callable[[Suspects], bool]) -> list[Suspects]:
    """Return the classes that show a trait, unless augmentation explains it in all of them."""
    accused = [group for group in groups if group.are_whole and shows(group)]
    return [] if all(group.are_augmented for group in accused) else accused


def _sharpness(images: NDArray[np.uint8]) -> float:
    """Return the mean over images of mean absolute Laplacian / standard deviation."""
    pixels = images.astype(np.float32)
    neighbours = pixels[:, :-2, 1:-1] + pixels[:, 2:, 1:-1]
    neighbours += pixels[:, 1:-1, :-2] + pixels[:, 1:-1, 2:]
    detail = np.abs(4 * pixels[:, 1:-1, 1:-1] - neighbours).mean(axis=(1, 2))
    return float((detail / np.maximum(pixels.std(axis=(1, 2)), 1)).mean())


def _histogram_traits(images: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the share of empty levels between percentiles 10 and 90, and of full-range images."""
    count = len(images)
    levels = images.reshape(count, -1) + 256 * np.arange(count)[:, np.newaxis]
    histograms = np.bincount(levels.ravel(), minlength=256 * count).reshape(count, 256)
    below = histograms.cumsum(axis=1) / levels.shape[1]
    middle = (below >= 0.1) & (below - histograms / levels.shape[1] <= 0.9)
    gaps = (middle & (histograms == 0)).sum(axis=1) / middle.sum(axis=1)
    full_range = (histograms[:, 0] > 0) & (histograms[:, 255] > 0)
    return float(gaps.mean()), float(full_range.mean())


def _best_matches(
    images: NDArray[np.uint8], query_count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the best correlation of each of the first images with any other one.

    The 36 x 36 pixels in the middle of the query, turned by up to 16 degrees, are laid over every
    image, shifted by up to 6 pixels.

    Returns
    -------
    upright, mirrored : ndarray of float32, shape (query_count,)
    """
    angles = (-16, -8, 0, 8, 16)
    queries = images[:query_count]
    turned = [
        np.stack([np.asarray(Image.fromarray(i).rotate(angle, _BILINEAR)) for i in side])
        for side in (queries, queries[:, :, ::-1])
        for angle in angles
    ]
    templates = np.concatenate([_normalise(_shrink(side)[:, 2:14, 2:14]) for side in turned])
    own = np.tile(np.arange(query_count), len(turned))
    best = np.full(len(templates), -1, dtype=np.float32)
    for start in range(0, len(images), _CHUNK):
        small = _shrink(images[start : start + _CHUNK])
        inside = np.flatnonzero((own >= start) & (own < start + len(small)))
        for top, left in np.ndindex(5, 5):
            window = _normalise(small[:, top : top + 12, left : left + 12])
            match = templates @ window.T
            match[inside, own[inside] - start] = -1
            np.maximum(best, match.max(axis=1), out=best)
    upright, mirrored = best.reshape(2, len(angles), query_count).max(axis=1)
    return upright, mirrored


def _shrink(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the means of 3 x 3 pixels, shape (n, 16, 16)."""
    blocks = images.reshape(len(images), 16, 3, 16, 3)
    return np.asarray(blocks.mean(axis=(2, 4), dtype=np.float32))


def _normalise(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each window as a vector of mean 0 and norm 1, shape (n, 144)."""
    vectors = windows.reshape(len(windows), 144)
    vectors = vectors - vectors.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1), dtype=np.float32)
