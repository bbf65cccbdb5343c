"""What is learnt from training images whose labels are doubted."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ferboost.cnn.labelled import LabelledImages
from ferboost.config import Doubted
from ferboost.datasets.dataset import FaceDataset

__all__ = ["believed_images"]


def believed_images(train: FaceDataset | LabelledImages, doubted: Doubted) -> LabelledImages:
    """Return training images without the doubted ones, or with what is learnt of them.

    Parameters
    ----------
    train : FaceDataset or LabelledImages
        With the beliefs of `ferboost.datasets.doubts.join_doubts`, or none.
    doubted : {"keep", "drop", "down-weight", "soften", "distil"}
        See `ferboost.config.DataSettings`.
    """
    if isinstance(train, FaceDataset):
        train = LabelledImages(train.images, train.labels, train.beliefs)
    beliefs = train.beliefs
    if beliefs is None or doubted == "keep":
        return replace(train, beliefs=None)
    rows = np.arange(len(train.labels))
    of_label = beliefs[rows, train.labels]
    if doubted == "drop":
        return replace(train, beliefs=None).select(of_label == 1)
    if doubted == "down-weight":
        weighted: NDArray[np.float32] = np.zeros_like(beliefs)
        weighted[rows, train.labels] = of_label
        beliefs = weighted
    return replace(train, beliefs=beliefs)
