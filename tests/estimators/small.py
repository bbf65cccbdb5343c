"""Classifiers that are trained in a second."""

from typing import Any

from ferboost.cnn.precision import Precision
from ferboost.estimators import BoostedCNNClassifier, CNNClassifier

PLAIN = Precision("cpu", "float32", channels_last=False, reason="fixed by the test")
CLASSES = ("happy", "sad", "surprised")


def small_cnn(**changes: Any) -> CNNClassifier:
    parameters: dict[str, Any] = {
        "filters": (8, 8),
        "dense": (32, 16),
        "batch_size": 16,
        "epochs": 2,
        "validation_fraction": 0.2,
        "precision": PLAIN,
    }
    return CNNClassifier(**(parameters | changes))


def small_boosted(**changes: Any) -> BoostedCNNClassifier:
    parameters: dict[str, Any] = {"cnn": small_cnn(), "rounds": 3, "max_depth": 3}
    return BoostedCNNClassifier(**(parameters | changes))


def pixel_trees(**changes: Any) -> BoostedCNNClassifier:
    return small_boosted(tap="pixels", **changes)
