"""Whether data are what a run, a study or a reproduction was made with."""

from pathlib import Path

from ferboost.datasets.dataset import FaceDataset
from ferboost.errors import RunError
from ferboost.runs import DataRecord

__all__ = [
    "require_same_data",
    "require_same_doubts",
    "require_same_order",
    "require_same_votes",
]


def require_same_data(dataset: FaceDataset, record: DataRecord, path: Path) -> None:
    """Refuse to go on with other data than a run, a study or a reproduction was made with.

    Parameters
    ----------
    dataset : FaceDataset
        As loaded.
    record : DataRecord
        Of the data that it was made with.
    path : Path
        Of the run, for the message.

    Raises
    ------
    RunError
        If the content differs.
    """
    if dataset.fingerprint == record.fingerprint:
        return
    remedy = f"give it {record.path}"
    if Path(dataset.source).resolve() == Path(record.path):
        remedy = "its content has changed since; restore it"
    raise RunError(
        f"{dataset.source} is not the data that {path} was made with; {remedy}, or start anew"
    )


def require_same_order(dataset: FaceDataset, record: DataRecord, path: Path) -> None:
    """Refuse to go on with the same images in another order: batches and folds go by it.

    Raises
    ------
    RunError
        If the order differs, as between a zip and a CSV file of the same images.
    """
    if record.order not in (None, dataset.order_fingerprint):
        raise RunError(
            f"{dataset.source} has the images that {path} was started with in another order; go on "
            f"with {record.path}"
        )


def require_same_doubts(prepared: FaceDataset, record: DataRecord, path: Path) -> None:
    """Refuse to go on with other doubts than those that a run or study was started with.

    Raises
    ------
    RunError
        If the file of doubted labels has changed.
    """
    if prepared.beliefs is not None and prepared.notes[-1] not in record.notes:
        raise RunError(
            f"the file of doubted labels is not the one that {path} was started with (its content "
            "has changed); start anew"
        )


def require_same_votes(dataset: FaceDataset, record: DataRecord, path: Path) -> None:
    """Refuse to go on with other FER+ votes than those that a run was started with.

    Raises
    ------
    RunError
        If they differ, or only one of both has any.
    """
    if dataset.votes_fingerprint == record.votes_fingerprint:
        return
    theirs = f"those of {record.votes or 'its start'}" if record.votes_fingerprint else "none"
    found = dataset.votes_source or "none"
    raise RunError(f"{path} was started with other votes than {found}; give it {theirs}")
