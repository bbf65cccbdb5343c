"""Growing trees on images, and predicting with them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ferboost.baselines import Baseline, new_baseline
from ferboost.boosting import BoostedTrees
from ferboost.cnn.labelled import LabelledImages
from ferboost.config import TreeSettings
from ferboost.features import FeatureSource
from ferboost.progress import Tell
from ferboost.seen_images import SeenImages, groups_seen, join_seen
from ferboost.variants import baseline_of, is_residual

__all__ = ["cross_predict", "grow_trees", "predict_trees"]


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
