"""The models of one seed: train the CNN, grow trees on its taps."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np

from ferboost.centres import ClassCentres
from ferboost.cnn.checkpoint import load_weights, save_weights
from ferboost.cnn.group import current_group
from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.network import FaceNetwork, new_network
from ferboost.cnn.precision import Precision, choose_precision, require_device
from ferboost.cnn.training import TrainingProgress, train_network
from ferboost.config import CNNSettings
from ferboost.curves import EpochRecord
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.splitting import FOLD_SEED, derive_seed, number_folds
from ferboost.features import FeatureSource
from ferboost.files import write_json
from ferboost.growing import cross_predict, grow_trees
from ferboost.models import (
    TRAIN_ACCURACY,
    borrowed_path,
    centres_path,
    fold_path,
    load_borrowed,
    load_seed_model,
    network_path,
    trees_path,
)
from ferboost.pipeline.doubting import believed_images
from ferboost.pipeline.learnt_images import labelled, training_images
from ferboost.pipeline.records import (
    CURVES,
    PRECISION,
    read_precision,
    write_curves,
)
from ferboost.pipeline.unseen import save_unseen, unseen_path
from ferboost.progress import Monitor, part_of
from ferboost.runs import Run
from ferboost.seen_images import SeenImages, centred_groups, groups_seen, join_seen, see_images
from ferboost.variants import CNN, in_words, tree_variants

__all__ = ["SeedTraining"]


class SeedTraining:
    """The work on one seed of a run, whatever of it is left.

    Parameters
    ----------
    run : Run
    seed : int
    train : FaceDataset
        What the models learn from.
    held_out : FaceDataset
        What chooses the weights and stops the trees.
    monitor : Monitor
    """

    def __init__(
        self, run: Run, seed: int, train: FaceDataset, held_out: FaceDataset, monitor: Monitor
    ) -> None:
        self.run = run
        self.seed = seed
        self.folder = run.seed_path(seed)
        self.monitor = monitor
        self._train = train
        self._held_out = replace(labelled(held_out, run.settings), beliefs=None)
        self._part = _Part(self.folder, f"seed {seed}", seed)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left."""
        trees = self.run.settings.trees
        judges = trees.features == "out-of-fold" and not trees.ensemble
        is_judged = not judges or unseen_path(self.folder).exists()
        return is_judged and (self.folder / TRAIN_ACCURACY).exists()

    def finish(self) -> None:
        """Do what is left: nothing, trees, or everything."""
        if self.is_finished:
            return
        settings = self.run.settings
        train = training_images(self._train, settings, self.seed)
        self._finish_cnn(self._part, train)
        known = None
        if settings.trees.features == "out-of-fold":
            self._finish_folds()
        else:
            network = load_seed_model(self.run, self.seed).network
            seen = self._grow_trees(self._part, network, train)
            known = seen.groups if seen.data is train else None
        model = load_seed_model(self.run, self.seed)
        with self.monitor.stage(f"seed {self.seed}: accuracy on its own images") as tell:
            predicted = model.probabilities(train.images, known, tell)
        accuracy = {v: float((p.argmax(1) == train.labels).mean()) for v, p in predicted.items()}
        write_json(self.folder / TRAIN_ACCURACY, accuracy)

    def _finish_cnn(self, part: "_Part", train: LabelledImages) -> None:
        if not network_path(part.folder).exists():
            self._train_cnn(part, train)
        part.state_path.unlink(missing_ok=True)
        for number in range(len(self.run.settings.cnn.teachers)):  # needed no more
            borrowed_path(part.folder, "teacher", number).unlink(missing_ok=True)

    def _finish_folds(self) -> None:
        """Train a CNN without each fold, and grow its trees on that fold, or on all as one."""
        settings = self.run.settings
        grown, judged = [], []
        numbers = number_folds(
            self._train.labels, self._train.hashes, settings.trees.folds, FOLD_SEED
        )
        for fold in range(settings.trees.folds):
            seed = derive_seed(self.seed, fold)
            name = f"seed {self.seed}, fold {fold + 1} of {settings.trees.folds}"
            part = _Part(fold_path(self.folder, fold), name, seed)
            others = self._train.select(numbers != fold)
            self._finish_cnn(part, training_images(others, settings, seed))
            unseen = self._train.select(numbers == fold)
            network = new_network(settings.cnn, len(self.run.record.classes), seed)
            load_weights(network_path(part.folder), network)
            own = labelled(unseen, settings)
            rows = believed_images(own, settings.data.doubted)
            if settings.trees.ensemble:
                self._grow_trees(part, network.eval(), rows)
                continue
            source = FeatureSource(network.eval(), settings.trees.views)
            grown.append(SeenImages(source, rows))
            # Dropped are images whose labels a CNN doubts: without them it would look too good.
            dropped = len(rows.labels) < len(own.labels)
            judged.append(SeenImages(source, own) if dropped else grown[-1])
        if grown:
            self._grow_on_folds(grown, judged)

    def _grow_on_folds(self, folds: Sequence[SeenImages], unseen: Sequence[SeenImages]) -> None:
        """Grow trees on what the CNNs of the folds see, for the CNN that learnt every image.

        Verdicts on the images of the folds are kept, also on those that nothing is grown on.
        """
        settings = self.run.settings.trees
        part = self._part
        variants = tree_variants(settings.taps, settings.mode, settings.baselines)
        if not self._missing_trees(part) and unseen_path(self.folder).exists():
            return
        network = load_seed_model(self.run, self.seed).network
        judged = SeenImages(FeatureSource(network, settings.views), self._held_out)
        seen = [f.every_view(settings.views) for f in folds] if settings.view_rows else folds
        with self.monitor.stage(f"{part.name}: what the trees see") as tell:
            # The verdicts of the CNNs calibrate, even where no trees see them.
            groups = {*groups_seen(variants), "output"}
            rows = join_seen(seen, groups, part_of(tell, 0, 2, ""))
            for number, images in enumerate(unseen):
                images.features(groups, part_of(part_of(tell, 1, 2, ""), number, len(unseen), ""))
        stops = settings.early_stopping is not None
        self._grow_missing(part, rows, judged if stops else None)
        self._predict_unseen(part, seen, unseen)

    def _predict_unseen(
        self, part: "_Part", seen: Sequence[SeenImages], unseen: Sequence[SeenImages]
    ) -> None:
        """Keep what CNNs and trees say of images that neither has learnt, to calibrate by."""
        trees = load_seed_model(self.run, self.seed).trees
        shares = {CNN: np.concatenate([fold.groups["output"] for fold in unseen])}
        for variant, grown in trees.items():
            with self.monitor.stage(f"{part.name}: {in_words(variant)}, fold by fold") as tell:
                shares[variant] = cross_predict(
                    variant,
                    seen,
                    unseen,
                    self.run.settings.trees,
                    grown.rounds_,
                    classes=len(self.run.record.classes),
                    seed=part.seed,
                    tell=tell,
                )
        labels = np.concatenate([fold.data.labels for fold in unseen])
        save_unseen(self.folder, labels, shares)

    def _train_cnn(self, part: "_Part", train: LabelledImages) -> None:
        settings = self.run.settings.cnn
        network = new_network(settings, len(self.run.record.classes), part.seed)
        precision = self._precision(network, len(train.images))
        history: list[EpochRecord] = []
        if settings.votes and train.votes is None:
            self._log(part, "there are no votes (--votes), so the CNN learns labels alone")

        def on_epoch(finished: Sequence[EpochRecord]) -> None:
            history[:] = finished
            write_curves(part.folder / "metrics.csv", history)

        with self.monitor.stage(f"{part.name}: CNN") as tell:

            def on_progress(now: TrainingProgress) -> None:
                detail = f"epoch {now.epoch}: loss {now.loss:.3f}, accuracy {now.accuracy:.1%}"
                if history:
                    detail += f", held out {history[-1].validation_accuracy:.1%}"
                done = (now.epoch - 1) * now.images_total + now.images
                tell(done, settings.epochs * now.images_total, detail)

            state = train_network(
                network,
                train,
                self._held_out,
                settings,
                precision,
                seed=part.seed,
                teachers=load_borrowed(self.run, part.folder, "teacher"),
                state_path=part.state_path,
                identity=self._identity(part, precision),
                on_progress=on_progress,
                on_epoch=on_epoch,
            )
        history_rows = [asdict(record) for record in state.history]
        write_json(part.folder / CURVES, {"best_epoch": state.best_epoch, "history": history_rows})
        save_weights(network_path(part.folder), state.best_weights)  # last: it says "finished"
        best = state.history[state.best_epoch - 1]
        processes = current_group().size
        self._log(
            part,
            f"kept epoch {state.best_epoch} of {len(state.history)}: held-out loss "
            f"{best.validation_loss:.4f}, accuracy {best.validation_accuracy:.2%}; "
            f"{np.median([record.seconds for record in state.history]):.2f} s an epoch"
            + (f" by {processes} processes" if processes > 1 else ""),
        )
        majority = np.bincount(self._held_out.labels).max() / len(self._held_out.labels)
        if best.validation_accuracy <= majority:
            self._log(
                part,
                f"the CNN learnt nothing: it is no better than always saying the commonest class "
                f"({majority:.1%}). {_why_it_may_have_failed(settings)}",
            )

    def _precision(self, network: FaceNetwork, images: int) -> Precision:
        """Return the run's precision: measured when it starts, the same when it goes on."""
        file = self.run.path / PRECISION
        if file.exists():
            precision = read_precision(self.run)
            require_device(precision, self.run.path)
            return precision
        number_format = self.run.settings.number_format
        with self.monitor.stage("choose precision") as tell:
            tell(0, 1, "timing float32 and bfloat16" if number_format == "measured" else "")
            batch_size = min(self.run.settings.cnn.batch_size, images)
            precision = choose_precision(network, batch_size, number_format)
            tell(1, 1, precision.number_format)
        write_json(file, precision.to_dict())
        self._log(
            self._part,
            f"precision {precision.describe()}",
        )
        return precision

    def _identity(self, part: "_Part", precision: Precision) -> str:
        cnn = self.run.settings.cnn
        untaught = set() if cnn.teachers else {"teachers", "taught"}
        parts = (
            self.run.settings.model_dump_json(
                exclude={"seeds": True, "trees": True, "cnn": untaught}
            ),
            self.run.record.data.fingerprint,
            str(part.seed) if part.seed == self.seed else f"{part.name} {part.seed}",
            f"{precision.device} {precision.number_format} {precision.channels_last}",
        )
        return blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()

    def _grow_trees(
        self, part: "_Part", network: FaceNetwork, learnt: LabelledImages
    ) -> SeenImages:
        """Grow what is missing; return the images of it with what was computed of them."""
        settings = self.run.settings.trees
        source = self._source(part, network)
        seen = see_images(source, learnt, self._held_out, settings, len(self.run.record.classes))
        if not source.centres:
            self._keep_centres(part, seen.source)
        missing = self._missing_trees(part)
        judged = seen.watched if settings.early_stopping is not None else None
        if missing:  # all groups at once: the network runs once
            shown = [seen.rows] if judged is None else [seen.rows, judged]
            with self.monitor.stage(f"{part.name}: what the trees see") as tell:
                for number, images in enumerate(shown):
                    images.features(groups_seen(missing), part_of(tell, number, len(shown), ""))
        self._grow_missing(part, seen.rows, judged)
        return seen.rows

    def _missing_trees(self, part: "_Part") -> list[str]:
        settings = self.run.settings.trees
        variants = tree_variants(settings.taps, settings.mode, settings.baselines)
        return [v for v in variants if not trees_path(part.folder, v).exists()]

    def _grow_missing(self, part: "_Part", rows: SeenImages, watched: SeenImages | None) -> None:
        settings = self.run.settings.trees
        for variant in self._missing_trees(part):
            with self.monitor.stage(f"{part.name}: {in_words(variant)}") as tell:
                tell(0, settings.rounds, "")
                trees = grow_trees(
                    variant,
                    rows,
                    watched,
                    settings,
                    classes=len(self.run.record.classes),
                    seed=part.seed,
                    tell=tell,
                )
            trees.save(trees_path(part.folder, variant))
            self._log(part, f"{in_words(variant)}: {trees.rounds_} rounds")

    def _source(self, part: "_Part", network: FaceNetwork) -> FeatureSource:
        """Return what the features are made with; the class centres, if they are kept already."""
        settings = self.run.settings.trees
        stacked = load_borrowed(self.run, part.folder, "stacked")
        paths = {g: centres_path(part.folder, g) for g in centred_groups(settings.taps)}
        kept = all(path.exists() for path in paths.values())
        centres = {g: ClassCentres.load(path) for g, path in paths.items()} if kept else {}
        return FeatureSource(network, settings.views, centres, stacked)

    @staticmethod
    def _keep_centres(part: "_Part", source: FeatureSource) -> None:
        for group, centres in source.centres.items():
            centres.save(centres_path(part.folder, group))

    def _log(self, part: "_Part", message: str) -> None:
        line = f"{part.name}: {message}"
        self.run.log(line)
        self.monitor.log(line)


def _why_it_may_have_failed(settings: CNNSettings) -> str:
    if settings.architecture == "published":
        return (
            f"Its {settings.dense[1]} units of fc2 may have died; try another seed, a wider "
            "cnn.dense or a lower cnn.learning_rate"
        )
    return "Try a lower cnn.learning_rate or more cnn.epochs"


@dataclass(frozen=True)
class _Part:
    """One CNN of a seed and where it is kept: the seed's own, or one without a fold."""

    folder: Path
    name: str
    seed: int

    @property
    def state_path(self) -> Path:
        return self.folder / "state.safetensors"
