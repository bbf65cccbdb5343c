"""Choosing the images of a data set that a command looks at."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ferboost.datasets import FaceDataset
    from ferboost.runs import Run

__all__ = ["SplitOption", "check_split", "select_split"]

SplitOption = Annotated[
    str, typer.Option(metavar="SPLIT", help="Which images: train, validation, test or all.")
]


def check_split(split: str) -> None:
    """Refuse a name that is no split."""
    from ferboost.datasets import SPLITS
    from ferboost.errors import SettingsError

    if split not in (*SPLITS, "all"):
        raise SettingsError(f"no split {split!r}; there are: {', '.join(SPLITS)}, all")


def select_split(dataset: "FaceDataset", run: "Run | None", split: str) -> "FaceDataset":
    """Return the images of a split; of the run's own data, as the run has cut it."""
    from ferboost.datasets.splitting import prepare_splits
    from ferboost.errors import DataError

    if split == "all":
        return dataset
    if run is not None and dataset.fingerprint == run.record.data.fingerprint:
        validation = run.settings.protocol == "clean"
        dataset = prepare_splits(dataset, run.settings.data, validation=validation)
    if not dataset.has(split):
        present = ", ".join(dataset.split_counts())
        raise DataError(
            f"{dataset.source} has no {split} split (it has {present}); choose by --split, or "
            "take --split all"
        )
    return dataset.split(split)
