"""Trees on features of a CNN, trained together, as one classifier."""

# ruff: noqa: N803 - scikit-learn's contract has a capital X

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from ferboost.boosting import BoostedTrees
from ferboost.cnn.labelled import LabelledImages
from ferboost.config import TreeSettings
from ferboost.datasets.dataset import hash_images
from ferboost.datasets.splitting import FOLD_SEED, derive_seed, number_folds
from ferboost.errors import SettingsError
from ferboost.estimators.cnn import CNNClassifier, cnn_settings, fit_beside, takes_votes
from ferboost.estimators.shared import (
    FaceClassifier,
    OnEpoch,
    RandomState,
    draw_seed,
    hold_out,
    ignore_epoch,
    read_labelled,
    read_vote_array,
)
from ferboost.features import FeatureSource, needs_network
from ferboost.growing import grow_trees, predict_trees
from ferboost.seen_images import TreeImages, groups_seen, join_seen, see_images
from ferboost.settings import parse_settings
from ferboost.soft_targets import mix_targets
from ferboost.variants import STACKED, groups_of, is_residual, tree_variants

__all__ = ["BoostedCNNClassifier"]


class BoostedCNNClassifier(FaceClassifier):
    """Gradient boosted trees on a layer of a CNN: in place of those above it, or correcting them.

    The defaults are the published method: the trees replace the upper layers, and grow on the
    images that the CNN was trained on.

    Parameters
    ----------
    cnn : CNNClassifier, optional
        Cloned and trained by `fit`; None for the published network. Give one to reach its
        parameters as ``cnn__epochs`` and the like.
    tap : str
        What the trees see: a layer ("flatten", "fc1", "fc2", "pooled", "output", "logits"), a
        descriptor ("hog", "lbp", "words"), the image at 8 x 8 pixels ("pixels"), or several, as in
        "fc1+hog". "fc1-views" and the like are means of a layer over views of the face,
        "fc1-centres" and the like distances to the classes' centres in a layer.
    views : {"mirror", "jitter"}
        What they are means over: the face and its mirror image, or these shifted by 2 pixels, too.
    view_rows : bool
        Whether the trees grow on every view of an image as a row of its own.
    stacked : tuple of CNNClassifier
        Cloned and trained on the images of `cnn`; the group "stacked" is their logits.
    mode : {"replace", "residual"}
        Whether the trees decide alone, or start from the CNN's logits and correct them. Trees
        that need nothing of a CNN are grown without one.
    features : {"in-sample", "held-out", "out-of-fold"}
        What images the trees grow on: the CNN's own; the validation images, a fifth of which
        stops them; or, fold by fold, those that a CNN of its own has not seen.
    ensemble : bool
        Whether the mean of the folds' models predicts; or one set of trees, grown on what the CNNs
        of all folds see, corrects one that learnt every image. These trees can see "output",
        "logits", and descriptors.
    folds : int
        CNNs that are trained for out-of-fold features.
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
    min_child_weight : float
        Least sum of second derivatives in a leaf.
    subsample, columns : float
        Share of the rows and of the features that each tree sees, above 0 to 1.
    class_weights : {"none", "balanced", "recall"}
        "balanced": every class weighs the same in the loss. "recall": the rarer the CNN recognises
        a class, the more each image of it weighs; with `mode` "residual".
    class_power : float
        Power that these weights are taken to, above 0 to 1: the lower, the less they differ.
    votes : float
        Share of the votes that `fit` is given in what the trees learn; the rest is the label.
    early_stopping : int, optional
        Stop after so many rounds without a lower validation log loss; None runs all rounds.
    random_state : int, RandomState or None
        Takes the place of the CNNs' own, so that one number decides the whole model.

    Attributes
    ----------
    classes_ : ndarray, shape (classes,)
        The labels in sorted order.
    variant_ : str
        What the model is called in a run, such as ``"fc1 residual"``.
    cnns_ : list of CNNClassifier
        The trained CNN, one a fold where the mean of folds predicts; empty where the trees need
        none.
    sources_ : list of FeatureSource
        What the features are made with, one for each of `trees_`.
    trees_ : list of BoostedTrees
        The trees, one a fold where the mean of folds predicts.
    """

    variant_: str
    cnns_: list[CNNClassifier]
    sources_: list[FeatureSource]
    trees_: list[BoostedTrees]

    def __init__(
        self,
        cnn: CNNClassifier | None = None,
        *,
        tap: str = "fc1",
        views: str = "mirror",
        view_rows: bool = False,
        stacked: tuple[CNNClassifier, ...] = (),
        mode: str = "replace",
        features: str = "in-sample",
        ensemble: bool = True,
        folds: int = 5,
        max_depth: int = 8,
        learning_rate: float = 0.2,
        rounds: int = 20,
        gamma: float = 0.0,
        reg_lambda: float = 1e-4,
        min_child_weight: float = 1.0,
        subsample: float = 1.0,
        columns: float = 1.0,
        class_weights: str = "none",
        class_power: float = 1.0,
        votes: float = 0.0,
        early_stopping: int | None = None,
        random_state: RandomState = 0,
    ) -> None:
        self.cnn = cnn
        self.tap = tap
        self.views = views
        self.view_rows = view_rows
        self.stacked = stacked
        self.mode = mode
        self.features = features
        self.ensemble = ensemble
        self.folds = folds
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.rounds = rounds
        self.gamma = gamma
        self.reg_lambda = reg_lambda
        self.min_child_weight = min_child_weight
        self.subsample = subsample
        self.columns = columns
        self.class_weights = class_weights
        self.class_power = class_power
        self.votes = votes
        self.early_stopping = early_stopping
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
        """Train the CNN, then grow the trees on its features of the same images.

        Parameters
        ----------
        X : array-like, shape (n, 48, 48) or (n, 2304)
        y : array-like, shape (n,)
            Labels of any type that can be sorted.
        votes : array-like, shape (n, classes), optional
            How many people, or what share of them, gave each image each of the sorted labels; zeros
            where nobody was asked. The parameter `votes` says how much they count for the trees,
            and that of `cnn` for the CNN.
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
        tree_settings = _tree_settings(self, cnn)
        cnn.set_params(random_state=draw_seed(self.random_state))
        settings = cnn_settings(cnn)
        (drawn,) = settings.seeds
        others = self.stacked if STACKED in groups_of(self.tap) else ()
        (variant,) = tree_variants([self.tap], tree_settings.mode)
        classes, given = read_labelled(X, y)
        if votes is not None and any(map(takes_votes, (cnn, *others))):
            given = replace(given, votes=read_vote_array(votes, len(given.labels)))
        if self.votes:
            given = _with_votes(given, votes, len(classes), self.votes)
        train, held_out = hold_out(classes, given, validation, settings)
        if self.votes and validation is not None and self.features == "held-out":
            raise SettingsError(
                "votes are of X, and held-out trees grow on the validation images; leave out votes "
                "or validation"
            )
        train_member = partial(
            _train_member,
            cnn=cnn if is_residual(variant) or needs_network(self.tap) else None,
            others=others,
            settings=tree_settings,
            held_out=held_out,
            classes=classes,
            tell=on_epoch,
        )
        members = [train_member(*part) for part in _parts(train, tree_settings, drawn)]
        if not tree_settings.ensemble:
            rows = join_seen([member.seen.rows for member in members], groups_seen([variant]))
            own = train_member(train, train, drawn)
            members = [replace(own, seen=replace(own.seen, rows=rows))]
        trees = [
            grow_trees(
                variant,
                own.seen.rows,
                own.seen.watched,
                tree_settings,
                classes=len(classes),
                seed=own.seed,
            )
            for own in members
        ]
        self.classes_ = classes
        self.variant_ = variant
        self.cnns_ = [member.cnn for member in members if member.cnn is not None]
        self.sources_ = [member.seen.source for member in members]
        self.trees_ = cast("list[BoostedTrees]", trees)  # its variant is no baseline
        return self

    def _probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        members = [
            predict_trees(trees, source, self.variant_, images)
            for trees, source in zip(self.trees_, self.sources_, strict=True)
        ]
        return members[0] if len(members) == 1 else np.mean(members, axis=0)


@dataclass(frozen=True, eq=False)
class _Member:
    """A trained CNN, the images of its trees, and what these draw by."""

    cnn: CNNClassifier | None
    seen: TreeImages
    seed: int


def _train_member(
    learnt: LabelledImages,
    grown: LabelledImages,
    seed: int,
    *,
    held_out: LabelledImages,
    cnn: CNNClassifier | None,
    others: Sequence[CNNClassifier],
    settings: TreeSettings,
    classes: NDArray[Any],
    tell: OnEpoch,
) -> _Member:
    """Train a CNN, where the trees need one, and those beside it."""
    fit = partial(fit_beside, held_out=held_out, classes=classes, tell=tell)
    own = None if cnn is None else fit(clone(cnn).set_params(random_state=seed), learnt)
    stacked = tuple(
        fit(clone(other).set_params(random_state=derive_seed(seed, number)), learnt).network_
        for number, other in enumerate(others)
    )
    source = FeatureSource(None if own is None else own.network_, settings.views, stacked=stacked)
    return _Member(own, see_images(source, grown, held_out, settings, len(classes)), seed)


def _with_votes(
    given: LabelledImages, votes: ArrayLike | None, classes: int, weight: float
) -> LabelledImages:
    """Return images whose trees learn votes."""
    if votes is None:
        raise SettingsError(f"votes={weight:g} takes votes; give them by fit(X, y, votes=...)")
    shares = read_vote_array(votes, len(given.labels), classes)
    return replace(given, targets=mix_targets(given.labels, shares, weight))


def _tree_settings(boosted: BoostedCNNClassifier, cnn: CNNClassifier) -> TreeSettings:
    names = TreeSettings.model_fields.keys() - {"taps", "baselines", "stacked"}
    trees = {name: getattr(boosted, name) for name in names} | {
        "taps": (boosted.tap,),
        "stacked": tuple(map(str, range(len(boosted.stacked)))),  # no runs, but as many
    }
    settings = parse_settings({"cnn": {"architecture": cnn.architecture}, "trees": trees}).trees
    if settings.mode == "both":
        raise SettingsError("mode: a classifier is one model; give replace or residual")
    return settings


def _parts(
    train: LabelledImages, settings: TreeSettings, seed: int
) -> Iterator[tuple[LabelledImages, LabelledImages, int]]:
    """Yield what each CNN learns from, what it has for its trees, and the seed of both."""
    if settings.features != "out-of-fold":
        yield train, train, seed
        return
    numbers = number_folds(train.labels, hash_images(train.images), settings.folds, FOLD_SEED)
    for fold in range(settings.folds):
        others, unseen = numbers != fold, numbers == fold
        yield train.select(others), train.select(unseen), derive_seed(seed, fold)
