"""Choosing the images of a data set that a command looks at."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ferboost.datasets import FaceDataset
    from ferboost.runs import Run

__all__ = ["SplitOption", "check_split", "print_left_out", "select_split"]

SplitOption = Annotated[
    str | None,
    typer.Option(
        metavar="SPLIT",
        help="Which images: train, validation, test or all.  [default: test; all, where the data "
        "has no splits]",
    ),
]


def check_split(split: str | None) -> None:
    """Refuse a name that is no split."""
    from ferboost.datasets import SPLITS
    from ferboost.errors import SettingsError

    if split not in (None, *SPLITS, "all"):
        raise SettingsError(f"no split {split!r}; there are: {', '.join(SPLITS)}, all")


def select_split(
    dataset: "FaceDataset", run: "Run | None", split: str | None, learnt: str | None = None
) -> "FaceDataset":
    """Return the images of a split; of the run's own data, as the run has cut it.

    None stands for the test split, or for all images of data that is in no splits and is not what
    the model was made with: the data with the fingerprint of the run, or `learnt`.
    """
    from ferboost.datasets.splitting import cut_as
    from ferboost.errors import DataError

    own = dataset.fingerprint == (learnt if run is None else run.record.data.fingerprint)
    if split == "all" or (split is None and not own and [*dataset.split_counts()] == ["train"]):
        return dataset
    wanted = split or "test"
    if run is not None and own:
        dataset = cut_as(run.settings, dataset)
    if not dataset.has(wanted):
        present = ", ".join(dataset.split_counts())
        raise DataError(
            f"{dataset.source} has no {wanted} split (it has {present}); choose by --split, or "
            "take --split all"
        )
    return dataset.split(wanted)


def print_left_out(count: int) -> None:
    """Say how many faces were not counted because the run knows them, if any."""
    if count:
        typer.echo(f"left out: {count:,} that the run was made with, or copies of them")
