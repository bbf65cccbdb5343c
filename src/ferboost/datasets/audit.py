"""A check of a data set's content: counts, copies, contradictions, blanks and tampering.

Data that FER-2013 can be recognised in is compared with FER-2013 itself; everything else is judged
by its own statistics.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ferboost.datasets.dataset import SPLITS, FaceDataset
from ferboost.datasets.fer2013 import Fer2013, recognise_fer2013
from ferboost.datasets.tampering import (
    Suspects,
    examine_split,
    find_blurred,
    find_stretched,
    is_softer,
)
from ferboost.emotions import EMOTIONS
from ferboost.published import published

__all__ = ["Audit", "Finding", "SplitSummary", "audit"]

Level: TypeAlias = Literal["note", "warning", "error"]
Index: TypeAlias = NDArray[np.intp]
Mask: TypeAlias = NDArray[np.bool_]

#: Standard deviation in grey levels below which an image shows nothing. FER-2013 has three such
#: images (0, 0.7 and 4.1); its darkest face has 9.1.
_BLANK = 6.0


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
    reference = recognise_fer2013(dataset)
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


def _compare_with_fer2013(dataset: FaceDataset, reference: Fer2013) -> Iterator[Finding]:
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


def _find_tampering(dataset: FaceDataset, reference: Fer2013 | None) -> Iterator[Finding]:
    level: Level = "error" if reference else "warning"
    genuine = reference.genuine if reference else np.zeros(len(dataset), dtype=np.bool_)
    sharpness = {}
    for split in (s for s in SPLITS if dataset.has(s)):
        total = int((dataset.splits == split).sum())
        groups = list(examine_split(dataset, split, genuine))
        augmented = [group for group in groups if group.are_augmented]
        blurred = find_blurred(groups, is_fer2013=reference is not None)
        stretched = find_stretched(groups, is_fer2013=reference is not None)
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
    if sharpness and is_softer(min(sharpness.values()), max(sharpness.values())):
        soft, sharp = min(sharpness, key=sharpness.__getitem__), max(sharpness.values())
        yield Finding(
            "warning",
            "softer",
            f"{soft} is softer than the rest: its fine detail is {sharpness[soft]:.2f} of its "
            f"contrast, elsewhere {sharp:.2f}: one of them was blurred, or enlarged from less",
        )


def _describe_augmentation(
    dataset: FaceDataset, split: str, group: Suspects, *, is_fer2013: bool
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


def _names(dataset: FaceDataset, index: Index) -> tuple[str, ...]:
    return tuple(dataset.names[index].tolist())


def _count(mask: Mask, dataset: FaceDataset, split: str) -> int:
    return int((mask & (dataset.splits == split)).sum())


def _images(groups: Sequence[Suspects]) -> Index:
    return np.concatenate([np.empty(0, np.intp), *(group.images for group in groups)])


def _mean(groups: Sequence[Suspects], trait: str) -> float:
    weights = [len(group.images) for group in groups]
    return float(np.average([getattr(group, trait) for group in groups], weights=weights))


def _share(groups: Sequence[Suspects], total: int, split: str) -> str:
    """Return words such as "4,830 of the 28,709 train images (sad)"."""
    count = len(_images(groups))
    where = "" if count > 0.9 * total else f" ({', '.join(group.class_name for group in groups)})"
    return f"{count:,} of the {total:,} {split} images{where}"


def _verb(things: NDArray[Any], one: str, many: str) -> str:
    return one if len(things) == 1 else many
