"""Cutting a validation or test split off the training images."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ferboost.config import DataSettings, Settings
from ferboost.datasets.dataset import FaceDataset
from ferboost.errors import DataError

__all__ = [
    "cut_as",
    "cut_split",
    "derive_seed",
    "draw_faces",
    "number_folds",
    "prepare_splits",
    "stratified_sample",
]


#: Deals images into folds: the same for all seeds of a run, so that they are comparable.
FOLD_SEED = 0


def stratified_sample(
    labels: NDArray[np.int64], groups: NDArray[np.generic], fraction: float, seed: int
) -> NDArray[np.bool_]:
    """Pick about `fraction` of every class at random, equal `groups` wholly or not at all.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    groups : ndarray, shape (n,)
        Images with the same value stay on one side; a group counts for the lowest of its labels.
    fraction : float
        From 0 to 1. Each class keeps at least one group on the side that is not picked.
    seed : int

    Returns
    -------
    ndarray of bool, shape (n,)
        True where an image is picked. The choice depends on the groups' values and the seed,
        not on the order of the images.
    """
    values, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    group_labels = np.full(len(values), np.iinfo(np.int64).max)
    np.minimum.at(group_labels, member, labels)
    order = np.random.default_rng(seed).permutation(len(values))
    picked = np.zeros(len(values), dtype=bool)
    for label in np.unique(group_labels):
        own = order[group_labels[order] == label]
        missing = round(fraction * int(sizes[own].sum()))
        for group in own[:-1]:
            if sizes[group] <= missing:
                picked[group] = True
                missing -= int(sizes[group])
    return picked[member]


def cut_as(settings: Settings, dataset: FaceDataset) -> FaceDataset:
    """Return a data set with the splits that a run of these settings makes of it.

    Parameters
    ----------
    settings : Settings
        Of the run.
    dataset : FaceDataset
        As loaded.

    Raises
    ------
    DataError
        As by `prepare_splits`.
    """
    return prepare_splits(dataset, settings.data, validation=settings.protocol == "clean")


def draw_faces(dataset: FaceDataset, count: int, seed: int = 0) -> FaceDataset:
    """Return about `count` images, of each class in proportion; all where there are no more."""
    if count >= len(dataset):
        return dataset
    share = count / len(dataset)
    return dataset.select(stratified_sample(dataset.labels, dataset.hashes, share, seed))


def derive_seed(seed: int, number: int) -> int:
    """Return the seed of one of several CNNs that a seed stands for, such as that of a fold."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])


def number_folds(
    labels: NDArray[np.int64],
    groups: NDArray[np.generic],
    folds: int,
    seed: int,
    classes: Sequence[str] = (),
) -> NDArray[np.int64]:
    """Deal images into folds: every class evenly, equal `groups` into the same one.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    groups : ndarray, shape (n,)
        Images with the same value stay together; a group counts for the lowest of its labels.
    folds : int
    seed : int
    classes : sequence of str, optional
        Their names, for a message.

    Returns
    -------
    ndarray of int64, shape (n,)
        From 0 to `folds` - 1.

    Raises
    ------
    DataError
        If a class has fewer groups than there are folds.
    """
    values, member = np.unique(groups, return_inverse=True)
    group_labels = np.full(len(values), np.iinfo(np.int64).max)
    np.minimum.at(group_labels, member, labels)
    order = np.random.default_rng(seed).permutation(len(values))
    numbers = np.empty(len(values), dtype=np.int64)
    for label in np.unique(labels):
        own = order[group_labels[order] == label]
        if len(own) < folds:
            name = repr(classes[label]) if classes else label
            raise DataError(
                f"class {name} has {len(own)} different training images, too few for {folds} "
                "folds; lower trees.folds or add images"
            )
        numbers[own] = np.arange(len(own)) % folds
    return numbers[member]


def cut_split(dataset: FaceDataset, name: str, fraction: float, seed: int) -> FaceDataset:
    """Move about `fraction` of the training images to the split `name`.

    The cut is stratified by class and seeded, and exact copies stay on one side.
    """
    train = np.flatnonzero(dataset.splits == "train")
    picked = stratified_sample(dataset.labels[train], dataset.hashes[train], fraction, seed)
    splits = dataset.splits.astype("<U10")
    splits[train[picked]] = name
    return replace(dataset, splits=splits)


def prepare_splits(
    dataset: FaceDataset, settings: DataSettings, *, validation: bool, seed: int = 0
) -> FaceDataset:
    """Return a data set that has every split that training and evaluation need.

    A missing test split is cut off the training images, and so is a missing validation split where
    `validation` asks for one; notes say so. Copies are on one side: of a validation split that the
    data brings, those among the training images are left out.

    Parameters
    ----------
    dataset : FaceDataset
    settings : DataSettings
    validation : bool
        Whether a validation split is needed. If not, validation images that the data brings are
        used for training.
    seed : int
        Decides the cut; the same for all seeds of a run, so that they are comparable.

    Raises
    ------
    DataError
        If there is no training image, one class only, or a class without training images.
    """
    if not dataset.has("train"):
        present = ", ".join(sorted(set(dataset.splits.tolist()))) or "nothing"
        raise DataError(
            f"{dataset.source} has no train split to learn from (it has {present}); "
            "give a data set with train/CLASS/ folders"
        )
    notes = list(dataset.notes)
    if not dataset.has("test"):
        dataset = cut_split(dataset, "test", settings.test_fraction, seed)
        notes.append(
            f"The data brings no test split: {(dataset.splits == 'test').sum():,} images were cut "
            "off the training images for it."
        )
    if validation and not dataset.has("validation"):
        dataset = cut_split(dataset, "validation", settings.validation_fraction, seed)
        notes.append(
            f"{(dataset.splits == 'validation').sum():,} images were cut off the training images "
            "for validation (stratified, copies on one side)."
        )
    elif validation:
        learnt = dataset.splits == "train"
        copies = learnt & np.isin(dataset.hashes, dataset.hashes[dataset.splits == "validation"])
        if copies.any():
            dataset = dataset.select(~copies)
            notes.append(
                f"{copies.sum():,} training images that are copies of validation images are left "
                "out: the validation images are to be new to the models."
            )
    if not validation and dataset.has("validation"):
        joined = np.where(dataset.splits == "validation", "train", dataset.splits)
        dataset = replace(dataset, splits=joined)
        notes.append("The validation images that the data brings are used for training.")
    _check(dataset, ("train", "validation", "test") if validation else ("train", "test"))
    return replace(dataset, notes=tuple(notes))


def _check(dataset: FaceDataset, needed: tuple[str, ...]) -> None:
    if len(dataset.classes) < 2:
        raise DataError(
            f"{dataset.source} has the single class {dataset.classes[0]!r}; "
            "at least two are needed to tell apart"
        )
    counts = dataset.counts("train")
    if counts.min() == 0:
        raise DataError(
            f"{dataset.source} has no training image of the class "
            f"{dataset.classes[int(counts.argmin())]!r}; add some or remove the class"
        )
    for split in needed:
        if not dataset.has(split):
            raise DataError(
                f"{dataset.source} is too small: its {len(dataset)} images leave none for "
                f"{split}; add images"
            )
