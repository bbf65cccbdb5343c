"""What a trial does: train a CNN or take one of a run, grow trees, judge on validation images."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ferboost.boosting import BoostedTrees
from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.network import new_network
from ferboost.cnn.precision import Precision
from ferboost.cnn.training import train_network
from ferboost.config import Settings
from ferboost.curves import EpochRecord
from ferboost.datasets.splitting import FOLD_SEED, derive_seed, number_folds
from ferboost.evaluation.scaling import log_losses
from ferboost.features import FeatureSource
from ferboost.growing import grow_trees
from ferboost.models import SeedModel, load_seed_model
from ferboost.pipeline.doubting import believed_images
from ferboost.pipeline.learnt_images import labelled, training_images
from ferboost.runs import Run
from ferboost.seen_images import (
    SeenImages,
    TreeImages,
    centred_groups,
    groups_seen,
    join_seen,
    see_images,
)
from ferboost.soft_targets import mix_targets
from ferboost.tuning.faces import StudyFaces
from ferboost.tuning.outcomes import Cost, SeedScore
from ferboost.variants import CNN

__all__ = ["Scorer", "StoppedError"]

#: Told the history of a training after each epoch, and the last validation loss without penalty.
OnEpoch = Callable[[list[EpochRecord], float], None]


_TIMED_FACES = 256
_TIMED_BATCHES = 5


class StoppedError(Exception):
    """A training was stopped by the pruner.

    Parameters
    ----------
    history : list of EpochRecord
    """

    def __init__(self, history: list[EpochRecord]) -> None:
        super().__init__("stopped")
        self.history = history


@dataclass(frozen=True, eq=False)
class _SeenSplits(TreeImages):
    """All that the trees of one network can grow on; what stops them judges them, too."""

    seed: int
    """What the trees draw by."""


@dataclass(frozen=True, eq=False)
class _Grown:
    """Trees on one network, and what they say of the images that judge."""

    splits: _SeenSplits
    trees: BoostedTrees
    probabilities: NDArray[np.float32]


class Scorer:
    """Judges points on the validation images.

    Parameters
    ----------
    faces : StudyFaces
    classes : int
    run : Run or None
        Where trees grow on the CNNs of a run.
    costs : collection of {"size", "time"}
        What is measured of each model.
    """

    def __init__(
        self, faces: StudyFaces, classes: int, run: Run | None, costs: Collection[Cost] = ()
    ) -> None:
        self._faces = faces
        self._costs = costs
        self._classes = classes
        self._run = run
        self._seen: dict[tuple[object, ...], tuple[_SeenSplits, ...]] = {}

    def score(
        self,
        settings: Settings,
        variant: str,
        seed: int,
        precision: Precision | None,
        on_epoch: OnEpoch,
    ) -> SeedScore:
        """Make the model of one seed, and judge it.

        Parameters
        ----------
        settings : Settings
        variant : str
            ``"cnn"``, or what trees are judged.
        seed : int
        precision : Precision or None
            None where no CNN is trained.
        on_epoch : callable
            Called after every epoch of a training.

        Raises
        ------
        SettingsError
            If the network cannot have this shape, or there are too few validation images.
        TrainingDivergedError
            If the loss is no number.
        """
        history: list[EpochRecord] = []
        best_epoch = None
        if precision is None:
            seen = self._seen_by_run(settings, variant, seed)
        else:
            train = training_images(self._faces.train, self._voting(settings), seed)
            network = new_network(settings.cnn, self._classes, seed)

            def tell(finished: list[EpochRecord]) -> None:
                last = finished[-1]
                on_epoch(finished, last.validation_loss - last.validation_penalty)

            state = train_network(
                network,
                train,
                self._held_out(settings),
                settings.cnn,
                precision,
                seed=seed,
                on_epoch=tell,
            )
            history, best_epoch = state.history, state.best_epoch
            seen = (self._splits(FeatureSource(network), settings, train, seed),)
        judged = seen[0].watched
        grown: list[_Grown] = []
        if variant == CNN:
            probabilities = judged.features(["output"])["output"]
        else:
            grown = [self._grow(own, settings, variant) for own in seen]
            probabilities = np.mean([own.probabilities for own in grown], axis=0)
        return SeedScore(
            seed=seed,
            accuracy=float((probabilities.argmax(axis=1) == judged.data.labels).mean()),
            log_loss=float(log_losses(probabilities, judged.data.labels).mean()),
            best_epoch=best_epoch,
            rounds=round(np.mean([own.trees.rounds_ for own in grown])) if grown else None,
            size=self._size(seen, variant, grown) if "size" in self._costs else None,
            time=self._time(seen, variant, grown) if "time" in self._costs else None,
            history=tuple(history),
        )

    @staticmethod
    def _size(seen: Sequence[_SeenSplits], variant: str, grown: Sequence[_Grown]) -> float:
        """Return the bytes of the trees, and of the weights of the networks that they need."""
        networks = (network for own in seen for network in own.source.networks(variant))
        tensors = (tensor for network in networks for tensor in network.state_dict().values())
        weights: int = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return weights + sum(own.trees.size for own in grown)

    def _time(self, seen: Sequence[_SeenSplits], variant: str, grown: Sequence[_Grown]) -> float:
        """Return the milliseconds for each face of a batch: the fastest of several."""
        validation = self._faces.validation
        some = LabelledImages(validation.images[:_TIMED_FACES], validation.labels[:_TIMED_FACES])
        seconds = []
        for _ in range(_TIMED_BATCHES):  # the first one warms up
            batches = [SeenImages(own.source, some) for own in seen]
            start = time.perf_counter()
            if not grown:
                batches[0].features(["output"])
            for batch, own in zip(batches, grown, strict=False):
                own.trees.predict_proba(*batch.of(variant))
            seconds.append(time.perf_counter() - start)
        return 1000 * min(seconds) / len(some.labels)

    def _grow(self, seen: _SeenSplits, settings: Settings, variant: str) -> _Grown:
        judged = seen.watched
        rows = replace(seen.rows, data=_learning(seen.rows.data, settings.trees.votes))
        found = grow_trees(
            variant, rows, judged, settings.trees, classes=self._classes, seed=seen.seed
        )
        trees = cast("BoostedTrees", found)  # its variant is no baseline
        return _Grown(seen, trees, trees.predict_proba(*judged.of(variant)))

    def _seen_by_run(self, settings: Settings, variant: str, seed: int) -> tuple[_SeenSplits, ...]:
        """Return what the trees of a run's CNN see; out of fold, of the CNN of each fold."""
        if self._run is None:
            raise ValueError("a study that trains no CNN takes those of a run")
        trees = settings.trees
        centred = tuple(sorted(centred_groups(trees.taps)))
        joined = None if trees.ensemble else variant
        key = (seed, trees.views, trees.view_rows, trees.features, centred, joined)
        if key not in self._seen:
            model = load_seed_model(self._run, seed)
            if trees.features == "out-of-fold":
                self._seen[key] = self._seen_by_folds(model, settings, variant, seed)
            else:
                train = training_images(self._faces.train, self._voting(settings), seed)
                self._seen[key] = (self._splits(model.source, settings, train, seed),)
        return self._seen[key]

    def _seen_by_folds(
        self, model: SeedModel, settings: Settings, variant: str, seed: int
    ) -> tuple[_SeenSplits, ...]:
        train, trees = self._faces.train, settings.trees
        numbers = number_folds(train.labels, train.hashes, trees.folds, FOLD_SEED)
        unseen = [
            believed_images(
                labelled(train.select(numbers == fold), self._voting(settings)),
                settings.data.doubted,
            )
            for fold in range(trees.folds)
        ]
        sources = [fold.source for fold in model.folds]
        if trees.ensemble:
            pairs = enumerate(zip(sources, unseen, strict=True))
            return tuple(
                self._splits(source, settings, rows, derive_seed(seed, fold))
                for fold, (source, rows) in pairs
            )
        parts = [
            SeenImages(replace(source, views=trees.views), rows)
            for source, rows in zip(sources, unseen, strict=True)
        ]
        if trees.view_rows:
            parts = [part.every_view(trees.views) for part in parts]
        own = replace(model.source, views=trees.views)
        judged = SeenImages(own, self._held_out(settings))
        return (_SeenSplits(join_seen(parts, groups_seen([variant])), judged, seed),)

    def _held_out(self, settings: Settings) -> LabelledImages:
        return replace(labelled(self._faces.validation, self._voting(settings)), beliefs=None)

    def _voting(self, settings: Settings) -> Settings:
        """Return settings whose trees learn votes alone, if there are any; `_learning` mixes."""
        if self._faces.train.votes is None:
            return settings
        trees = settings.trees.model_copy(update={"votes": 1.0})
        return settings.model_copy(update={"trees": trees})

    def _splits(
        self, source: FeatureSource, settings: Settings, rows: LabelledImages, seed: int
    ) -> _SeenSplits:
        trees = settings.trees
        seen = see_images(
            replace(source, views=trees.views, centres={}),
            rows,
            self._held_out(settings),
            trees,
            self._classes,
        )
        return _SeenSplits(seen.rows, seen.watched, seed)


def _learning(images: LabelledImages, share: float) -> LabelledImages:
    """Return images with what trees learn of them, where all that they have are votes."""
    if not share or images.targets is None:
        return replace(images, targets=None)
    return replace(images, targets=mix_targets(images.labels, images.targets, share))
