"""Whether there are images enough for the trees of a run, before hours are spent on its CNNs."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ferboost.config import Settings
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.splitting import FOLD_SEED, number_folds
from ferboost.errors import DataError
from ferboost.pipeline.doubting import believed_images
from ferboost.seen_images import centred_groups, cut_watched

__all__ = ["require_images_for_trees"]


def require_images_for_trees(prepared: FaceDataset, settings: Settings) -> None:
    """Refuse data that leaves the trees, or the class centres that they see, without a class.

    Parameters
    ----------
    prepared : FaceDataset
        With its splits and doubts.
    settings : Settings

    Raises
    ------
    DataError
        Naming the class; or if it has fewer images than there are folds, or the validation images
        are too few to be parted.
    """
    least = 2 if centred_groups(settings.trees.taps) else 1
    for where, labels in _parts(prepared, settings):
        counts = np.bincount(labels, minlength=len(prepared.classes))
        if counts.min() < least:
            raise DataError(
                f"{prepared.source} leaves {counts.min()} images of the class "
                f"{prepared.classes[int(counts.argmin())]!r} {where}, and trees that see "
                f"{', '.join(settings.trees.taps)} need {least}; add images of it, or take other "
                "trees.features"
            )


def _parts(prepared: FaceDataset, settings: Settings) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield the labels that trees grow on, or that class centres are means of, and in words."""
    trees = settings.trees
    train = prepared.split("train")
    if trees.features == "out-of-fold":
        numbers = number_folds(train.labels, train.hashes, trees.folds, FOLD_SEED, prepared.classes)
        for fold in range(trees.folds):
            rows = believed_images(train.select(numbers == fold), settings.data.doubted)
            yield f"in fold {fold + 1} of {trees.folds}", rows.labels
        return
    held_out = prepared.split(settings.held_out)
    if trees.features == "held-out":
        rows, _ = cut_watched(believed_images(held_out, "keep"))
        yield "among the validation images that trees grow on", rows.labels
    elif centred_groups(trees.taps):
        yield "among the held-out images", held_out.labels
