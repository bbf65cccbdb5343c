"""A check of a data set's content: counts, copies, contradictions, blanks and tampering.

Data that FER-2013 can be recognised in is compared with FER-2013 itself: ``fer2013_hashes.bin``
knows the pixels of its training images and of PublicTest. Everything else is judged by its own
statistics. Thresholds stand between what the 32,298 genuine images give and what the mildest
tampering tried gives; both numbers are beside each threshold.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ferboost.datasets.dataset import SPLITS, FaceDataset
from ferboost.emotions import EMOTIONS
from ferboost.published import published

__all__ = ["Audit", "Finding", "SplitSummary", "audit", "encode_fer2013_hashes"]

Level: TypeAlias = Literal["note", "warning", "error"]
Index: TypeAlias = NDArray[np.intp]
Mask: TypeAlias = NDArray[np.bool_]

#: Standard deviation in grey levels below which an image shows nothing. FER-2013 has three such
#: images (0, 0.7 and 4.1); its darkest face has 9.1.
_BLANK = 6.0

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
class Finding:
    """One thing that the audit found.

    Attributes
    ----------
    level : "note", "warning" or "error"
        ``"error"``: results on this data would be untrue. ``"warning"``: they need a word of
        explanation. ``"note"``: good to know.
    code : str
        What kind of finding it is, such as ``"leak"`` or ``"blurred"``.
    message : str
        One sentence with the numbers and what to do.
    names : tuple of str
        The images concerned, or examples where the message says so.
    """

    level: Level
    code: str
    message: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class SplitSummary:
    """What a split holds.

    Attributes
    ----------
    split : str
    counts : tuple of int
        Images per class, in the order of `Audit.classes`.
    published : tuple of int or None
        What FER-2013 holds there, or None if the data is not compared with it.
    genuine : int or None
        Images that are FER-2013's own, pixel for pixel; PrivateTest's are not known.
    """

    split: str
    counts: tuple[int, ...]
    published: tuple[int, ...] | None
    genuine: int | None


@dataclass(frozen=True)
class Audit:
    """The result of `audit`.

    Attributes
    ----------
    source : str
        The file or folder that was read.
    is_fer2013 : bool
        Whether FER-2013 was recognised in the data, so that it was compared with it.
    classes : tuple of str
    splits : tuple of SplitSummary
        One for each split that holds an image.
    findings : tuple of Finding
        Errors first, then warnings, then notes.
    """

    source: str
    is_fer2013: bool
    classes: tuple[str, ...]
    splits: tuple[SplitSummary, ...]
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:  # Any: what the json module takes
        """Return the audit as dictionaries, tuples, strings and numbers, ready for JSON."""
        return asdict(self)


def audit(dataset: FaceDataset) -> Audit:
    """Check the content of a data set.

    Parameters
    ----------
    dataset : FaceDataset
        Of any size, also empty.

    Returns
    -------
    Audit
        The genuine FER-2013 gives warnings (it repeats and contradicts itself), never an error.
    """
    reference = _recognise_fer2013(dataset)
    findings = [
        *_find_repetitions(dataset),
        *_find_blanks(dataset),
        *_find_missing_classes(dataset),
        *(_compare_with_fer2013(dataset, reference) if reference else ()),
        *_find_tampering(dataset, reference),
    ]
    severity = ("error", "warning", "note")
    return Audit(
        source=dataset.source,
        is_fer2013=reference is not None,
        classes=dataset.classes,
        splits=tuple(
            SplitSummary(
                split=split,
                counts=tuple(dataset.counts(split).tolist()),
                published=reference.published_counts(dataset, split) if reference else None,
                genuine=_count(reference.genuine, dataset, split) if reference else None,
            )
            for split in SPLITS
            if dataset.has(split)
        ),
        findings=tuple(sorted(findings, key=lambda finding: severity.index(finding.level))),
    )


# --- What any data set is checked for -------------------------------------------------------


def _find_repetitions(dataset: FaceDataset) -> Iterator[Finding]:
    earlier: list[str] = []
    for split in (s for s in SPLITS if dataset.has(s)):
        index = np.flatnonzero(dataset.splits == split)
        hashes, labels = dataset.hashes[index], dataset.labels[index]
        _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
        repeats = index[first[group] != np.arange(len(index))]
        if len(repeats):
            yield Finding(
                "warning",
                "duplicates",
                f"{len(repeats):,} of the {len(index):,} {split} images "
                f"{_verb(repeats, 'is an exact copy', 'are exact copies')} of an earlier one: "
                "keep copies on one side of every further split",
                _names(dataset, repeats),
            )
        contradicting = np.unique(group[labels != labels[first[group]]])
        if len(contradicting):
            members = index[np.isin(group, contradicting)]
            order = np.argsort(group[np.isin(group, contradicting)], kind="stable")
            yield Finding(
                "warning",
                "conflicts",
                f"{len(contradicting):,} {_verb(contradicting, 'group', 'groups')} of equal "
                f"{split} images ({len(members):,} images) carry different labels: "
                "keep one label or leave them out",
                _names(dataset, members[order]),
            )
        for other in earlier:
            leaked = index[np.isin(hashes, dataset.hashes[dataset.splits == other])]
            if len(leaked):
                yield Finding(
                    "warning",
                    "leak",
                    f"{len(leaked):,} of the {len(index):,} {split} images "
                    f"{_verb(leaked, 'stands', 'stand')} in {other} as well: "
                    f"trust the accuracy on the {len(index) - len(leaked):,} others",
                    _names(dataset, leaked),
                )
        earlier.append(split)


def _is_blank(dataset: FaceDataset) -> Mask:
    return np.array([image.std() < _BLANK for image in dataset.images], dtype=np.bool_)


def _find_blanks(dataset: FaceDataset) -> Iterator[Finding]:
    blank = np.flatnonzero(_is_blank(dataset))
    if len(blank):
        yield Finding(
            "warning",
            "blank",
            f"{len(blank):,} {_verb(blank, 'image shows', 'images show')} nothing "
            f"(grey levels vary by less than {_BLANK:g}): leave them out",
            _names(dataset, blank),
        )


def _find_missing_classes(dataset: FaceDataset) -> Iterator[Finding]:
    for split in (s for s in SPLITS if dataset.has(s)):
        missing = [dataset.classes[i] for i in np.flatnonzero(dataset.counts(split) == 0)]
        if missing:
            yield Finding(
                "warning",
                "missing-class",
                f"{split} has no image of {', '.join(missing)}: nothing can be "
                f"{'learned' if split == 'train' else 'measured'} about it",
            )


# --- What FER-2013 is -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Fer2013:
    """What FER-2013 says about each image: shapes (n, 7), rows of False where it is not known."""

    training: Mask
    public_test: Mask

    @property
    def genuine(self) -> Mask:
        return np.asarray((self.training | self.public_test).any(axis=1))

    def validation_is_cut_from_training(self, dataset: FaceDataset) -> bool:
        """Say whether the validation split is a piece of train rather than PublicTest."""
        inside = dataset.splits == "validation"
        return bool(inside.any() and self.training[inside].any(axis=1).mean() > 0.5)

    def counts(self, dataset: FaceDataset, split: str) -> tuple[int, ...]:
        """Return the images per class to compare: train with what was cut from it."""
        counts = dataset.counts(split)
        if split == "train" and self.validation_is_cut_from_training(dataset):
            counts = counts + dataset.counts("validation")
        return tuple(counts.tolist())

    def published_counts(self, dataset: FaceDataset, split: str) -> tuple[int, ...] | None:
        """Return the counts of the part of FER-2013 that `split` is, in the data's classes."""
        training, public, private = (
            np.array([part[name] for name in dataset.classes]) for part in _published_parts()
        )
        if split == "train":
            return tuple(training.tolist())
        if split == "validation" and self.validation_is_cut_from_training(dataset):
            return None
        found = dataset.counts(split)
        candidates = (public, private, public + private)
        nearest = min(candidates, key=lambda candidate: int(np.abs(candidate - found).sum()))
        return tuple(nearest.tolist())


def _published_parts() -> list[dict[str, int]]:
    """Return the counts per class of training, PublicTest and PrivateTest."""
    return list(published()["dataset"]["counts"].values())


def _hash_prefixes(dataset: FaceDataset) -> NDArray[np.uint64]:
    return np.array([int(digest[:10], 16) for digest in dataset.hashes], dtype=np.uint64)


def encode_fer2013_hashes(dataset: FaceDataset) -> bytes:
    """Return the content of ``fer2013_hashes.bin`` for the genuine FER-2013.

    It is 14 sections, training and PublicTest by emotion in the order of `EMOTIONS`: first their
    14 lengths, then for each one the distinct hashes of its images in ascending order. A hash is
    the first 40 bits of BLAKE2b-128 over the 2,304 pixels; numbers are little-endian, 5 bytes
    long. A foreign image passes for a genuine one with a probability of 3e-8.

    Parameters
    ----------
    dataset : FaceDataset
        The 28,709 training images as train, the 3,589 of PublicTest as test, classes `EMOTIONS`.
    """
    prefixes = _hash_prefixes(dataset)
    sections = [
        np.unique(prefixes[(dataset.splits == split) & (dataset.labels == label)])
        for split in ("train", "test")
        for label in range(len(EMOTIONS))
    ]
    lengths = np.array([len(section) for section in sections], dtype=np.uint64)
    numbers = np.concatenate([lengths, *sections]).astype("<u8")
    return numbers.view(np.uint8).reshape(-1, 8)[:, :5].tobytes()


@cache
def _read_fer2013_hashes() -> tuple[NDArray[np.uint64], ...]:
    content = files("ferboost.datasets").joinpath("fer2013_hashes.bin").read_bytes()
    digits = np.frombuffer(content, dtype=np.uint8).reshape(-1, 5)
    numbers = np.pad(digits, ((0, 0), (0, 3))).view("<u8").ravel()
    lengths, hashes = np.split(numbers, [2 * len(EMOTIONS)])
    return tuple(np.split(hashes, np.cumsum(lengths.astype(np.intp))[:-1]))


def _recognise_fer2013(dataset: FaceDataset) -> _Fer2013 | None:
    """Return what FER-2013 says about the images, or None if the data is something else.

    One image in twenty must be its own, or four classes of a split as large as its own: tampered
    data keeps its counts even where no image is left as it was.
    """
    if not set(dataset.classes) <= set(EMOTIONS) or not len(dataset):
        return None
    prefixes = _hash_prefixes(dataset)
    known = np.stack([np.isin(prefixes, section) for section in _read_fer2013_hashes()], axis=1)
    reference = _Fer2013(known[:, : len(EMOTIONS)], known[:, len(EMOTIONS) :])
    counts_match = any(
        sum(dataset.counts(split) == [part[name] for name in dataset.classes]) >= 4
        for split in SPLITS
        for part in _published_parts()
    )
    return reference if reference.genuine.mean() >= 0.05 or counts_match else None


def _compare_with_fer2013(dataset: FaceDataset, reference: _Fer2013) -> Iterator[Finding]:
    for split in (s for s in SPLITS if dataset.has(s)):
        inside = dataset.splits == split
        total, genuine = int(inside.sum()), _count(reference.genuine, dataset, split)
        unknown = "" if genuine == total or split == "train" else " (PrivateTest is not known here)"
        yield Finding(
            "note",
            "genuine",
            f"{split} images that are FER-2013's own, pixel for pixel: {genuine:,} of {total:,}"
            + unknown,
        )
        expected = reference.published_counts(dataset, split)
        counts = reference.counts(dataset, split)
        if expected and counts != expected:
            differences = ", ".join(
                f"{name} {count:,} instead of {published_count:,}"
                for name, count, published_count in zip(
                    dataset.classes, counts, expected, strict=True
                )
                if count != published_count
            )
            yield Finding(
                "warning",
                "counts",
                f"{split} has {sum(counts):,} where FER-2013 has {sum(expected):,} images "
                f"({differences}): results do not compare with published ones",
            )
    emotion_of = np.array([EMOTIONS.index(name) for name in dataset.classes])[dataset.labels]
    known = reference.training | reference.public_test
    # Any image can be altered into a blank one, so blanks say nothing about where they are from.
    contradicted = reference.genuine & ~known[np.arange(len(dataset)), emotion_of]
    relabelled = np.flatnonzero(contradicted & ~_is_blank(dataset))
    if len(relabelled):
        yield Finding(
            "error",
            "relabelled",
            f"{len(relabelled):,} of FER-2013's images "
            f"{_verb(relabelled, 'carries a label', 'carry labels')} that FER-2013 does not give "
            f"{_verb(relabelled, 'it', 'them')}: use the published labels, or call it another data "
            "set",
            _names(dataset, relabelled),
        )
    in_train = dataset.splits == "train"
    from_training = reference.training.any(axis=1)
    only_test = ~from_training & reference.public_test.any(axis=1)
    held_in_train = np.isin(dataset.hashes, dataset.hashes[in_train])
    only_train = from_training & ~reference.public_test.any(axis=1) & ~held_in_train
    for moved, where in (
        (np.flatnonzero(only_test & in_train), "PublicTest are in train"),
        (np.flatnonzero(only_train & (dataset.splits == "test")), "Training are in test"),
    ):
        if len(moved):
            yield Finding(
                "warning",
                "moved",
                f"{len(moved):,} images of FER-2013's {where}: results do not compare with "
                "published ones",
                _names(dataset, moved),
            )


# --- Tampering ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Suspects:
    """Images of one class in one split that are not known to be genuine, and the evidence."""

    class_name: str
    images: Index
    originals: int
    sharpness: float
    gaps: float
    full_range: float
    looked_at: int
    copies: Index
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


def _find_tampering(dataset: FaceDataset, reference: _Fer2013 | None) -> Iterator[Finding]:
    level: Level = "error" if reference else "warning"
    genuine = reference.genuine if reference else np.zeros(len(dataset), dtype=np.bool_)
    sharpness = {}
    for split in (s for s in SPLITS if dataset.has(s)):
        total = int((dataset.splits == split).sum())
        groups = list(_examine_split(dataset, split, genuine))
        augmented = [group for group in groups if group.are_augmented]
        blurred = _accused(
            groups, lambda g: g.sharpness < (_BLURRED_FER2013 if reference else _BLURRED)
        )
        stretched = _accused(
            groups,
            lambda g: g.gaps > _GAPS or (reference is not None and g.full_range > _FULL_RANGE),
        )
        for group in augmented:
            yield _describe_augmentation(dataset, split, group, is_fer2013=reference is not None)
        if blurred:
            yield Finding(
                level,
                "blurred",
                f"{_share(blurred, total, split)} are blurred: their fine detail is "
                f"{_mean(blurred, 'sharpness'):.2f} of their contrast, in FER-2013 "
                f"{published()['dataset']['genuine']['sharpness']}: get the original images",
                _names(dataset, _images(blurred)),
            )
        if stretched:
            yield Finding(
                level,
                "stretched",
                f"{_share(stretched, total, split)} have stretched histograms: "
                f"{_mean(stretched, 'full_range'):.0%} reach both black and white and "
                f"{_mean(stretched, 'gaps'):.1%} of the grey levels between are empty, in FER-2013 "
                f"{published()['dataset']['genuine']['full_range']:.0%} and "
                f"{published()['dataset']['genuine']['gaps']:.1%}: get the original images",
                _names(dataset, _images(stretched)),
            )
        if reference and split == "train":
            unknown = np.flatnonzero((dataset.splits == split) & ~genuine)
            unknown = np.setdiff1d(unknown, _images([*augmented, *blurred, *stretched]))
            if len(unknown):
                yield Finding(
                    "warning",
                    "foreign",
                    f"{split} images that are not FER-2013's, pixel for pixel: {len(unknown):,} of "
                    f"{total:,}; they come from elsewhere, or were resized or stored as JPEG",
                    _names(dataset, unknown),
                )
        if groups and not reference:
            sharpness[split] = _mean(groups, "sharpness")
    if sharpness and min(sharpness.values()) < _SOFTER_SPLIT * max(sharpness.values()):
        soft, sharp = min(sharpness, key=sharpness.__getitem__), max(sharpness.values())
        yield Finding(
            "warning",
            "softer",
            f"{soft} is softer than the rest: its fine detail is {sharpness[soft]:.2f} of its "
            f"contrast, elsewhere {sharp:.2f}: one of them was blurred, or enlarged from less",
        )


def _accused(groups: Sequence[_Suspects], shows: Callable[[_Suspects], bool]) -> list[_Suspects]:
    """Return the classes that show a trait, unless augmentation explains it in all of them."""
    accused = [group for group in groups if group.are_whole and shows(group)]
    return [] if all(group.are_augmented for group in accused) else accused


def _examine_split(dataset: FaceDataset, split: str, genuine: Mask) -> Iterator[_Suspects]:
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
        yield _Suspects(
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


def _describe_augmentation(
    dataset: FaceDataset, split: str, group: _Suspects, *, is_fer2013: bool
) -> Finding:
    evidence = (
        f"of {group.looked_at} looked at, {len(group.copies)} are turned, shifted or mirrored "
        f"copies of others ({group.mirrored} mirrored)"
    )
    if is_fer2013:
        return Finding(
            "error",
            "padded",
            f"{split}/{group.class_name} is padded by augmentation: {len(group.images):,} of its "
            f"{group.originals + len(group.images):,} images are not FER-2013's, and {evidence}: "
            "take them out",
            _names(dataset, group.images),
        )
    return Finding(
        "warning",
        "padded",
        f"{split}/{group.class_name} is padded by augmentation, or by frames of the same film: "
        f"{evidence}, for example those named: keep the originals only",
        _names(dataset, group.copies),
    )


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


# --- Words ----------------------------------------------------------------------------------


def _names(dataset: FaceDataset, index: Index) -> tuple[str, ...]:
    return tuple(dataset.names[index].tolist())


def _count(mask: Mask, dataset: FaceDataset, split: str) -> int:
    return int((mask & (dataset.splits == split)).sum())


def _images(groups: Sequence[_Suspects]) -> Index:
    return np.concatenate([np.empty(0, np.intp), *(group.images for group in groups)])


def _mean(groups: Sequence[_Suspects], trait: str) -> float:
    weights = [len(group.images) for group in groups]
    return float(np.average([getattr(group, trait) for group in groups], weights=weights))


def _share(groups: Sequence[_Suspects], total: int, split: str) -> str:
    """Return words such as "4,830 of the 28,709 train images (sad)"."""
    count = len(_images(groups))
    where = "" if count > 0.9 * total else f" ({', '.join(group.class_name for group in groups)})"
    return f"{count:,} of the {total:,} {split} images{where}"


def _verb(things: NDArray[Any], one: str, many: str) -> str:
    return one if len(things) == 1 else many
