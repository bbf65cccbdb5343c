"""The convolutional network as a classifier and as a transformer."""

# ruff: noqa: N803 - scikit-learn's contract has a capital X

from dataclasses import replace
from functools import cache
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.network import FaceNetwork, build_network, new_network
from ferboost.cnn.precision import Precision, choose_precision
from ferboost.cnn.training import train_network
from ferboost.config import Architecture, CNNSettings, Settings, taps_of
from ferboost.curves import EpochRecord
from ferboost.datasets.arrays import read_image_array
from ferboost.datasets.splitting import derive_seed
from ferboost.estimators.shared import (
    FaceClassifier,
    OnEpoch,
    RandomState,
    check_tap,
    draw_seed,
    hold_out,
    ignore_epoch,
    read_labelled,
    read_vote_array,
)
from ferboost.features import feature_matrix
from ferboost.settings import parse_settings

__all__ = ["CNNClassifier", "cnn_settings", "fit_beside", "takes_votes"]

_INFLUENCE_ON_SPEED = {
    "architecture", "filters", "blocks", "kernel_size", "stride", "padding", "pooling",
    "pool_size", "dropout", "dense", "batch_size",
}  # fmt: skip

#: Of the layers of any network.
_EVERY_TAP = {tap for kind in get_args(Architecture) for tap in taps_of(kind)} - {"pixels"}


class CNNClassifier(TransformerMixin, FaceClassifier):  # type: ignore[misc]
    """The convolutional network; the defaults are the published one.

    Parameters
    ----------
    tap : {"flatten", "fc1", "fc2", "pooled", "output"}
        The layer whose output `transform` returns, of those that the architecture has. It may be
        set after fitting, too.
    architecture, weights, filters, blocks, kernel_size, stride, padding, pooling, pool_size,
    dropout, dense
        The network; see `ferboost.config.CNNSettings`.
    l2, mirror, shift, optimizer, learning_rate, schedule, weight_decay, label_smoothing, votes,
    averaging, keep, shrunk
        Its training; see `ferboost.config.CNNSettings`.
    batch_size, epochs, patience, augmentation
        The same.
    teachers : tuple of CNNClassifier
        Cloned and trained on the same images first, with seeds that `random_state` decides. What
        they say, on average, of each image as it is augmented is learnt beside its label.
    taught : float
        Share of what they say in what is learnt of an image, above 0, at most 1.
    validation_fraction : float
        Share of the images that `fit` cuts off to choose the best epoch, between 0 and 1.
    precision : Precision, optional
        How to train. None measures what this machine does fastest, once per process for each shape
        of the network; give the `precision_` of a fitted model to repeat it in another process.
    random_state : int, RandomState or None
        Decides the cut, the first weights, the order of the images and dropout. The same integer
        and precision give the same model on the same machine, and the one that a run with this
        seed has, if the images for training and validation are the same.

    Attributes
    ----------
    classes_ : ndarray, shape (classes,)
        The labels in sorted order.
    network_ : FaceNetwork
        With the weights that `keep` says.
    history_ : tuple of EpochRecord
        The learning curves.
    best_epoch_ : int
        The epoch whose weights were kept, from 1.
    precision_ : Precision
        How the network was trained, and why so.
    """

    network_: FaceNetwork
    history_: tuple[EpochRecord, ...]
    best_epoch_: int
    precision_: Precision

    def __init__(
        self,
        *,
        tap: str = "fc1",
        architecture: Literal["published", "residual", "recognition"] = "published",
        weights: Literal["random", "faces"] = "random",
        filters: tuple[int, ...] = (32, 64, 64),
        blocks: tuple[int, ...] = (1, 2),
        kernel_size: int = 3,
        stride: int = 1,
        padding: Literal["valid", "zero"] = "valid",
        pooling: Literal["max", "average", "none"] = "max",
        pool_size: int = 2,
        dropout: float = 0.3,
        dense: tuple[int, int] = (64, 7),
        l2: float = 1e-4,
        mirror: bool = False,
        shift: int = 0,
        optimizer: Literal["adam", "muon"] = "adam",
        learning_rate: float = 1e-3,
        schedule: Literal["constant", "cosine"] = "constant",
        weight_decay: float = 0.0,
        label_smoothing: float = 0.0,
        votes: float = 0.0,
        averaging: float = 0.0,
        keep: Literal["best", "last"] = "best",
        batch_size: int = 64,
        epochs: int = 50,
        shrunk: float = 0.0,
        patience: int | None = None,
        augmentation: Literal["none", "published", "gentle", "strong"] = "none",
        teachers: tuple["CNNClassifier", ...] = (),
        taught: float = 0.5,
        validation_fraction: float = 0.1,
        precision: Precision | None = None,
        random_state: RandomState = 0,
    ) -> None:
        self.tap = tap
        self.architecture = architecture
        self.weights = weights
        self.filters = filters
        self.blocks = blocks
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.pooling = pooling
        self.pool_size = pool_size
        self.dropout = dropout
        self.dense = dense
        self.l2 = l2
        self.mirror = mirror
        self.shift = shift
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.votes = votes
        self.averaging = averaging
        self.keep = keep
        self.batch_size = batch_size
        self.epochs = epochs
        self.shrunk = shrunk
        self.patience = patience
        self.augmentation = augmentation
        self.teachers = teachers
        self.taught = taught
        self.validation_fraction = validation_fraction
        self.precision = precision
        self.random_state = random_state

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        votes: ArrayLike | None = None,
        validation: tuple[ArrayLike, ArrayLike] | None = None,
        on_epoch: OnEpoch = ignore_epoch,
    ) -> Self:
        """Train the network, and keep the weights that `keep` says.

        Parameters
        ----------
        X : array-like, shape (n, 48, 48) or (n, 2304)
        y : array-like, shape (n,)
            Labels of any type that can be sorted.
        votes : array-like, shape (n, columns), optional
            How many people, or what share of them, held each opinion of each image; zeros where
            nobody was asked. They are learnt beside the labels, weighted by the parameter `votes`.
        validation : tuple (X, y), optional
            What chooses the epoch. Without it, a part of the images is cut off: at random, the
            same share of each class, equal images on one side.
        on_epoch : callable, optional
            Called after every epoch with the list of `EpochRecord` so far.

        Raises
        ------
        DataError
            If images or labels cannot be used.
        SettingsError
            If a parameter cannot be right.
        TrainingDivergedError
            If the loss is no longer a number.
        """
        settings = cnn_settings(self)
        if self.tap not in _EVERY_TAP:  # `transform` asks whether this architecture has it
            self._check_tap()
        classes, given = read_labelled(X, y)
        if votes is not None and takes_votes(self):
            given = replace(given, votes=read_vote_array(votes, len(given.labels)))
        train, held_out = hold_out(classes, given, validation, settings)
        (seed,) = settings.seeds
        network = new_network(settings.cnn, len(classes), seed)
        teachers = [
            clone(teacher).set_params(random_state=derive_seed(seed, number))
            for number, teacher in enumerate(self.teachers)
        ]
        for teacher in teachers:  # refused now, not after others are trained
            build_network(cnn_settings(teacher).cnn, len(classes))
        taught_by = [fit_beside(teacher, train, held_out, classes).network_ for teacher in teachers]
        if not self.votes:
            train = replace(train, votes=None)
        precision = self.precision or _measured_precision(
            CNNSettings(**settings.cnn.model_dump(include=_INFLUENCE_ON_SPEED)),
            len(classes),
        )
        state = train_network(
            network, train, held_out, settings.cnn, precision, seed=seed, teachers=taught_by,
            on_epoch=on_epoch,
        )  # fmt: skip
        self.classes_ = classes
        self.network_ = network.cpu()  # where it was trained is no matter of the model
        self.history_ = tuple(state.history)
        self.best_epoch_ = state.best_epoch
        self.precision_ = precision
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return what the layer `tap` makes of each image.

        Parameters
        ----------
        X : array-like, shape (n, 48, 48) or (n, 2304)

        Returns
        -------
        ndarray of float32, shape (n, width of the layer)

        Raises
        ------
        NotFittedError
            Of scikit-learn, before `fit`.
        DataError
            If the images cannot be used.
        SettingsError
            If there is no such tap.
        """
        check_is_fitted(self)
        self._check_tap()
        return feature_matrix(self.network_, read_image_array(X), self.tap)

    def _check_tap(self) -> None:
        check_tap(self.tap, [tap for tap in taps_of(self.architecture) if tap != "pixels"])

    def _probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return feature_matrix(self.network_, images, "output")


def takes_votes(cnn: CNNClassifier) -> bool:
    """Say whether a network learns votes, or one that teaches it does."""
    return bool(cnn.votes) or any(map(takes_votes, cnn.teachers))


def fit_beside(
    cnn: CNNClassifier,
    learnt: LabelledImages,
    held_out: LabelledImages,
    classes: NDArray[np.generic],
    tell: OnEpoch = ignore_epoch,
) -> CNNClassifier:
    """Return `cnn`, fitted to images that others are fitted to, too."""
    return cnn.fit(
        learnt.images,
        classes[learnt.labels],
        votes=learnt.votes,
        validation=(held_out.images, classes[held_out.labels]),
        on_epoch=tell,
    )


def cnn_settings(cnn: CNNClassifier) -> Settings:
    """Return the parameters of a classifier as settings: `seeds`, `data` and `cnn`.

    Raises
    ------
    SettingsError
        If a parameter cannot be right.
    """
    return parse_settings(
        {
            "seeds": (draw_seed(cnn.random_state),),
            "data": {"validation_fraction": cnn.validation_fraction},
            "cnn": {name: getattr(cnn, name) for name in CNNSettings.model_fields}
            | {"teachers": tuple(map(str, range(len(cnn.teachers))))},  # no runs, but as many
            "trees": {"taps": ["output"]},
        }
    )


# Once per process: folds and points of a grid are trained alike, and a fit can be repeated.
@cache
def _measured_precision(settings: CNNSettings, classes: int) -> Precision:
    return choose_precision(new_network(settings, classes, seed=0), settings.batch_size)
