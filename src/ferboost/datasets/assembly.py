"""From a stream of labelled faces to a `FaceDataset`, settling the names of splits and classes."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferboost.datasets.dataset import IMAGE_SIZE, FaceDataset
from ferboost.emotions import EMOTIONS, FER2013_ORDER, parse_emotion
from ferboost.errors import DataError

__all__ = [
    "LabelledFace",
    "Progress",
    "assemble",
    "ignore_progress",
    "parse_split",
    "settle_classes",
]

#: Called with how many of how many images are done.
Progress = Callable[[int, int], None]


def ignore_progress(_done: int, _total: int) -> None:
    """Take no notice of the progress."""


_SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "publictest", "privatetest"),
}
_SPLITS = {alias: split for split, aliases in _SPLIT_NAMES.items() for alias in aliases}
_CHANGE_NOTES = {
    "rotation": "turned upright, as their EXIF data says",
    "colour": "converted from colour to gray",
    "transparency": "laid on white where they were transparent",
    "depth": "converted from 16 or 32 bits to 8",
    "size": f"cut to a centred square and resized to {IMAGE_SIZE} x {IMAGE_SIZE} pixels",
    "frames": "reduced to the first of their frames",
}


@dataclass(frozen=True, slots=True)
class LabelledFace:
    """One image as a reader found it: its place, the words for its split and class, its pixels."""

    name: str
    split: str | None
    label: str
    face: NDArray[np.uint8]
    changes: frozenset[str] = frozenset()


def parse_split(name: str) -> str | None:
    """Return ``"train"``, ``"validation"`` or ``"test"`` for a published name of it, else None."""
    return _SPLITS.get(re.sub(r"[\s_-]", "", name).casefold())


def assemble(faces: Iterable[LabelledFace], source: str, notes: Iterable[str] = ()) -> FaceDataset:
    """Collect labelled faces into arrays.

    Parameters
    ----------
    faces : iterable of LabelledFace
        Read once, one at a time: only the small faces are held.
    source : str
        The file or folder, for messages.
    notes : iterable of str
        What the reader has to say. Conversions are added.

    Raises
    ------
    DataError
        If there is no face, or labels do not fit together.
    """
    pixels = bytearray()
    names: list[str] = []
    splits: list[str] = []
    labels: list[str] = []
    changes: Counter[str] = Counter()
    for item in faces:
        pixels += item.face.tobytes()
        names.append(item.name)
        splits.append(item.split or "train")
        labels.append(item.label)
        changes.update(item.changes)
    if not names:
        raise DataError(f"{source} holds no images; expected folders such as train/happy/*.png")
    classes, lookup = settle_classes(Counter(labels), source)
    converted = [
        f"Images {note}: {changes[c]:,}." for c, note in _CHANGE_NOTES.items() if changes[c]
    ]
    return FaceDataset(
        images=np.frombuffer(pixels, dtype=np.uint8).reshape(-1, IMAGE_SIZE, IMAGE_SIZE),
        labels=np.array([lookup[label] for label in labels], dtype=np.int64),
        splits=np.array(splits),
        names=np.array(names),
        classes=classes,
        source=source,
        notes=(*notes, *converted),
    )


def settle_classes(found: Counter[str], source: str) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the class names in order, and the class index of every label found.

    Labels that all stand for emotions, or are the numbers 0 to 6, become the names of
    `ferboost.emotions.EMOTIONS`; other labels stay as they are, in alphabetical order.

    Raises
    ------
    DataError
        If there is another label beside the seven emotions.
    """
    if set(found) <= {str(i) for i in range(len(FER2013_ORDER))} and "0" in found:
        meaning: dict[str, str | None] = {str(i): e for i, e in enumerate(FER2013_ORDER)}
    else:
        meaning = {label: parse_emotion(label) for label in found}
    emotions = {label: emotion for label, emotion in meaning.items() if label in found and emotion}
    if len(emotions) == len(found):
        classes = tuple(e for e in EMOTIONS if e in emotions.values())
        return classes, {label: classes.index(emotion) for label, emotion in emotions.items()}
    strangers = sorted(set(found) - set(emotions))
    if len(set(emotions.values())) == len(EMOTIONS):
        raise DataError(
            f"{source} has the seven emotions and the unknown label {strangers[0]!r} "
            f"({found[strangers[0]]:,} images); rename or remove it"
        )
    classes = tuple(sorted(found))
    return classes, {label: index for index, label in enumerate(classes)}
