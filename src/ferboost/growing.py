"""Growing trees on images: their features, what residual trees start from, what stops them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ferboost.baselines import Baseline, new_baseline
from ferboost.boosting import BoostedTrees
from ferboost.centres import fit_centres
from ferboost.cnn.labelled import LabelledImages
from ferboost.config import TreeSettings, Views
from ferboost.datasets.splitting import stratified_sample
from ferboost.errors import DataError
from ferboost.features import FeatureSource, group_features, join_features, needs_network
from ferboost.progress import Tell, part_of
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
    "SeenImages",
    "add_centres",
    "centred_groups",
    "cross_predict",
    "cut_watched",
    "groups_seen",
    "grow_trees",
    "in_pieces",
    "join_seen",
    "predict_trees",
    "watched_images",
]

# Images at a time: a batch of the network's, so that nothing rounds otherwise.
_PIECE = 512

# The same cut for all seeds of a run, so that they are comparable.
_CUT_SEED = 0
_WATCHED_SHARE = 0.2


@dataclass(eq=False)
class SeenImages:
    """Images as trees see them: each feature group is computed once.

    Attributes
    ----------
    source : FeatureSource
        Without a network where neither the features nor the trees' start need one.
    data : LabelledImages
    centred : bool
        Whether the class centres of the source are means of these images.
    groups : dict of str to ndarray of float32, shape (n, width)
        What has been computed so far.
    """

    source: FeatureSource
    data: LabelledImages
    centred: bool = False
    groups: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def features(
        self, groups: Collection[str], tell: Tell | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Return at least these groups; `tell` is called with how many images are done."""
        missing = [group for group in groups if group not in self.groups]
        if not missing:
            return self.groups

        def compute(own: slice) -> dict[str, NDArray[np.float32]]:
            members = self.data.labels[own] if self.centred else None
            return group_features(self.source, self.data.images[own], missing, members)

        self.groups |= in_pieces(len(self.data.labels), compute, tell)
        return self.groups

    def of(self, variant: str) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return what the trees of a variant see, and the logits that they start from."""
        tap, residual = tap_of(variant), is_residual(variant)
        features = self.features({*groups_of(tap), *(("logits",) if residual else ())})
        return join_features(features, tap), features["logits"] if residual else None

    def every_view(self, kind: Views) -> "SeenImages":
        """Return every view of every image with its label, one view after another."""
        views, targets = views_of(kind), self.data.targets
        viewed = LabelledImages(
            np.concatenate([view_faces(self.data.images, view) for view in views]),
            np.tile(self.data.labels, len(views)),
            targets=None if targets is None else np.tile(targets, (len(views), 1)),
        )
        return SeenImages(self.source, viewed, self.centred)


def in_pieces(
    total: int,
    compute: Callable[[slice], Mapping[str, NDArray[np.float32]]],
    tell: Tell | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Compute arrays with a row for each of `total` images, some images at a time.

    Parameters
    ----------
    total : int
    compute : callable
        Returns the arrays of some images by name, float32 of shape (n, width).
    tell : callable, optional
        Called with (done, total, "").
    """
    found: dict[str, NDArray[np.float32]] = {}
    for start in range(0, max(total, 1), _PIECE):
        if tell is not None:
            tell(start, total, "")
        own = slice(start, start + _PIECE)
        for name, rows in compute(own).items():
            if start == 0:
                found[name] = np.empty((total, rows.shape[1]), dtype=np.float32)
            found[name][own] = rows
    if tell is not None:
        tell(total, total, "")
    return found


def join_seen(
    parts: Sequence[SeenImages], groups: Collection[str], tell: Tell | None = None
) -> SeenImages:
    """Return what several networks see as one: labels and these groups of features, no images."""
    features = [
        part.features(groups, tell and part_of(tell, number, len(parts), ""))
        for number, part in enumerate(parts)
    ]
    data = [part.data for part in parts]
    targets = [own.targets for own in data if own.targets is not None]
    joined = LabelledImages(
        data[0].images[:0],  # all that is asked of them has been computed
        np.concatenate([own.labels for own in data]),
        targets=np.concatenate(targets) if targets else None,
    )
    of_all = {group: np.concatenate([own[group] for own in features]) for group in groups}
    return SeenImages(FeatureSource(None), joined, groups=of_all)


def groups_seen(variants: Sequence[str]) -> set[str]:
    """Return the feature groups that some variants need, and the network's own verdict."""
    groups = {group for variant in variants for group in groups_of(tap_of(variant))}
    if any(map(is_residual, variants)):
        groups.add("logits")
    if groups & {"logits"} or any(needs_network(tap_of(variant)) for variant in variants):
        groups.add("output")
    return groups


def grow_trees(
    variant: str,
    rows: SeenImages,
    watched: SeenImages | None,
    settings: TreeSettings,
    *,
    classes: int,
    seed: int,
    rounds: int | None = None,
    tell: Tell | None = None,
) -> BoostedTrees | Baseline:
    """Grow the trees of a variant, or fit what stands in their place.

    Parameters
    ----------
    variant : str
        See `ferboost.variants`.
    rows : SeenImages
        The images that the trees grow on; every view of them, where that is wanted.
    watched : SeenImages or None
        The images that early stopping watches.
    settings : TreeSettings
    classes : int
    seed : int
    rounds : int, optional
        Grow just so many rounds, or fit a baseline by so many of its `Baseline.rounds_`, whatever
        the settings say.
    tell : callable, optional
        Called with (done, total, "") after every round.

    Raises
    ------
    DataError
        If a class has no image in `rows`.
    """
    if rounds is not None:
        settings = settings.model_copy(update={"rounds": rounds, "early_stopping": None})
    kind, residual = baseline_of(variant), is_residual(variant)
    trees = (
        BoostedTrees(settings, classes, seed, residual=residual)
        if kind is None
        else new_baseline(kind, settings, classes, seed, residual=residual, epochs=rounds)
    )
    features, logits = rows.of(variant)
    validation, validation_logits = None, None
    if watched is not None and settings.early_stopping is not None:
        seen, validation_logits = watched.of(variant)
        validation = (seen, watched.data.labels)
    return trees.fit(
        features,
        rows.data.labels,
        validation,
        tell,
        logits=logits,
        validation_logits=validation_logits,
        targets=rows.data.targets,
    )


def cross_predict(
    variant: str,
    parts: Sequence[SeenImages],
    judged: Sequence[SeenImages],
    settings: TreeSettings,
    rounds: int,
    *,
    classes: int,
    seed: int,
    tell: Tell | None = None,
) -> NDArray[np.float32]:
    """Predict images by trees that grew on the other parts of them.

    Parameters
    ----------
    variant : str
    parts : sequence of SeenImages
        What trees grow on. At least two; every class is in all but any one of them.
    judged : sequence of SeenImages
        The images of each part that are predicted.
    settings : TreeSettings
    rounds : int
        How many rounds the trees have; 0 of residual ones are the network alone.
    classes, seed : int
    tell : callable, optional
        Called with (done, total, "") after every part.

    Returns
    -------
    ndarray of float32, shape (n, classes)
        Probabilities, part by part.
    """
    groups = groups_seen([variant])
    if not rounds and is_residual(variant):
        return np.concatenate([part.features(groups)["output"] for part in judged])
    found = []
    for number, (part, own) in enumerate(zip(parts, judged, strict=True)):
        if tell is not None:
            tell(number, len(parts), "")
        others = join_seen([other for other in parts if other is not part], groups)
        trees = grow_trees(
            variant, others, None, settings, classes=classes, seed=seed, rounds=rounds
        )
        found.append(trees.predict_proba(*own.of(variant)))
    if tell is not None:
        tell(len(parts), len(parts), "")
    return np.concatenate(found)


def predict_trees(
    trees: BoostedTrees | Baseline,
    source: FeatureSource,
    variant: str,
    images: NDArray[np.uint8],
) -> NDArray[np.float32]:
    """Return the probabilities of trees that `grow_trees` grew, float32 of shape (n, classes)."""
    seen = SeenImages(source, LabelledImages(images, np.zeros(len(images), dtype=np.int64)))
    return trees.predict_proba(*seen.of(variant))


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
    """Part held-out images into four fifths to grow trees on, and a fifth to stop them.

    Raises
    ------
    DataError
        If there are too few for both.
    """
    watched = watched_images(held_out.labels, hashes)
    if not watched.any():
        raise DataError(
            f"{len(watched)} validation images are too few to grow trees on some and stop or "
            "judge them by others; raise data.validation_fraction, add images, or take another "
            "trees.features than held-out"
        )
    return held_out.select(~watched), held_out.select(watched)


def watched_images(labels: NDArray[np.int64], hashes: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Say which held-out images, shape (n,), stop trees that grow on the others; maybe none."""
    return stratified_sample(labels, hashes, _WATCHED_SHARE, _CUT_SEED)
