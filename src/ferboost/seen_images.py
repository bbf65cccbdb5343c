"""Images as trees see them: their features, which of them grow trees, which stop these."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ferboost.centres import fit_centres
from ferboost.cnn.labelled import LabelledImages
from ferboost.config import TreeSettings, Views
from ferboost.datasets.dataset import hash_images
from ferboost.datasets.splitting import stratified_sample
from ferboost.errors import DataError
from ferboost.features import FeatureSource, group_features, join_features, needs_network
from ferboost.progress import Tell, part_of
from ferboost.variants import groups_of, is_distance, is_residual, measured_of, tap_of
from ferboost.views import view_faces, views_of

__all__ = [
    "SeenImages",
    "TreeImages",
    "centred_groups",
    "cut_watched",
    "groups_seen",
    "in_pieces",
    "join_seen",
    "see_images",
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


@dataclass(frozen=True, eq=False)
class TreeImages:
    """The images that trees grow on, and those that stop them, as the trees see them.

    Attributes
    ----------
    rows : SeenImages
        What the trees grow on; every view of them, where that is wanted.
    watched : SeenImages
        What stops them.
    """

    rows: SeenImages
    watched: SeenImages

    @property
    def source(self) -> FeatureSource:
        """What the features are made with."""
        return self.watched.source


def see_images(
    source: FeatureSource,
    learnt: LabelledImages,
    held_out: LabelledImages,
    settings: TreeSettings,
    classes: int,
) -> TreeImages:
    """Choose the images that trees grow on, that stop them, and that class centres are means of.

    Parameters
    ----------
    source : FeatureSource
        If it has no class centres, those that the taps need are taken.
    learnt : LabelledImages
        What trees grow on that do not grow on held-out images: those that the network learnt, or
        the fold that it has not seen.
    held_out : LabelledImages
    settings : TreeSettings
    classes : int

    Raises
    ------
    DataError
        If there are too few images.
    """
    rows, watched = learnt, held_out
    if settings.features == "held-out":
        rows, watched = cut_watched(held_out)
    # Images that the network was not trained on, as the settings make sure.
    centred = watched if settings.features == "in-sample" else rows
    if not source.centres:
        source = _add_centres(source, settings.taps, centred, classes)
    grown, judged = (SeenImages(source, part, part is centred) for part in (rows, watched))
    if settings.view_rows:
        grown = grown.every_view(settings.views)
    return TreeImages(grown, judged)


def _add_centres(
    source: FeatureSource, taps: Sequence[str], centred: LabelledImages, classes: int
) -> FeatureSource:
    """Return a source with the class centres that trees on some taps see."""
    measured = sorted(centred_groups(taps))
    if not measured:
        return source
    values = group_features(source, centred.images, measured)
    centres = {group: fit_centres(values[group], centred.labels, classes) for group in measured}
    return replace(source, centres=centres)


def cut_watched(held_out: LabelledImages) -> tuple[LabelledImages, LabelledImages]:
    """Part held-out images into four fifths to grow trees on, and a fifth to stop them.

    Raises
    ------
    DataError
        If there are too few for both.
    """
    watched = watched_images(held_out.labels, hash_images(held_out.images))
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


def groups_seen(variants: Sequence[str]) -> set[str]:
    """Return the feature groups that some variants need, and the network's own verdict."""
    groups = {group for variant in variants for group in groups_of(tap_of(variant))}
    if any(map(is_residual, variants)):
        groups.add("logits")
    if groups & {"logits"} or any(needs_network(tap_of(variant)) for variant in variants):
        groups.add("output")
    return groups


def centred_groups(taps: Sequence[str]) -> set[str]:
    """Return the groups in which distances to class centres are measured on some taps."""
    return {measured_of(group) for tap in taps for group in groups_of(tap) if is_distance(group)}
