"""Repeating the study, part after part, each kept as soon as it is done."""

import threading
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from ferboost.config import Settings, TreeSettings
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.doubts import prepare_training
from ferboost.errors import RunError, SettingsError, StorageError
from ferboost.pipeline import execute_run, resume_run, start_run
from ferboost.pipeline.evaluating import has_results, load_results
from ferboost.pipeline.execution import describe_data, with_whole_paths
from ferboost.pipeline.same_data import require_same_data, require_same_doubts
from ferboost.progress import Monitor
from ferboost.reproduction.costs import CostMeter, all_trees_seconds, tree_seconds
from ferboost.reproduction.experiments import EXPERIMENTS, Experiment, Kind
from ferboost.reproduction.folder import (
    CLEAN,
    RUNS,
    Reproduction,
    ReproductionRecord,
)
from ferboost.reproduction.planning import (
    PUBLISHED_EPOCHS,
    Length,
    planned_length,
    run_length,
    share_of,
    training_length,
)
from ferboost.runs import Run, describe_environment, lock_folder, refuse_existing
from ferboost.settings import change_settings
from ferboost.settings_files import nearest
from ferboost.tuning.executing import execute_study
from ferboost.tuning.jobs import Jobs, choose_jobs, jobs_as_asked, measure_precision
from ferboost.tuning.plans import plan_study, variant_of
from ferboost.tuning.study import resume_study, start_study

if TYPE_CHECKING:
    from ferboost.clusters import Cluster

__all__ = ["PARTS", "repeat_study", "start_reproduction"]

#: What can be chosen by ``--only``.
PARTS = ("cnn", *(experiment.key for experiment in EXPERIMENTS))

_KINDS: tuple[Kind, ...] = ("trees", "layers", "data", "grid")
# What measuring a few steps cannot see.
_MARGIN = 0.85
# Of a budget: kept for writing the page.
_PAGE_SHARE = 0.005
_TREE_TAP = "fc1"
# What a killed process was at for longer counts, too.
_BOOKED_SECONDS = 10.0


def start_reproduction(
    path: Path,
    dataset: FaceDataset,
    settings: Settings,
    command: str,
    *,
    parts: Sequence[str] = (),
    budget: float | None = None,
) -> Reproduction:
    """Make the folder of a repetition of the study.

    Parameters
    ----------
    path : Path
        Must not exist, or be an empty folder.
    dataset : FaceDataset
        As loaded.
    settings : Settings
        What everything starts from; its seeds are as many as there can be for a point.
    command : str
        What repeats it.
    parts : sequence of str
        Of `PARTS`; all of them where none is named. Trees need the CNNs.
    budget : float, optional
        Minutes for all of it.

    Raises
    ------
    SettingsError
        If a part is unknown, the budget too short for anything, or the trees are of a kind that a
        part cannot have.
    DataError, RunError, StorageError
        Nothing has been written then.
    """
    for part in parts:
        if part not in PARTS:
            raise SettingsError(f"the study has no part {part!r}; {nearest(part, PARTS)}")
    if settings.protocol != "clean":
        raise SettingsError("reproduce has both protocols by itself; leave out --protocol")
    if settings.cnn.teachers:
        raise SettingsError(
            "the study's CNNs have no teachers, and those of both protocols could not be taught by "
            "the same ones; leave out cnn.teachers"
        )
    if budget is not None and not (budget > 0 and isfinite(budget)):
        raise SettingsError(f"a budget is a number of minutes above 0; found {budget:g}")
    chosen = set(parts or PARTS)
    if any(e.kind == "trees" and e.key in chosen for e in EXPERIMENTS):
        chosen.add("cnn")
    _require_trees(settings, chosen)
    refuse_existing(path, "--resume")
    settings = with_whole_paths(settings)
    record = ReproductionRecord(
        settings=settings,
        parts=tuple(part for part in PARTS if part in chosen),
        budget=budget,
        data=describe_data(dataset, prepare_training(dataset, settings.data, validation=True)),
        environment=describe_environment(),
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Reproduction.create(path, record)


def _require_trees(settings: Settings, parts: Container[str]) -> None:
    """Refuse trees that a run or a study would refuse, before the CNNs are trained."""
    for protocol in RUNS.values() if "cnn" in parts else ():
        change_settings(settings, (), {"protocol": protocol})
    for experiment in EXPERIMENTS:
        if experiment.kind == "trees" and experiment.key in parts:
            if settings.trees.features == "out-of-fold" or settings.trees.votes:
                raise SettingsError(
                    f"{experiment.key} is of trees that learn labels on one CNN; leave out "
                    "trees.features=out-of-fold and trees.votes"
                )
            variant_of(_for_tables(settings), experiment.space)


def _for_tables(settings: Settings) -> Settings:
    """Return the settings that the tables of trees start from."""
    return change_settings(settings, (), {"trees": {"taps": [_TREE_TAP], "mode": "replace"}})


def repeat_study(
    reproduction: Reproduction,
    dataset: FaceDataset,
    monitor: Monitor,
    *,
    jobs: int | None = None,
    cluster: "Cluster | None" = None,
) -> None:
    """Do what is left of a repetition.

    Parameters
    ----------
    reproduction : Reproduction
    dataset : FaceDataset
        What it was started with.
    monitor : Monitor
    jobs : int, optional
        Trials at a time, at most; they share the cores. By default what
        `ferboost.tuning.jobs.choose_jobs` measures, and one for the trees; on a cluster one a node.
    cluster : Cluster, optional
        Where the CNNs of the sweeps and the grid are trained. The two runs, and the trees on their
        CNNs, stay on this machine.

    Raises
    ------
    RunError
        If the data or its doubted labels have changed, or another process works on it.
    StorageError
        If the disk is full. What is finished stays.
    """
    record = reproduction.record
    require_same_data(dataset, record.data, reproduction.path)
    prepared = prepare_training(dataset, record.settings.data, validation=True)
    require_same_doubts(prepared, record.data, reproduction.path)
    with lock_folder(reproduction.path):
        _Repetition(reproduction, dataset, monitor, jobs, cluster).do_all()


class _Repetition:
    """What one process does of it."""

    def __init__(
        self,
        reproduction: Reproduction,
        dataset: FaceDataset,
        monitor: Monitor,
        jobs: int | None,
        cluster: "Cluster | None",
    ) -> None:
        self._reproduction = reproduction
        self._record = reproduction.record
        self._dataset = dataset
        self._monitor = monitor
        self._asked = jobs
        self._cluster = cluster
        self._measured: Jobs | None = None
        self._started = time.monotonic()
        self._spent_before = reproduction.spent
        self._goes_beyond = reproduction.is_over
        self._images = sum(self._record.data.counts["train"])
        self._precision = measure_precision(self._record.settings, len(dataset.classes))
        self._meter = CostMeter(self._precision, self._images, len(dataset.classes))

    def do_all(self) -> None:
        """Do every part that is left, the trees after the CNNs that they grow on."""
        left: list[str] = [kind for kind in _KINDS if self._of_kind(kind)]
        if "cnn" in self._record.parts:
            with self._accounted():
                self._do_runs(self._seconds_for("cnn", left))
        while left:
            kind = left[0]
            experiments = self._of_kind(kind)  # type: ignore[arg-type]
            if kind == "trees":
                self._announce_trees(experiments)
            seconds = self._seconds_for(kind, left)
            until = None if seconds is None else self._spent + seconds
            while experiments:
                with self._accounted():
                    left_of_it = None if until is None else max(0.0, until - self._spent)
                    self._do_study(experiments, left_of_it)
                experiments.pop(0)
            left.pop(0)
        self._reproduction.spend(self._spent, over=True)

    def _jobs(self) -> Jobs:
        """Return how many trials at a time are fastest, or were asked for; measured once."""
        if self._measured is None and self._cluster is not None:
            number = self._asked or self._cluster.size
            self._measured = Jobs(number, float(number), "the nodes of the cluster share them")
            self._monitor.log(f"trials {self._measured.describe()}")
        if self._measured is None:
            settings, classes = self._record.settings, len(self._dataset.classes)
            with self._monitor.stage("trials at a time"):
                if self._record.budget is not None and "cnn" not in self._record.parts:
                    self._meter.observe(settings.cnn)
                if self._asked is None:
                    most = max(len(e.space.grid()) for e in EXPERIMENTS if e.kind != "trees")
                    self._measured = choose_jobs(settings, classes, most, self._precision)
                else:
                    self._measured = jobs_as_asked(settings, classes, self._asked, self._precision)
            self._monitor.log(f"trials {self._measured.describe()}")
        return self._measured

    def _of_kind(self, kind: Kind) -> list[Experiment]:
        return [e for e in EXPERIMENTS if e.kind == kind and e.key in self._record.parts]

    @property
    def _spent(self) -> float:
        return self._spent_before + time.monotonic() - self._started

    @property
    def _seconds_left(self) -> float | None:
        """Seconds of the budget; None without one, or where it was over before: that goes on."""
        if self._record.budget is None or self._goes_beyond:
            return None
        return max(0.0, 60 * self._record.budget * (1 - _PAGE_SHARE) - self._spent)

    @contextmanager
    def _accounted(self) -> Iterator[None]:
        over = threading.Event()

        def book() -> None:
            while not over.wait(_BOOKED_SECONDS):
                with suppress(StorageError):  # what has the disk full says so itself
                    self._reproduction.spend(self._spent)

        booking = threading.Thread(target=book, daemon=True)
        booking.start()
        try:
            yield
        finally:
            over.set()
            booking.join()
            self._reproduction.spend(self._spent)

    def _seconds_for(self, part: str, left: Sequence[str]) -> float | None:
        if self._record.budget is None:
            return None
        remaining = 60 * self._record.budget - self._spent
        return max(0.0, _MARGIN * remaining * share_of(part, left))

    def _do_runs(self, seconds: float | None) -> None:
        settings = self._record.settings
        epochs, seeds = settings.cnn.epochs, len(settings.seeds)
        if seconds is not None:
            self._meter.observe(settings.cnn)
            trees = all_trees_seconds(settings, self._images, len(self._dataset.classes))
            least = min(epochs, PUBLISHED_EPOCHS // 2)
            epochs, seeds = run_length(settings, self._meter, trees, seconds / len(RUNS), least)
        for name, protocol in RUNS.items():
            run = self._reproduction.run(name)
            started = time.monotonic()
            if run is None:
                changed = change_settings(
                    settings,
                    (),
                    {
                        "protocol": protocol,
                        "seeds": settings.seeds[:seeds],
                        "cnn": {"epochs": epochs},
                    },
                )
                self._monitor.log(f"{name}: {_describe(epochs, seeds)}")
                path = self._reproduction.run_path(name)
                run, prepared = start_run(path, self._dataset, changed, self._record.command)
            else:
                run, prepared = resume_run(run.path, self._dataset)
                epochs, seeds = run.settings.cnn.epochs, len(run.settings.seeds)
            if has_results(run):
                continue
            execute_run(run, prepared, self._monitor)
            self._learn(run)
            if seconds is not None:
                # As many epochs, so that the two can be compared; if that took too long, fewer
                # seeds.
                took = time.monotonic() - started
                seeds = max(1, min(seeds, int((seconds - took) / (took / seeds))))

    def _learn(self, run: Run) -> None:
        """Compare how long epochs were expected to take with how long they took."""
        epochs = [record for seed in load_results(run).seeds for record in seed.history]
        expected = len(epochs) * self._meter.epoch_seconds(run.settings.cnn)
        self._meter.learn(expected, sum(record.seconds for record in epochs))

    def _length(self, experiments: Sequence[Experiment], seconds: float | None) -> Length:
        """Return how long trainings of the first experiment are, if the others are like it."""
        length = training_length(
            experiments, self._record.settings, self._meter, self._jobs(), seconds
        )
        self._monitor.log(
            f"{experiments[0].key}: {_describe(length.epochs, length.seeds)}"
            + (f", every {length.thinned}nd value" if length.thinned == 2 else "")
            + (", first and last values" if length.thinned > 2 else "")
        )
        return length

    def _announce_trees(self, experiments: Sequence[Experiment]) -> None:
        """Say how long the trees take: their CNNs are there, and so are their seeds."""
        run = self._clean_run()
        width = run.settings.cnn.dense[0]
        each = tree_seconds(TreeSettings(), self._images, width, len(self._dataset.classes))
        points = sum(len(experiment.space.grid()) for experiment in experiments)
        minutes = points * each * len(run.settings.seeds) / 60
        self._monitor.log(f"trees: {points} models for each seed; about {minutes:.0f} minutes")

    def _do_study(self, experiments: Sequence[Experiment], seconds: float | None) -> None:
        """Do the first of some experiments, with so many seconds for all of them."""
        experiment = experiments[0]
        path = self._reproduction.study_path(experiment)
        study = self._reproduction.study(experiment)
        length, expected = None, 0.0
        if study is not None:
            study = resume_study(path, self._dataset)
            if experiment.kind != "trees" and len(study.outcomes()) < len(study.space.grid()):
                length = planned_length(
                    experiment, study.space, study.plan.settings, self._meter, self._jobs()
                )
        elif experiment.kind == "trees":
            run = self._clean_run()
            settings = _for_tables(run.settings)
            plan = plan_study(experiment.space, settings, sampler="grid", run=run)
            study = start_study(path, self._dataset, plan, self._record.command)
        else:
            length = self._length(experiments, seconds)
            thinned = experiment.thinned(length.thinned)
            plan = plan_study(thinned.space, self._start_of(experiment, length), sampler="grid")
            study = start_study(path, self._dataset, plan, self._record.command)
            expected = length.seconds
        self._monitor.log(f"{experiment.key}: {experiment.title}")
        started = time.monotonic()
        left = self._seconds_left
        if left is not None and length is not None:
            # What is begun is finished: the last trial begins that much earlier.
            left -= min(length.longest, left / 2)
        cluster = None if experiment.kind == "trees" else self._cluster
        jobs = length.jobs if length is not None else 1 if self._cluster else self._asked or 1
        execute_study(study, self._dataset, self._monitor, jobs=jobs, seconds=left, cluster=cluster)
        self._meter.learn(expected, time.monotonic() - started)

    def _start_of(self, experiment: Experiment, length: Length) -> Settings:
        settings = self._record.settings
        return change_settings(
            experiment.applied(settings, {}),
            (),
            {"seeds": settings.seeds[: length.seeds], "cnn": {"epochs": length.epochs}},
        )

    def _clean_run(self) -> Run:
        run = self._reproduction.run(CLEAN)
        if run is None:
            raise RunError(f"{self._reproduction.run_path(CLEAN)} is gone; start anew")
        return run


def _describe(epochs: int, seeds: int) -> str:
    return f"{epochs} epoch{'s' * (epochs > 1)}, {seeds} seed{'s' * (seeds > 1)}"
