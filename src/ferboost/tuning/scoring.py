"""What a trial does: train a CNN or take one of a run, grow trees, judge on validation images."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ferboost.boosting import BoostedTrees
from ferboost.cnn.network import new_network
from ferboost.cnn.precision import Precision
from ferboost.cnn.training import LabelledImages, train_network
from ferboost.config import Settings, TreeSettings
from ferboost.curves import EpochRecord
from ferboost.evaluation.scaling import log_losses
from ferboost.features import FeatureSource
from ferboost.growing import SeenImages, add_centres, centred_groups, cut_watched, grow_trees
from ferboost.models import load_seed_model
from ferboost.pipeline.learnt_images import training_images
from ferboost.runs import Run
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
class _SeenSplits:
    """All that the trees of one network can grow on, be stopped by and be judged by."""

    source: FeatureSource
    rows: SeenImages
    """What the trees grow on: the training images, or four fifths of the validation images."""
    judged: SeenImages
    """What stops and judges them: the validation images, or the last fifth of them."""


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
        self._seen: dict[tuple[object, ...], _SeenSplits] = {}

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
            seen = self._seen_by_run(settings, seed)
        else:
            train = training_images(self._faces.train, settings, seed)
            network = new_network(settings.cnn, self._classes, seed)

            def tell(finished: list[EpochRecord]) -> None:
                last = finished[-1]
                on_epoch(finished, last.validation_loss - last.validation_penalty)

            state = train_network(
                network,
                train,
                self._faces.validation,
                settings.cnn,
                precision,
                seed=seed,
                on_epoch=tell,
            )
            history, best_epoch = state.history, state.best_epoch
            seen = self._splits(FeatureSource(network), settings.trees, train)
        trees = None
        if variant == CNN:
            probabilities = seen.judged.features(["output"])["output"]
            labels = seen.judged.data.labels
        else:
            trees, probabilities, labels = self._grow(seen, settings, variant, seed)
        return SeedScore(
            seed=seed,
            accuracy=float((probabilities.argmax(axis=1) == labels).mean()),
            log_loss=float(log_losses(probabilities, labels).mean()),
            best_epoch=best_epoch,
            rounds=None if trees is None else trees.rounds_,
            size=self._size(seen, variant, trees) if "size" in self._costs else None,
            time=self._time(seen, variant, trees) if "time" in self._costs else None,
            history=tuple(history),
        )

    @staticmethod
    def _size(seen: _SeenSplits, variant: str, trees: BoostedTrees | None) -> float:
        """Return the bytes of the trees, and of the weights of the networks that they need."""
        networks = seen.source.networks(variant)
        tensors = (tensor for network in networks for tensor in network.state_dict().values())
        weights: int = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return weights + (0 if trees is None else trees.size)

    def _time(self, seen: _SeenSplits, variant: str, trees: BoostedTrees | None) -> float:
        """Return the milliseconds for each face of a batch: the fastest of several."""
        some = LabelledImages(
            self._faces.validation.images[:_TIMED_FACES],
            self._faces.validation.labels[:_TIMED_FACES],
        )
        seconds = []
        for _ in range(_TIMED_BATCHES):  # the first one warms up
            batch = SeenImages(seen.source, some)
            start = time.perf_counter()
            if trees is None:
                batch.features(["output"])
            else:
                trees.predict_proba(*batch.of(variant))
            seconds.append(time.perf_counter() - start)
        return 1000 * min(seconds) / len(some.labels)

    def _grow(
        self, seen: _SeenSplits, settings: Settings, variant: str, seed: int
    ) -> tuple[BoostedTrees, NDArray[np.float32], NDArray[np.int64]]:
        """Return trees, their probabilities, and the true labels."""
        rows, judged = seen.rows, seen.judged
        if settings.trees.view_rows:
            rows = rows.every_view(settings.trees.views)
        grown = grow_trees(variant, rows, judged, settings.trees, classes=self._classes, seed=seed)
        trees = cast("BoostedTrees", grown)  # its variant is no baseline
        return trees, trees.predict_proba(*judged.of(variant)), judged.data.labels

    def _seen_by_run(self, settings: Settings, seed: int) -> _SeenSplits:
        if self._run is None:
            raise ValueError("a study that trains no CNN takes those of a run")
        trees = settings.trees
        centred = tuple(sorted(centred_groups(trees.taps)))
        key = (seed, trees.views, trees.features, centred)
        if key not in self._seen:
            model = load_seed_model(self._run, seed)
            train = training_images(self._faces.train, settings, seed)
            self._seen[key] = self._splits(model.source, trees, train)
        return self._seen[key]

    def _splits(
        self, source: FeatureSource, settings: TreeSettings, train: LabelledImages
    ) -> _SeenSplits:
        validation = self._faces.validation
        rows, judged, centred = train, validation, validation
        if settings.features == "held-out":
            rows, judged = cut_watched(self._faces.validation_hashes, validation)
            centred = rows
        source = replace(source, views=settings.views)
        source = add_centres(source, settings.taps, centred, self._classes)
        parts = (SeenImages(source, part, centred=part is centred) for part in (rows, judged))
        return _SeenSplits(source, *parts)
