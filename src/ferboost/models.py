"""The trained models of a run: one CNN a seed, trees on its taps, CNNs of folds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from ferboost.baselines import Baseline, load_baseline
from ferboost.boosting import BoostedTrees
from ferboost.centres import ClassCentres
from ferboost.cnn.checkpoint import load_weights
from ferboost.cnn.network import FaceNetwork, build_network
from ferboost.config import CNNSettings, Settings, TreeSettings, Views
from ferboost.errors import RunError
from ferboost.features import FeatureSource, group_features, join_features
from ferboost.progress import Tell
from ferboost.runs import Run
from ferboost.seen_images import centred_groups, in_pieces
from ferboost.variants import (
    CNN,
    FOLD_CNNS,
    baseline_of,
    groups_of,
    is_residual,
    tap_of,
    tree_variants,
)

__all__ = [
    "ROLES",
    "TRAIN_ACCURACY",
    "Role",
    "SeedModel",
    "borrowed_names",
    "borrowed_path",
    "borrowed_record_path",
    "centres_path",
    "fold_path",
    "load_borrowed",
    "load_seed_model",
    "members_of",
    "network_path",
    "read_borrowed",
    "trees_path",
]

#: What the models of a seed score on their own images: written last, when all of them are there.
TRAIN_ACCURACY = "train-accuracy.json"

#: What a run takes CNNs of other runs for: trees see their logits, or they teach its own CNN.
Role: TypeAlias = Literal["stacked", "teacher"]
ROLES: tuple[Role, ...] = get_args(Role)


def network_path(folder: Path) -> Path:
    """Return where the CNN of a seed is kept."""
    return folder / "network.safetensors"


def trees_path(folder: Path, variant: str) -> Path:
    """Return where the trees of a variant, or what stands in their place, are kept."""
    name = variant.replace(" ", "-")
    baseline = baseline_of(variant)
    if baseline is None:
        return folder / f"trees-{name}.ubj"
    return folder / f"baseline-{name}.{'json' if baseline == 'lightgbm' else 'safetensors'}"


def centres_path(folder: Path, group: str) -> Path:
    """Return where the class centres of a feature group are kept."""
    return folder / f"centres-{group}.safetensors"


def borrowed_names(settings: Settings, role: Role) -> tuple[str, ...]:
    """Return the other runs whose CNNs a run takes for something."""
    return settings.trees.stacked if role == "stacked" else settings.cnn.teachers


def borrowed_path(folder: Path, role: Role, number: int) -> Path:
    """Return where a CNN of another run is kept, counted from 0."""
    return folder / f"{role}-{number}.safetensors"


def borrowed_record_path(run: Run, role: Role) -> Path:
    """Return where is said which CNNs of other runs a run has taken."""
    return run.path / f"{role}.json"


def fold_path(folder: Path, fold: int) -> Path:
    """Return the folder of the models that have not seen a fold, counted from 0."""
    return folder / f"fold-{fold}"


@dataclass(frozen=True, eq=False)
class SeedModel:
    """A CNN and the trees on its taps.

    Attributes
    ----------
    network : FaceNetwork
    trees : dict of str to BoostedTrees or Baseline
        By variant, such as ``"fc1"``, ``"fc1 residual"`` and ``"fc1 residual logistic"``.
    folds : tuple of SeedModel
        With out-of-fold features: CNNs that were each trained without a fold, and the trees that
        grew on that fold, if any: then their mean predicts.
    views : {"mirror", "jitter"}
        What layers are averaged over for the trees.
    centres : mapping of str to ClassCentres
        By the group that the trees see distances in.
    stacked : tuple of FaceNetwork
        Other runs' CNNs, whose logits the trees see.
    """

    network: FaceNetwork
    trees: dict[str, BoostedTrees | Baseline]
    folds: tuple["SeedModel", ...] = ()
    views: Views = "mirror"
    centres: Mapping[str, ClassCentres] = field(default_factory=dict)
    stacked: tuple[FaceNetwork, ...] = ()

    @property
    def source(self) -> FeatureSource:
        """What the features are made with."""
        return FeatureSource(self.network, self.views, self.centres, self.stacked)

    @property
    def variants(self) -> tuple[str, ...]:
        """``"cnn"``, then ``"cnn folds"`` where there are any, then those with trees."""
        if self._is_mean:
            return (CNN, FOLD_CNNS, *self.folds[0].trees)
        return (CNN, *self.trees)

    @property
    def _is_mean(self) -> bool:
        return bool(self.folds) and not self.trees

    def members(self, variant: str) -> tuple[tuple["SeedModel", str], ...]:
        """Return the models whose mean is a variant, each with what it calls the variant itself."""
        if variant == CNN or not self._is_mean:
            return ((self, variant),)
        own = CNN if variant == FOLD_CNNS else variant
        return tuple((fold, own) for fold in self.folds)

    def probabilities(
        self,
        images: NDArray[np.uint8],
        known: Mapping[str, NDArray[np.float32]] | None = None,
        tell: Tell | None = None,
        variants: Sequence[str] | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        """Return the probabilities that each variant gives.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, 48, 48)
        known : mapping of str to ndarray of float32, optional
            Feature groups of these images that are computed already.
        tell : callable, optional
            Called with (done, total, "") as images are done.
        variants : sequence of str, optional
            Which of `variants`; all by default.

        Returns
        -------
        dict of str to ndarray of float32, shape (n, classes)
        """

        def compute(own: slice) -> dict[str, NDArray[np.float32]]:
            computed = {group: values[own] for group, values in (known or {}).items()}
            return self._predict(images[own], variants or self.variants, computed)

        return in_pieces(len(images), compute, tell)

    def probabilities_of(self, images: NDArray[np.uint8], variant: str) -> NDArray[np.float32]:
        """Return the probabilities of one variant alone, shape (n, classes)."""
        return self._predict(images, [variant])[variant]

    def networks(self, variant: str) -> tuple[FaceNetwork, ...]:
        """Return the networks below the trees of a variant: its own if needed, stacked ones."""
        return self.source.networks(variant)

    def features(
        self,
        images: NDArray[np.uint8],
        variants: Sequence[str],
        known: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        """Return by group what the trees of some variants, and the CNN, need."""
        known = known or {}
        groups: set[str] = set()
        for variant in variants:
            if variant == CNN:
                groups.add("output")
                continue
            groups.update(groups_of(tap_of(variant)))
            if is_residual(variant):
                groups.add("logits")
        missing = groups - known.keys()
        return {**known, **group_features(self.source, images, missing)}

    def boosted(
        self, features: Mapping[str, NDArray[np.float32]], variant: str
    ) -> NDArray[np.float32]:
        """Return the probabilities of one variant with trees, given the groups that it needs."""
        logits = features["logits"] if is_residual(variant) else None
        return self.trees[variant].predict_proba(join_features(features, tap_of(variant)), logits)

    def _predict(
        self,
        images: NDArray[np.uint8],
        variants: Sequence[str],
        known: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        own = [v for v in variants if v == CNN or v in self.trees]
        features = self.features(images, own, known)
        found = {v: features["output"] if v == CNN else self.boosted(features, v) for v in own}
        others = [CNN if v == FOLD_CNNS else v for v in variants if v not in own]
        if others:
            predicted = [fold._predict(images, others) for fold in self.folds]  # noqa: SLF001
            for variant in others:
                name = FOLD_CNNS if variant == CNN else variant
                found[name] = np.mean([p[variant] for p in predicted], axis=0)
        return {variant: found[variant] for variant in variants}


def members_of(models: Sequence[SeedModel], variant: str) -> list[tuple[SeedModel, str]]:
    """Return all models whose mean is a variant of several seeds; see `SeedModel.members`."""
    return [member for model in models for member in model.members(variant)]


def load_seed_model(run: Run, seed: int) -> SeedModel:
    """Read the models of one seed of a run.

    Raises
    ------
    RunError
        If the seed is not trained yet, a file is damaged, or one of a finished seed is gone.
    """
    folder = run.seed_path(seed)
    if not network_path(folder).exists():
        raise run.unfinished(f"seed {seed} has no trained CNN")
    if (folder / TRAIN_ACCURACY).exists():
        _require_all(run, folder)
    own = _load_models(run, folder)
    if run.settings.trees.features != "out-of-fold":
        return own
    folders = [fold_path(folder, fold) for fold in range(run.settings.trees.folds)]
    if not all(network_path(path).exists() for path in folders):
        return own
    return replace(own, folds=tuple(_load_models(run, path) for path in folders))


def _require_all(run: Run, folder: Path) -> None:
    """Refuse a finished seed of which a model is gone."""
    trees = run.settings.trees
    folds: list[Path] = []
    if trees.features == "out-of-fold":
        folds = [fold_path(folder, fold) for fold in range(trees.folds)]
    homes = folds if folds and trees.ensemble else [folder]
    variants = tree_variants(trees.taps, trees.mode, trees.baselines)
    needed = [network_path(fold) for fold in folds]
    needed += [trees_path(home, variant) for home in homes for variant in variants]
    for path in needed:
        if not path.exists():
            raise RunError(f"{path} is gone from a finished run; restore it, or train anew")


def load_borrowed(run: Run, folder: Path, role: Role) -> tuple[FaceNetwork, ...]:
    """Read the other runs' CNNs that a folder of `run` has for something, if any.

    Raises
    ------
    RunError
        If one is missing or damaged.
    """
    networks = []
    for number, (_, _, settings) in enumerate(read_borrowed(run, role)):
        network = build_network(settings, len(run.record.classes))
        load_weights(borrowed_path(folder, role, number), network)
        networks.append(network.eval())
    return tuple(networks)


def read_borrowed(run: Run, role: Role) -> list[tuple[str, list[int], CNNSettings]]:
    """Return the runs that CNNs were taken from for something, which seeds, and their settings.

    Raises
    ------
    RunError
        If the record of them is missing or damaged.
    """
    if not borrowed_names(run.settings, role):
        return []
    path = borrowed_record_path(run, role)
    try:
        return [
            (str(record["run"]), list(record["seeds"]), CNNSettings(**record["cnn"]))
            for record in json.loads(path.read_bytes())
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"cannot read {path} ({error}); restore the run") from error


def _load_models(run: Run, folder: Path) -> SeedModel:
    classes = len(run.record.classes)
    network = build_network(run.settings.cnn, classes)
    load_weights(network_path(folder), network)
    network.eval()
    settings = run.settings.trees
    trees = {
        variant: _load_trees(trees_path(folder, variant), variant, settings, classes)
        for variant in tree_variants(settings.taps, settings.mode, settings.baselines)
        if trees_path(folder, variant).exists()
    }
    centres = {
        group: ClassCentres.load(centres_path(folder, group))
        for group in centred_groups(list(map(tap_of, trees)))
    }
    return SeedModel(
        network,
        trees,
        views=settings.views,
        centres=centres,
        stacked=load_borrowed(run, folder, "stacked") if trees else (),
    )


def _load_trees(
    path: Path, variant: str, settings: TreeSettings, classes: int
) -> BoostedTrees | Baseline:
    kind = baseline_of(variant)
    if kind is None:
        return BoostedTrees.load(path, settings, classes)
    return load_baseline(kind, path, settings, classes)
