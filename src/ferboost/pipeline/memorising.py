"""Measuring in a run what features of learnt images do to trees, for the figure of its report."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferboost.boosting import BoostedTrees
from ferboost.cnn.labelled import LabelledImages
from ferboost.config import LAYERS, TreeSettings
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.splitting import FOLD_SEED, derive_seed, number_folds
from ferboost.evaluation.memorising import Familiarity, Judged, MemorisedFeatures, judge
from ferboost.features import group_features, join_features
from ferboost.files import write_json
from ferboost.models import SeedModel, load_seed_model
from ferboost.pipeline.doubting import believed_images
from ferboost.pipeline.kept import read_kept
from ferboost.pipeline.learnt_images import training_images
from ferboost.progress import Monitor
from ferboost.runs import Run
from ferboost.seen_images import watched_images
from ferboost.variants import groups_of, is_residual, tap_of, tree_variants

__all__ = ["load_memorised", "measure_memorised"]

_FILE = "memorised.json"


@dataclass(frozen=True, eq=False)
class _Case:
    """A CNN, as many images that it has and has not learnt, and new images."""

    model: SeedModel
    rows: Mapping[Familiarity, LabelledImages]
    new: LabelledImages


def measure_memorised(
    run: Run, train: FaceDataset, validation: FaceDataset, monitor: Monitor
) -> None:
    """Grow the published trees on images that the CNN has and has not learnt, and keep how they do.

    Both kinds are as many, and both trees are judged by the same new images, none of them of the
    test split: the validation images, or the fifth of these that no trees grow on. It is done once
    for a run whose trees replace layers.

    Parameters
    ----------
    run : Run
        With all of its models.
    train, validation : FaceDataset
    monitor : Monitor
    """
    tap = _replaced_tap(run.settings.trees)
    if tap is None or (run.path / _FILE).exists():
        return
    grown: dict[Familiarity, list[dict[str, Judged]]] = {"learnt": [], "unseen": []}
    rows, new_images = [], 0
    total = len(run.settings.seeds)
    with monitor.stage("what the CNN knows by heart") as tell:
        for done, seed in enumerate(run.settings.seeds):
            tell(done, total, f"seed {seed}")
            cases = list(_cases(run, seed, train, validation))
            if not cases or any(_lacks_a_class(case, len(train.classes)) for case in cases):
                tell(total, total, "too few images to tell anything")
                return
            groups = {*groups_of(tap), "output"}
            seen = [(c, group_features(c.model.source, c.new.images, groups)) for c in cases]
            for familiarity, seeds in grown.items():
                judged = [_judge(case, new, familiarity, tap, seed) for case, new in seen]
                seeds.append(_mean(judged))
            rows += [len(case.rows["unseen"].labels) for case in cases]
            new_images = len(cases[0].new.labels)
            tell(done + 1, total, f"seed {seed}")
    found = MemorisedFeatures(tap, min(rows), new_images, grown)
    write_json(run.path / _FILE, found.to_dict())


def load_memorised(run: Run) -> MemorisedFeatures | None:
    """Read what `measure_memorised` kept; None where nothing was measured.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    remedy = f"ferboost train --resume {run.path}"
    return read_kept(run.path / _FILE, MemorisedFeatures.from_dict, remedy)


def _replaced_tap(settings: TreeSettings) -> str | None:
    """Return the first tap of layers that trees replace those above of."""
    for variant in tree_variants(settings.taps, settings.mode):
        tap = tap_of(variant)
        if not is_residual(variant) and set(LAYERS).issuperset(groups_of(tap)):
            return tap
    return None


def _cases(run: Run, seed: int, train: FaceDataset, validation: FaceDataset) -> Iterator[_Case]:
    model = load_seed_model(run, seed)
    random = np.random.default_rng(seed)
    held_out = LabelledImages(validation.images, validation.labels)
    settings = run.settings
    if not model.folds:
        watched = watched_images(validation.labels, validation.hashes)
        if watched.any():
            unseen, new = held_out.select(~watched), held_out.select(watched)
            learnt = training_images(train, settings, seed, copies=False)
            yield _Case(model, _as_many(learnt, unseen, random), new)
        return
    numbers = number_folds(train.labels, train.hashes, len(model.folds), FOLD_SEED)
    for fold, own in enumerate(model.folds):
        others = train.select(numbers != fold)
        learnt = training_images(others, settings, derive_seed(seed, fold), copies=False)
        rows = _as_many(learnt, believed_images(train.select(numbers == fold), "keep"), random)
        yield _Case(own, rows, held_out)


def _lacks_a_class(case: _Case, classes: int) -> bool:
    return any(
        len(np.unique(rows.labels)) < classes or not len(case.new.labels)
        for rows in case.rows.values()
    )


def _as_many(
    learnt: LabelledImages, unseen: LabelledImages, random: np.random.Generator
) -> dict[Familiarity, LabelledImages]:
    """Draw, class by class, as many of the one kind as of the other."""
    kinds: dict[Familiarity, LabelledImages] = {"learnt": learnt, "unseen": unseen}
    picked: dict[Familiarity, list[NDArray[np.int64]]] = {"learnt": [], "unseen": []}
    for label in np.unique(unseen.labels):
        own = {kind: np.flatnonzero(images.labels == label) for kind, images in kinds.items()}
        count = min(map(len, own.values()))
        for kind, places in own.items():
            picked[kind].append(random.permutation(places)[:count])
    return {
        kind: images.select(np.sort(np.concatenate(picked[kind]))) for kind, images in kinds.items()
    }


def _judge(
    case: _Case,
    new: Mapping[str, NDArray[np.float32]],
    familiarity: Familiarity,
    tap: str,
    seed: int,
) -> dict[str, Judged]:
    rows = case.rows[familiarity]
    seen = group_features(case.model.source, rows.images, list(new))
    classes = seen["output"].shape[1]
    trees = BoostedTrees(TreeSettings(), classes, seed).fit(join_features(seen, tap), rows.labels)
    return {
        "cnn rows": judge(seen["output"], rows.labels),
        "cnn new": judge(new["output"], case.new.labels),
        "trees rows": judge(trees.predict_proba(join_features(seen, tap)), rows.labels),
        "trees new": judge(trees.predict_proba(join_features(new, tap)), case.new.labels),
    }


def _mean(folds: Sequence[Mapping[str, Judged]]) -> dict[str, Judged]:
    return {
        which: Judged(
            float(np.mean([fold[which].accuracy for fold in folds])),
            float(np.mean([fold[which].entropy for fold in folds])),
        )
        for which in folds[0]
    }
