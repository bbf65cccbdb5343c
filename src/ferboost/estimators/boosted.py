"""Trees on a layer of a CNN, trained together, as one classifier."""

# ruff: noqa: N803 - scikit-learn's contract has a capital X

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from ferboost.boosting import BoostedTrees
from ferboost.config import TreeSettings, parse_settings, taps_of
from ferboost.estimators.cnn import CNNClassifier, cnn_settings
from ferboost.estimators.shared import (
    FaceClassifier,
    OnEpoch,
    RandomState,
    check_tap,
    draw_seed,
    hold_out,
    ignore_epoch,
    read_labelled,
)
from ferboost.features import feature_matrix

__all__ = ["BoostedCNNClassifier"]


class BoostedCNNClassifier(FaceClassifier):
    """Gradient boosted trees on a layer of a CNN, whose upper layers they replace.

    The defaults are the published method, which grows the trees on the images that the CNN was
    trained on.

    Parameters
    ----------
    cnn : CNNClassifier, optional
        Cloned and trained by `fit`; None for the published network. Give one to reach its
        parameters as ``cnn__epochs`` and the like.
    tap : {"flatten", "fc1", "fc2", "pooled", "output", "pixels"}
        What the trees see: a layer, or the image at 8 x 8 pixels, for which no CNN is trained.
    max_depth : int
        Greatest depth of a tree.
    learning_rate : float
        Share of each tree's output that is kept (eta), above 0 to 1.
    rounds : int
        Boosting rounds: each adds one tree per class.
    gamma : float
        Least gain of a split.
    reg_lambda : float
        L2 on the leaves (lambda).
    early_stopping : int, optional
        Stop after so many rounds without a lower validation log loss; None runs all rounds.
    random_state : int, RandomState or None
        Takes the place of the CNN's own, so that one number decides the whole model.

    Attributes
    ----------
    classes_ : ndarray, shape (classes,)
        The labels in sorted order.
    cnn_ : CNNClassifier or None
        The trained CNN; None for trees on pixels.
    tap_ : str
        What the trees see.
    trees_ : BoostedTrees
    """

    cnn_: CNNClassifier | None
    tap_: str
    trees_: BoostedTrees

    def __init__(
        self,
        cnn: CNNClassifier | None = None,
        *,
        tap: str = "fc1",
        max_depth: int = 8,
        learning_rate: float = 0.2,
        rounds: int = 20,
        gamma: float = 0.0,
        reg_lambda: float = 1e-4,
        early_stopping: int | None = None,
        random_state: RandomState = 0,
    ) -> None:
        self.cnn = cnn
        self.tap = tap
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.rounds = rounds
        self.gamma = gamma
        self.reg_lambda = reg_lambda
        self.early_stopping = early_stopping
        self.random_state = random_state

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        validation: tuple[ArrayLike, ArrayLike] | None = None,
        on_epoch: OnEpoch = ignore_epoch,
    ) -> Self:
        """Train the CNN, then grow the trees on its features of the same images.

        Parameters
        ----------
        X : array-like, shape (n, 48, 48) or (n, 2304)
        y : array-like, shape (n,)
            Labels of any type that can be sorted.
        validation : tuple (X, y), optional
            What chooses the CNN's epoch and stops the trees. Without it, a part of the images is
            cut off as `CNNClassifier.fit` does, for trees on pixels as well: models on all taps
            then learn from the same images.
        on_epoch : callable, optional
            Called after every epoch of the CNN with the list of `EpochRecord` so far.

        Raises
        ------
        DataError
            If images or labels cannot be used.
        SettingsError
            If a parameter cannot be right.
        TrainingDivergedError
            If the CNN's loss is no longer a number.
        """
        cnn = CNNClassifier() if self.cnn is None else clone(self.cnn)
        tap = check_tap(self.tap, taps_of(cnn.architecture))
        tree_settings = _tree_settings(self)
        cnn.set_params(random_state=draw_seed(self.random_state))
        settings = cnn_settings(cnn)
        classes, given = read_labelled(X, y)
        train, held_out = hold_out(classes, given, validation, settings)
        network = None
        if tap != "pixels":
            cnn.fit(
                train.images,
                classes[train.labels],
                validation=(held_out.images, classes[held_out.labels]),
                on_epoch=on_epoch,
            )
            network = cnn.network_
        watched = None
        if tree_settings.early_stopping is not None:
            watched = (feature_matrix(network, held_out.images, tap), held_out.labels)
        trees = BoostedTrees(tree_settings, len(classes), settings.seeds[0])
        trees.fit(feature_matrix(network, train.images, tap), train.labels, watched)
        self.classes_ = classes
        self.cnn_ = None if network is None else cnn
        self.tap_ = tap
        self.trees_ = trees
        return self

    def _probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        network = None if self.cnn_ is None else self.cnn_.network_
        return self.trees_.predict_proba(feature_matrix(network, images, self.tap_))


def _tree_settings(boosted: BoostedCNNClassifier) -> TreeSettings:
    names = TreeSettings.model_fields.keys() - {"taps"}
    return parse_settings({"trees": {name: getattr(boosted, name) for name in names}}).trees
