"""FER+ votes: ten people's opinions of each FER-2013 image (Barsoum et al., 2016)."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.tables import row_name
from ferboost.emotions import FERPLUS_COLUMNS
from ferboost.errors import DataError

__all__ = [
    "AnnotatorAgreement",
    "VoteTable",
    "annotator_agreement",
    "describe_votes",
    "join_votes",
    "majority_labels",
    "read_votes",
    "soft_labels",
    "vote_shares",
]

_COLUMNS = tuple(FERPLUS_COLUMNS)
# Measured: the clear majorities agree with 66 % of FER-2013's own labels (26,775 training images);
# votes joined to the wrong images agree with a fifth, as chance has it.
_LEAST_AGREEMENT = 0.4
# Of 200 rows of FER-2013 in their order, at least 58 % agree; of the wrong ones, hardly ever 40 %.
_BLOCK = 200
# Digits of a count, spaces beside it included.
_LONGEST_COUNT = 20


@dataclass(frozen=True, eq=False)
class VoteTable:
    """The content of ``fer2013new.csv``.

    Attributes
    ----------
    names : tuple of str
        File name of each image, such as ``"fer0000000.png"``; empty where FER+ has none.
    votes : ndarray of uint8, shape (n, 10)
        Votes in the order of `ferboost.emotions.FERPLUS_COLUMNS`.
    source : str
        The file that was read.
    """

    names: tuple[str, ...]
    votes: NDArray[np.uint8]
    source: str = ""


def read_votes(path: Path | str) -> VoteTable:
    """Read a file of FER+ votes.

    Raises
    ------
    DataError
        If the file is missing, is no such table, or a row is not ten counts.
    """
    source = Path(path)
    if not source.is_file():
        raise DataError(f"there is no file of votes {source}; check the path")
    names: list[str] = []
    votes: list[list[int]] = []
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            header = [column.strip() for column in next(rows, [])]
            missing = [c for c in ("Image name", *_COLUMNS) if c not in header]
            if missing:
                raise DataError(
                    f"{source} has no column {missing[0]!r}; expected FER+'s fer2013new.csv"
                )
            name_at = header.index("Image name")
            at = [header.index(column) for column in _COLUMNS]
            for row in filter(None, rows):
                where = f"line {rows.line_num} of {source}"
                if len(row) != len(header):
                    raise DataError(f"{where} has {len(row)} columns, expected {len(header)}")
                names.append(row[name_at].strip())
                votes.append(_counts([row[i] for i in at], where))
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{source} cannot be read as a CSV file ({error})") from error
    if not names:
        raise DataError(f"{source} holds no votes; expected FER+'s fer2013new.csv")
    counts = np.array(votes, dtype=np.uint8).reshape(-1, len(_COLUMNS))
    return VoteTable(tuple(names), counts, str(source))


def _counts(cells: list[str], where: str) -> list[int]:
    if not all(
        cell.strip().isdecimal() and len(cell) < _LONGEST_COUNT and int(cell) <= 255
        for cell in cells
    ):
        raise DataError(f"{where} has votes that are not whole numbers from 0 to 255")
    return [int(cell) for cell in cells]


def join_votes(dataset: FaceDataset, table: VoteTable) -> FaceDataset:
    """Give each image its votes, found by its file name, such as ``fer0000000.png``.

    Images from a CSV or Parquet edition have no names; they are joined by their row, where they
    stood in one table that is no longer than that of the votes: rows may be missing at its end, as
    where PrivateTest is left out. Images without votes get zeros.

    Raises
    ------
    DataError
        If the data set is not of FER-2013's emotions, or the votes are evidently of other images.
    """
    unknown = set(dataset.classes) - set(FERPLUS_COLUMNS.values())
    if unknown:
        raise DataError(f"FER+ votes are of emotions; {dataset.source} has {sorted(unknown)[0]!r}")
    by_name = {name: row for row, name in enumerate(table.names) if name}
    rows = range(len(table.names) if len(dataset) <= len(table.names) else 0)
    by_row = {row_name(row): row for row in rows}
    names = map(str, dataset.names)
    found = np.array([by_row.get(n, by_name.get(PurePosixPath(n).name, -1)) for n in names])
    votes = np.where((found >= 0)[:, None], table.votes[found], 0).astype(np.uint8)
    joined = replace(dataset, votes=votes, votes_source=table.source)
    majority = majority_labels(joined)
    decided = majority >= 0
    if not decided.any():
        raise DataError(f"no image of {dataset.source} is named in the votes; are they FER-2013's?")
    agreement = float((majority == dataset.labels)[decided].mean())
    if agreement < _LEAST_AGREEMENT:
        raise DataError(
            f"the votes agree with {agreement:.0%} of the labels of {dataset.source}: "
            "they belong to other images or to another order of them"
        )
    by_number = np.flatnonzero(decided & np.isin(dataset.names, list(by_row)))
    ordered = by_number[np.argsort(found[by_number])]
    for block in np.array_split(ordered, max(1, len(ordered) // _BLOCK)):
        agreement = float((majority == dataset.labels)[block].mean()) if len(block) else 1.0
        if agreement < _LEAST_AGREEMENT:
            first, last = dataset.names[block[0]], dataset.names[block[-1]]
            raise DataError(
                f"the votes agree with {agreement:.0%} of the labels from {first} to {last} of "
                f"{dataset.source}: rows are missing before them, or in another order; only at "
                "the end may rows be left out"
            )
    return joined


def soft_labels(dataset: FaceDataset) -> NDArray[np.float32]:
    """Return the share of the votes that each class got.

    Votes for contempt, "unknown" and "no face" are left out.

    Returns
    -------
    ndarray of float32, shape (n, classes)
        Rows sum to 1, or are all zero where an image has no vote for any class.

    Raises
    ------
    DataError
        If the data set has no votes.
    """
    votes = _votes(dataset)
    counts = np.zeros((len(dataset), len(dataset.classes)), dtype=np.float32)
    for column, emotion in enumerate(FERPLUS_COLUMNS.values()):
        if emotion in dataset.classes:
            counts[:, dataset.classes.index(emotion)] += votes[:, column]
    return _shares(counts)


def vote_shares(dataset: FaceDataset) -> NDArray[np.float32]:
    """Return the share of the votes that each column of the table got, "no face" included.

    Returns
    -------
    ndarray of float32, shape (n, 10)
        Rows sum to 1, or are all zero where an image has no votes.

    Raises
    ------
    DataError
        If the data set has no votes.
    """
    return _shares(_votes(dataset).astype(np.float32))


def _shares(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each row's shares of its sum; zeros where there is none."""
    shares: NDArray[np.float32] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def describe_votes(dataset: FaceDataset) -> dict[str, float]:
    """Say how many images have votes, and how far their majority agrees with the labels.

    Returns
    -------
    dict of str to float
        ``images_with_votes`` and ``clear_majorities`` (numbers of images), and ``agreement`` (share
        of the clear majorities that are the label).
    """
    majority = majority_labels(dataset)
    clear = majority >= 0
    return {
        "images_with_votes": int((soft_labels(dataset).sum(axis=1) > 0).sum()),
        "clear_majorities": int(clear.sum()),
        "agreement": float((majority == dataset.labels)[clear].mean()) if clear.any() else 0.0,
    }


def majority_labels(dataset: FaceDataset) -> NDArray[np.int64]:
    """Return the class with the most votes, shape (n,), int64; -1 where there is none, or a tie.

    A class needs more votes than every other column of the table, contempt, "unknown" and "no face"
    included.

    Raises
    ------
    DataError
        If the data set has no votes.
    """
    votes = _votes(dataset)
    emotions = list(FERPLUS_COLUMNS.values())
    ordered = np.sort(votes, axis=1)
    clear = ordered[:, -1] > ordered[:, -2]
    lookup = np.array([dataset.classes.index(e) if e in dataset.classes else -1 for e in emotions])
    return np.where(clear, lookup[votes.argmax(axis=1)], -1).astype(np.int64)


@dataclass(frozen=True)
class AnnotatorAgreement:
    """How far people agree on the images of a data set, and so how far a model can agree with them.

    Attributes
    ----------
    images : int
        With a vote for any class.
    label_by_vote : float
        Share of single votes that are the image's label.
    label_by_majority : float
        Share of the clear majorities that are the label.
    vote_by_others : float
        Share of single votes that are what most of the image's other voters say, where these have a
        clear majority: how often one person agrees with the rest.
    vote_by_best : float
        Share of single votes for the class with the most votes: no model agrees with more of them,
        and so none with more labels that are one person's opinion.
    """

    images: int
    label_by_vote: float
    label_by_majority: float
    vote_by_others: float
    vote_by_best: float


def annotator_agreement(dataset: FaceDataset) -> AnnotatorAgreement:
    """Measure how far the voters agree with each other and with the labels.

    Raises
    ------
    DataError
        If the data set has no votes.
    """
    shares, majority = soft_labels(dataset), majority_labels(dataset)
    voted = shares.sum(axis=1) > 0
    rows = np.flatnonzero(voted)
    votes = _votes(dataset)[voted].astype(np.int64)
    agreeing, counted = 0, 0
    for column in range(votes.shape[1]):
        others = votes.copy()
        others[:, column] -= 1
        ordered = np.sort(others, axis=1)
        clear = (votes[:, column] > 0) & (ordered[:, -1] > ordered[:, -2])
        counted += int(votes[clear, column].sum())
        agreeing += int(votes[clear & (others.argmax(axis=1) == column), column].sum())
    decided = majority >= 0
    return AnnotatorAgreement(
        images=len(rows),
        label_by_vote=float(shares[rows, dataset.labels[rows]].mean()),
        label_by_majority=float((majority == dataset.labels)[decided].mean()),
        vote_by_others=agreeing / max(counted, 1),
        vote_by_best=float(shares[rows].max(axis=1).mean()),
    )


def _votes(dataset: FaceDataset) -> NDArray[np.uint8]:
    if dataset.votes is None:
        raise DataError(f"{dataset.source} has no votes; join them first with join_votes")
    return dataset.votes
