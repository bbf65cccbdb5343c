"""Labelled sets of faces: reading, checking, splitting, balancing and generating them."""

from ferboost.datasets.dataset import IMAGE_SIZE, SPLITS, FaceDataset, hash_images
from ferboost.datasets.loading import load_dataset

__all__ = ["IMAGE_SIZE", "SPLITS", "FaceDataset", "hash_images", "load_dataset"]
