"""What was found of the labels of a data set: which are suspects, and what voters say of that."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.datasets.dataset import SPLITS, FaceDataset
from ferboost.datasets.votes import annotator_agreement, majority_labels, soft_labels
from ferboost.evaluation.label_errors import FinderCurve, LabelErrors, judge_finder

__all__ = ["AGREEMENTS", "LabelFindings", "judge_labels"]

#: Who is compared with whom, in words, in the order in which it is shown.
AGREEMENTS = {
    "model_with_labels": "the CNN with the labels",
    "label_by_majority": "most of ten voters with the labels",
    "label_by_vote": "one voter with the labels",
    "model_with_majority": "the CNN with most voters",
    "vote_by_others": "one voter with most of the others",
    "model_with_votes": "the CNN with single votes",
    "vote_by_best": "the best possible model with single votes",
}

_ALL = "all"
_UNGIVEN, _OUTVOTED = "no voter gave the label", "most voters gave another"


@dataclass(frozen=True, eq=False)
class LabelFindings:
    """What was found of labels that a model was not trained on.

    Attributes
    ----------
    images : mapping of str to int
        How many were judged, by split.
    suspects : int
        How many of these labels are suspects, see `LabelErrors`.
    left_out : int
        Images that the model was trained on.
    finder : mapping of str to FinderCurve
        How many of the first images have a wrong label, by what counts as wrong. Without votes
        there is none, nor where they find no label wrong.
    agreement : mapping of str to mapping of str to float
        For all images, and for each split where there are several: shares by `AGREEMENTS`. Without
        votes that have a majority there are none.
    """

    images: Mapping[str, int]
    suspects: int
    left_out: int
    finder: Mapping[str, FinderCurve]
    agreement: Mapping[str, Mapping[str, float]]

    @property
    def judged(self) -> int:
        """How many labels were judged."""
        return sum(self.images.values())

    def sentence(self) -> str:
        """Return how many labels of which images are suspects."""
        parts = ", ".join(f"{count:,} {split}" for split, count in self.images.items())
        left_out = (
            f"; {self.left_out:,} images are left out, because the CNNs were trained on them"
            if self.left_out
            else ""
        )
        return f"{self.suspects:,} of {self.judged:,} labels are suspect ({parts}{left_out})."

    def remarks(self) -> tuple[str, ...]:
        """Return a sentence for each thing that the votes cannot say of these images."""
        if not self.agreement:
            return ()
        senses = [sense for sense in (_UNGIVEN, _OUTVOTED) if sense not in self.finder]
        splits = [*self.images] if len(self.images) > 1 else []
        return (
            *(f"No label is wrong by the votes in this sense: {sense}." for sense in senses),
            *(
                f"No {split} image has votes with a majority."
                for split in splits
                if split not in self.agreement
            ),
        )

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return what `from_dict` reads."""
        return {
            "images": dict(self.images),
            "suspects": self.suspects,
            "left_out": self.left_out,
            "wrong": {
                name: {"judged": curve.judged, "places": np.flatnonzero(curve.wrong).tolist()}
                for name, curve in self.finder.items()
            },
            "agreement": {images: dict(shares) for images, shares in self.agreement.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "LabelFindings":
        """Return what `to_dict` described.

        Raises
        ------
        ValueError, KeyError, TypeError, AttributeError
            If it is something else.
        """
        finder = {}
        for name, own in content["wrong"].items():
            wrong = np.zeros(int(own["judged"]), dtype=bool)
            places = np.array(own["places"], dtype=np.int64)
            if not len(places) or places.min() < 0 or places.max() >= len(wrong):
                raise ValueError("its wrong labels are not among the judged ones")
            wrong[places] = True
            finder[str(name)] = FinderCurve(wrong)
        return cls(
            {str(split): int(count) for split, count in content["images"].items()},
            int(content["suspects"]),
            int(content["left_out"]),
            finder,
            {
                str(images): {name: float(shares[name]) for name in AGREEMENTS}
                for images, shares in content["agreement"].items()
            },
        )


def judge_labels(
    images: FaceDataset,
    probabilities: NDArray[np.float32],
    errors: LabelErrors,
    left_out: int = 0,
) -> LabelFindings:
    """Say what was found of labels, and where there are votes, what voters say of it.

    Parameters
    ----------
    images : FaceDataset
        That the model was not trained on; with FER+ votes or without.
    probabilities : ndarray of float32, shape (n, classes)
        The model's.
    errors : LabelErrors
        Of these images.
    left_out : int
        Images that the model was trained on.
    """
    counts = {split: int((images.splits == split).sum()) for split in SPLITS if images.has(split)}
    voted = images.votes is not None
    return LabelFindings(
        images=counts,
        suspects=int(errors.suspect.sum()),
        left_out=left_out,
        finder=_judge_by_votes(images, errors) if voted else {},
        agreement=dict(_agreements(images, probabilities, list(counts))) if voted else {},
    )


def _judge_by_votes(images: FaceDataset, errors: LabelErrors) -> dict[str, FinderCurve]:
    shares, majority = soft_labels(images), majority_labels(images)
    voted = shares.sum(axis=1) > 0
    on_label = shares[np.arange(len(images)), images.labels]
    clear, train = majority >= 0, images.splits == "train"
    ungiven = voted & (on_label == 0)
    senses = {
        _UNGIVEN: (ungiven, voted),
        _OUTVOTED: (clear & (majority != images.labels), clear),
    }
    if train.any() and not train.all():  # the labels that are learnt from
        senses[f"{_UNGIVEN}, training images alone"] = (ungiven & train, voted & train)
    return {
        sense: judge_finder(errors.order, wrong, judged)
        for sense, (wrong, judged) in senses.items()
        if wrong.any()
    }


def _agreements(
    images: FaceDataset, probabilities: NDArray[np.float32], splits: list[str]
) -> Iterator[tuple[str, dict[str, float]]]:
    verdicts, decided = probabilities.argmax(axis=1), majority_labels(images) >= 0
    parts = {_ALL: np.ones(len(images), dtype=bool)}
    if len(splits) > 1:
        parts |= {split: images.splits == split for split in splits}
    for name, own in parts.items():
        if decided[own].any():  # without one, there is nobody to agree with
            yield name, _agreement(images.select(own), verdicts[own])


def _agreement(images: FaceDataset, verdicts: NDArray[np.int64]) -> dict[str, float]:
    shares, majority = soft_labels(images), majority_labels(images)
    voted, clear = shares.sum(axis=1) > 0, majority >= 0
    found = asdict(annotator_agreement(images)) | {
        "model_with_labels": (verdicts == images.labels).mean(),
        "model_with_majority": (verdicts == majority)[clear].mean(),
        "model_with_votes": shares[np.flatnonzero(voted), verdicts[voted]].mean(),
    }
    return {name: float(found[name]) for name in AGREEMENTS}
