"""Growing trees on images: their features, what residual trees start from, what stops them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ferboost.baselines import Baseline, new_baseline
from ferboost.boosting import BoostedTrees
from ferboost.centres import fit_centres
from ferboost.cnn.training import LabelledImages
from ferboost.config import TreeSettings, Views
from ferboost.datasets.splitting import stratified_sample
from ferboost.features import FeatureSource, group_features, join_features
from ferboost.progress import Tell
from ferboost.variants import (
    baseline_of,
    groups_of,
    is_distance,
    is_residual,
    measured_of,
    tap_of,
)
from ferboost.views import view_faces, views_of

__all__ = [
    "add_centres",
    "all_views",
    "centred_groups",
    "cut_watched",
    "grow_trees",
    "predict_trees",
]

# The same cut for all seeds of a run, so that they are comparable.
_CUT_SEED = 0
_WATCHED_SHARE = 0.2


def grow_trees(
    source: FeatureSource,
    variant: str,
    rows: LabelledImages,
    watched: LabelledImages | None,
    settings: TreeSettings,
    *,
    classes: int,
    seed: int,
    tell: Tell | None = None,
    centred: LabelledImages | None = None,
) -> BoostedTrees | Baseline:
    """Grow the trees of a variant, or fit what stands in their place.

    Parameters
    ----------
    source : FeatureSource
        Without a network where neither the features nor the trees' start need one.
    variant : str
        See `ferboost.variants`.
    rows : LabelledImages
        The images that the trees grow on.
    watched : LabelledImages or None
        The images that early stopping watches.
    settings : TreeSettings
    classes : int
    seed : int
    tell : callable, optional
        Called with (done, total, "") after every round.
    centred : LabelledImages, optional
        Which of `rows` and `watched` the class centres of `source` are means of, if either.

    Raises
    ------
    DataError
        If a class has no image in `rows`.
    """
    kind, residual = baseline_of(variant), is_residual(variant)
    trees = (
        BoostedTrees(settings, classes, seed, residual=residual)
        if kind is None
        else new_baseline(kind, settings, classes, seed, residual=residual)
    )
    members = rows is centred
    if settings.view_rows:
        rows = all_views(rows, settings.views)
    features, logits = _seen(source, rows, variant, members=members)
    validation, validation_logits = None, None
    if watched is not None and settings.early_stopping is not None:
        seen, validation_logits = _seen(source, watched, variant, members=watched is centred)
        validation = (seen, watched.labels)
    return trees.fit(
        features,
        rows.labels,
        validation,
        tell,
        logits=logits,
        validation_logits=validation_logits,
        targets=rows.targets,
    )


def predict_trees(
    trees: BoostedTrees | Baseline,
    source: FeatureSource,
    variant: str,
    images: NDArray[np.uint8],
) -> NDArray[np.float32]:
    """Return the probabilities of trees that `grow_trees` grew, float32 of shape (n, classes)."""
    return trees.predict_proba(*_given(source, images, variant))


def add_centres(
    source: FeatureSource, taps: Sequence[str], centred: LabelledImages, classes: int
) -> FeatureSource:
    """Return a source with the class centres that trees on some taps see.

    Parameters
    ----------
    source : FeatureSource
    taps : sequence of str
    centred : LabelledImages
        What the centres are means of: images that the network was not trained on.
    classes : int

    Raises
    ------
    DataError
        If a class has fewer than two images.
    """
    measured = sorted(centred_groups(taps))
    if not measured:
        return source
    values = group_features(source, centred.images, measured)
    centres = {group: fit_centres(values[group], centred.labels, classes) for group in measured}
    return replace(source, centres=centres)


def centred_groups(taps: Sequence[str]) -> set[str]:
    """Return the groups in which distances to class centres are measured on some taps."""
    return {measured_of(group) for tap in taps for group in groups_of(tap) if is_distance(group)}


def cut_watched(
    hashes: NDArray[np.generic], held_out: LabelledImages
) -> tuple[LabelledImages, LabelledImages]:
    """Part held-out images into four fifths to grow trees on, and a fifth to stop them."""
    watched = stratified_sample(held_out.labels, hashes, _WATCHED_SHARE, _CUT_SEED)
    return held_out.select(~watched), held_out.select(watched)


def all_views(data: LabelledImages, kind: Views) -> LabelledImages:
    """Return every view of every image with its label, all images in one view after another."""
    views = views_of(kind)
    return LabelledImages(
        np.concatenate([view_faces(data.images, view) for view in views]),
        np.tile(data.labels, len(views)),
        targets=None if data.targets is None else np.tile(data.targets, (len(views), 1)),
    )


def _seen(
    source: FeatureSource, data: LabelledImages, variant: str, *, members: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    return _given(source, data.images, variant, data.labels if members else None)


def _given(
    source: FeatureSource,
    images: NDArray[np.uint8],
    variant: str,
    members: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return what the trees of a variant see, and the logits that they start from."""
    tap = tap_of(variant)
    groups = set(groups_of(tap)) | ({"logits"} if is_residual(variant) else set())
    features = group_features(source, images, groups, members)
    return join_features(features, tap), features["logits"] if is_residual(variant) else None
