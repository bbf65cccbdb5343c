"""What a CNN of a run learns of its data: images, labels, votes, beliefs, copies."""

from dataclasses import replace

import torch

from ferboost.cnn.augmentation import augment_as_published
from ferboost.cnn.labelled import LabelledImages
from ferboost.config import Settings
from ferboost.datasets.balancing import balance
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.votes import soft_labels, vote_shares
from ferboost.pipeline.doubting import believed_images
from ferboost.soft_targets import mix_targets

__all__ = ["labelled", "training_images"]


def training_images(
    train: FaceDataset | LabelledImages, settings: Settings, seed: int, *, copies: bool = True
) -> LabelledImages:
    """Return what a CNN of this seed trains on, after doubts and balancing where they are set.

    Parameters
    ----------
    train : FaceDataset or LabelledImages
    settings : Settings
    seed : int
    copies : bool
        Whether the augmented copies of balancing are among them.
    """
    if isinstance(train, FaceDataset):
        train = labelled(train, settings)
    believed = believed_images(train, settings.data.doubted)
    if not settings.data.balance:
        return believed
    index, copied = balance(believed.labels, seed)
    if not copies:
        return believed.select(index[~copied])
    images = believed.images[index]
    generator = torch.Generator().manual_seed(seed)
    changed = augment_as_published(torch.from_numpy(images[copied]), generator)
    images[copied] = changed.round().to(torch.uint8).numpy()
    return replace(believed.select(index), images=images)


def labelled(dataset: FaceDataset, settings: Settings) -> LabelledImages:
    """Return images with their labels, and the votes that the CNN or the trees learn.

    Raises
    ------
    DataError
        If the trees do, and there are none.
    """
    share = settings.trees.votes
    targets = mix_targets(dataset.labels, soft_labels(dataset), share) if share else None
    learns_votes = settings.cnn.votes and dataset.votes is not None
    votes = vote_shares(dataset) if learns_votes else None
    return LabelledImages(dataset.images, dataset.labels, dataset.beliefs, targets, votes)
