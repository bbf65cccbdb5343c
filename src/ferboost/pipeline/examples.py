"""A few training images kept with a run, for the figures of its report."""

import numpy as np

from ferboost.datasets.cache import read_cache, store_dataset
from ferboost.datasets.dataset import FaceDataset
from ferboost.runs import Run

__all__ = ["load_examples", "save_examples"]

_PER_CLASS = 8


def save_examples(run: Run, train: FaceDataset) -> None:
    """Keep up to eight images of each class, drawn at random with a fixed seed."""
    random = np.random.default_rng(0)
    picked = [
        random.permutation(np.flatnonzero(train.labels == label))[:_PER_CLASS]
        for label in range(len(train.classes))
    ]
    store_dataset(run.path / "examples.npz", train.select(np.concatenate(picked)))


def load_examples(run: Run) -> FaceDataset | None:
    """Return the images that `save_examples` kept, or None where they are lost."""
    return read_cache(run.path / "examples.npz", run.record.data.path)
