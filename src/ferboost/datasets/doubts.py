"""Training labels that are doubted, and what is believed instead."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferboost.config import DataSettings
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.naming import NamedRow, read_named_rows
from ferboost.datasets.splitting import prepare_splits
from ferboost.datasets.votes import join_votes, majority_labels, read_votes, soft_labels
from ferboost.errors import DataError

__all__ = ["join_doubts", "prepare_training", "probability_column", "read_beliefs"]

# By which rounded probabilities may fail to sum to 1.
_ROUNDED = 0.01
# What a label is believed where nothing is said of how likely it is.
_EVEN = 0.5


def prepare_training(
    dataset: FaceDataset, settings: DataSettings, *, validation: bool
) -> FaceDataset:
    """Return a data set with every split (see `prepare_splits`), and the doubts of the settings.

    Parameters
    ----------
    dataset : FaceDataset
        As loaded.
    settings : DataSettings
    validation : bool
        Whether a validation split is needed.

    Raises
    ------
    DataError
        As by `prepare_splits` and `join_doubts`; or where all training labels of a class are
        doubted and would be dropped.
    """
    prepared = prepare_splits(dataset, settings, validation=validation)
    if settings.doubts is None:
        return prepared
    distil = settings.doubted == "distil"
    joined = join_doubts(prepared, Path(settings.doubts), distil=distil)
    train = joined.split("train")
    kept = np.bincount(train.labels[~train.doubted], minlength=len(train.classes))
    if settings.doubted == "drop" and not kept.all():
        raise DataError(
            f"{settings.doubts} doubts every training image of the class "
            f"{train.classes[int(kept.argmin())]!r}, and data.doubted=drop would leave none; take "
            "down-weight or soften"
        )
    return joined


def join_doubts(dataset: FaceDataset, path: Path, *, distil: bool = False) -> FaceDataset:
    """Give each training image what is believed of its label; other images keep theirs.

    Parameters
    ----------
    dataset : FaceDataset
        With its splits.
    path : Path
        See `read_beliefs`.
    distil : bool
        The same.

    Raises
    ------
    DataError
        As by `read_beliefs`, or if no training image is doubted.
    """
    beliefs = read_beliefs(dataset, path, distil=distil)
    train = dataset.splits == "train"
    beliefs[~train] = _certain(dataset)[~train]
    joined = replace(dataset, beliefs=beliefs)
    count = int(joined.doubted.sum())
    if not count:
        raise DataError(
            f"{path} doubts no training image of {dataset.source}; ferboost labels judges training "
            "images where the run was made with --set trees.features=out-of-fold"
        )
    does = "gives probabilities to learn" if distil else "doubts the labels"
    note = (
        f"{path.name} (SHA-256 {sha256(path.read_bytes()).hexdigest()[:16]}) {does} of "
        f"{count:,} of {train.sum():,} training images."
    )
    return replace(joined, notes=(*dataset.notes, note))


def read_beliefs(dataset: FaceDataset, path: Path, *, distil: bool = False) -> NDArray[np.float32]:
    """Read how far each class is believed to be the right one of each image.

    Parameters
    ----------
    dataset : FaceDataset
    path : Path
        Either FER+ votes, by which a label is doubted where most voters gave another one, and
        believed as far as voters gave it; or a CSV table with the column ``image`` (see
        `ferboost.datasets.naming.read_named_rows`), such as ``ferboost labels`` writes, by which
        every label is doubted whose row does not say ``no`` under ``suspect``. It may have
        ``suggested``, a class, and ``label_probability`` and ``suggested_probability``, by whose
        ratio label and suggestion are believed; without these, both alike. Without a suggestion
        the other classes share what the label lacks.
    distil : bool
        Whether the columns ``probability of`` each class, as ``ferboost labels`` writes them, are
        believed as much as the label, be it doubted or not.

    Returns
    -------
    ndarray of float32, shape (n, classes)
        Rows sum to 1; that of a label that is not doubted is 1 there.

    Raises
    ------
    DataError
        If the file is missing, neither of the two, or about other labels.
    """
    if not path.is_file():
        raise DataError(f"there is no file {path} of doubted labels; check the path")
    if distil:
        return _taught(dataset, path)
    with path.open("rb") as stream:
        are_votes = b"Image name" in stream.readline(4096)
    return _beliefs_of_votes(dataset, path) if are_votes else _beliefs_of_table(dataset, path)


def _certain(dataset: FaceDataset) -> NDArray[np.float32]:
    return np.eye(len(dataset.classes), dtype=np.float32)[dataset.labels]


def _beliefs_of_votes(dataset: FaceDataset, path: Path) -> NDArray[np.float32]:
    voted = join_votes(dataset, read_votes(path))
    majority = majority_labels(voted)
    doubted = (majority >= 0) & (majority != dataset.labels)
    return np.where(doubted[:, None], soft_labels(voted), _certain(dataset))


def _beliefs_of_table(dataset: FaceDataset, path: Path) -> NDArray[np.float32]:
    beliefs = _certain(dataset)
    seen: set[int] = set()
    for row in read_named_rows(path, dataset.names, ("image",), "doubted labels"):
        if row.place is None:
            continue
        if row.place in seen:
            raise DataError(f"{row.where}: {row.image} stands there twice")
        seen.add(row.place)
        label = int(dataset.labels[row.place])
        given = row.cells.get("label", "")
        if given and given != dataset.classes[label]:
            raise DataError(
                f"{row.where}: {row.image} is labelled {given}, and in {dataset.source} "
                f"{dataset.classes[label]}; the table is of other data"
            )
        if _is_suspect(row):
            beliefs[row.place] = _believed(row, label, dataset.classes)
    return beliefs


def _taught(dataset: FaceDataset, path: Path) -> NDArray[np.float32]:
    """Return the mean of the labels and the probabilities of a table, of these classes alone."""
    beliefs = _certain(dataset)
    columns = [probability_column(name) for name in dataset.classes]
    seen: set[int] = set()
    for row in read_named_rows(path, dataset.names, ("image", *columns), "probabilities to learn"):
        if row.place is None:
            continue
        if row.place in seen:
            raise DataError(
                f"{row.where}: {row.image} stands there twice; give what one model says, as by "
                "ferboost evaluate --variant"
            )
        seen.add(row.place)
        shares = np.array([_probability(row, column) or 0.0 for column in columns], np.float32)
        strangers = [name for name in row.cells if name.startswith(probability_column(""))]
        strangers = [name for name in strangers if name not in columns]
        rest = sum(_probability(row, name) or 0.0 for name in strangers)
        if not abs(shares.sum() + rest - 1) < _ROUNDED:
            raise DataError(f"{row.where}: the probabilities of {row.image} do not sum to 1")
        if not shares.sum() > 0:
            raise DataError(f"{row.where}: {row.image} has no probability of a class of the data")
        beliefs[row.place] = _EVEN * beliefs[row.place] + (1 - _EVEN) * shares / shares.sum()
    return beliefs


def probability_column(name: str) -> str:
    """Return the column of a table of doubted labels that has the probabilities of a class."""
    return f"probability of {name}"


def _is_suspect(row: NamedRow) -> bool:
    said = row.cells.get("suspect", "")
    if said not in {"", "yes", "no"}:
        raise DataError(f"{row.where} says {said!r} under suspect; it is yes or no")
    return said != "no"


def _believed(row: NamedRow, label: int, classes: tuple[str, ...]) -> NDArray[np.float32]:
    own, other = (
        _probability(row, name) for name in ("label_probability", "suggested_probability")
    )
    share = _EVEN
    if own is not None and other is not None and own + other > 0:
        share = own / (own + other)
    suggested = row.cells.get("suggested", "")
    beliefs = np.zeros(len(classes), dtype=np.float32)
    if not suggested:
        beliefs[:] = (1 - share) / (len(classes) - 1)
    elif suggested not in classes or suggested == classes[label]:
        raise DataError(
            f"{row.where} suggests {suggested!r} instead of {classes[label]}; it is another one "
            f"of: {', '.join(classes)}"
        )
    else:
        beliefs[classes.index(suggested)] = 1 - share
    beliefs[label] = share
    return beliefs


def _probability(row: NamedRow, column: str) -> float | None:
    text = row.cells.get(column, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise DataError(f"{row.where} has {text!r} under {column}; it is a number from 0 to 1")
    return value
