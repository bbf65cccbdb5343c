"""The images of a data set that people should look at first."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferboost.datasets.audit import Audit
from ferboost.datasets.dataset import FaceDataset

__all__ = ["BadImage", "table_of", "worst_images"]

# Findings of the audit that are about single images and their labels, the worst first, in words
# that fit above a face.
_REASONS = {
    "relabelled": "not as published",
    "conflicts": "two labels",
    "blank": "blank",
}
_DOUBTED = "doubted"


@dataclass(frozen=True)
class BadImage:
    """An image that should be looked at.

    Attributes
    ----------
    place : int
        Its position in the data set.
    reason : str
    suggested : str or None
        Another class, where one is suggested.
    """

    place: int
    reason: str
    suggested: str | None = None


def worst_images(
    dataset: FaceDataset, found: Audit, beliefs: NDArray[np.float32] | None = None
) -> tuple[BadImage, ...]:
    """Return the images that are to be looked at, each once, the worst first.

    First those that the audit names: with other labels than FER-2013 gives, equal ones with
    different labels, blank ones. Then those whose labels are doubted, the least believed first.

    Parameters
    ----------
    dataset : FaceDataset
    found : Audit
        Of the data set.
    beliefs : ndarray of float32, shape (n, classes), optional
        See `ferboost.datasets.doubts.read_beliefs`.
    """
    worst: dict[int, BadImage] = {}
    for image in (*_audited(dataset, found), *_doubted(dataset, beliefs)):
        worst.setdefault(image.place, image)
    return tuple(worst.values())


def _audited(dataset: FaceDataset, found: Audit) -> Iterator[BadImage]:
    places = {str(name): place for place, name in enumerate(dataset.names)}
    for code, reason in _REASONS.items():
        for finding in found.findings:
            if finding.code == code:
                known = (name for name in finding.names if name in places)
                yield from (BadImage(places[name], reason) for name in known)


def _doubted(dataset: FaceDataset, beliefs: NDArray[np.float32] | None) -> Iterator[BadImage]:
    if beliefs is None:
        return
    rows = np.arange(len(dataset))
    of_label = beliefs[rows, dataset.labels]
    others = beliefs.copy()
    others[rows, dataset.labels] = -1
    ordered = np.sort(others, axis=1)
    for place in np.argsort(of_label, kind="stable"):
        if of_label[place] == 1:
            return
        clear = ordered[place, -1] > ordered[place, -2]
        suggested = dataset.classes[int(others[place].argmax())] if clear else None
        yield BadImage(int(place), _DOUBTED, suggested)


def table_of(dataset: FaceDataset, images: tuple[BadImage, ...]) -> str:
    """Return images as a CSV table for people to label again, which ``data.doubts`` takes."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("image", "split", "label", "suggested", "suspect", "why"))
    for image in images:
        place = image.place
        label = dataset.classes[int(dataset.labels[place])]
        name, split = dataset.names[place], dataset.splits[place]
        rows.writerow((name, split, label, image.suggested or "", "yes", image.reason))
    return text.getvalue()
