"""Going on with a study until all of its trials are over."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from ferboost.cnn.precision import Precision, require_device
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.doubts import prepare_training
from ferboost.errors import RunError, SettingsError
from ferboost.files import storage_errors, write_json
from ferboost.pipeline.same_data import require_same_doubts
from ferboost.progress import Monitor, Tell
from ferboost.runs import lock_folder
from ferboost.tuning.faces import face_arrays, stored_faces
from ferboost.tuning.jobs import choose_jobs
from ferboost.tuning.messages import Epoch, Ready, Reply, Setup, Task
from ferboost.tuning.outcomes import Outcome, Verdict, best_outcome
from ferboost.tuning.plans import variant_of
from ferboost.tuning.sampling import Sampling
from ferboost.tuning.space import Point
from ferboost.tuning.study import Study
from ferboost.tuning.wording import describe_outcome, describe_value
from ferboost.tuning.workers import Worker, WorkerPool, process_pool

if TYPE_CHECKING:
    from ferboost.clusters import Cluster
    from ferboost.tuning.database import Database, Patience

__all__ = ["execute_study"]

_SIGNS_OF_LIFE = 5
"""Before others may think that a process is gone."""

# Of a trial, that progress is told in.
_PARTS = 1000
# Of workers, one after the other, on nodes that are gone, as far as that is known.
_MOST_FAILED_STARTS = 3


def execute_study(
    study: Study,
    dataset: FaceDataset,
    monitor: Monitor,
    *,
    trials: int | None = None,
    jobs: int | None = None,
    seconds: float | None = None,
    cluster: "Cluster | None" = None,
    database: "Database | None" = None,
    patience: "Patience | None" = None,
) -> tuple[Outcome, ...]:
    """Run the trials that are left of a study, in processes of their own.

    Each trial is kept as soon as it is over. One that was running when this process ended, however
    it did, is run again by the next call; none that is over is. In a database several of these work
    on a study, and each waits for the trials of all, to run again those of a machine that is lost.

    Parameters
    ----------
    study : Study
    dataset : FaceDataset
        What the study was started with.
    monitor : Monitor
    trials : int, optional
        How many trials the study has in the end, instead of what was planned.
    jobs : int, optional
        Trials at a time; they share the cores out. By default one for each node of a cluster, and
        here one, or as many as cores (at most four) if those are measured to be clearly faster.
        It is one where a later point depends on what came out before, where the CNNs are those
        of a run, and where the time for a face is an objective.
    seconds : float, optional
        After so long no trial is begun; those that are running are finished.
    cluster : Cluster, optional
        On whose nodes they are run, instead of here; see `ferboost.clusters.connected`.
    database : Database, optional
        Where the study is, if it is in one.
    patience : Patience, optional
        How long is waited for other machines, and for the database.

    Returns
    -------
    tuple of Outcome
        All trials of the study, by number.

    Raises
    ------
    SettingsError
        If `trials` is given for a grid, the network that points start from cannot be, or the
        cluster has too few cores.
    RunError
        If another process works in the study directory, a worker cannot even begin, or the
        database fails.
    StorageError
        If the disk is full. What is finished stays; the study can be resumed.
    """
    deadline = inf if seconds is None else time.monotonic() + seconds
    prepared = prepare_training(dataset, study.plan.settings.data, validation=True)
    require_same_doubts(prepared, study.record.data, study.path)
    if study.plan.settings.cnn.votes and study.plan.run is None and dataset.votes is None:
        monitor.log("there are no votes (--votes), so the CNNs learn labels alone (cnn.votes)")
    with lock_folder(study.path), storage_errors(study.path):
        ledger, signs = None, None
        if database is not None:
            from ferboost.tuning.database import DatabaseLedger, Patience

            patience = patience or Patience()
            ledger = DatabaseLedger(study, database, monitor.log, patience)
            signs = patience.abandoned / _SIGNS_OF_LIFE
        session = _Session(study, Sampling(study, trials, ledger), monitor, signs, deadline)
        if not session.is_finished:
            if jobs is None and cluster is None:
                jobs = session.choose_jobs()
            with _workers(study, prepared, jobs, cluster) as crew, monitor.stage("tune") as tell:
                session.run(crew, tell)
        if session.left:
            monitor.log(f"{session.left} trials are left to do; the time is over")
    return study.outcomes()


@dataclass(frozen=True)
class _Crew:
    """Who tries the points.

    Attributes
    ----------
    pool : WorkerPool
    faces : Path
        The folder of the faces; the workers of a cluster have them otherwise.
    jobs : int
        How many trials there are at a time.
    """

    pool: WorkerPool
    faces: Path
    jobs: int


@contextmanager
def _workers(
    study: Study, prepared: FaceDataset, jobs: int | None, cluster: "Cluster | None"
) -> Iterator[_Crew]:
    folder = study.path / "faces"
    if cluster is None:
        jobs = jobs or 1
        with (
            stored_faces(folder, prepared),
            process_pool(study.path / "workers", jobs) as pool,
        ):
            yield _Crew(pool, folder, jobs)
    else:
        from ferboost.tuning.cluster import cluster_pool

        jobs = jobs or cluster.size
        with cluster_pool(face_arrays(prepared), jobs) as pool:
            yield _Crew(pool, folder, jobs)


@dataclass
class _Running:
    """A trial that a worker is at, and how many of its epochs are over."""

    number: int
    point: Point
    epochs_each: int
    """Of each seed, at most."""
    epochs_total: int
    epochs: int = 0


class _Session:
    """What one process does of a study: hands out trials, hears of them, keeps what came out.

    Every `seconds` it looks at what others do, if there are any: None where there are none. After
    `deadline`, of the monotonic clock, it begins nothing.
    """

    def __init__(
        self,
        study: Study,
        sampling: Sampling,
        monitor: Monitor,
        seconds: float | None,
        deadline: float,
    ) -> None:
        self._study = study
        self._sampling = sampling
        self._monitor = monitor
        self._seconds = seconds
        self._deadline = deadline
        self._looked = time.monotonic()
        self._best: Outcome | None = None
        self._starting: set[Worker] = set()
        self._failed_starts = 0
        self._running: dict[Worker, _Running] = {}
        self._idle: list[Worker] = []
        self._precision = _read_precision(study)
        self._take_note()

    @property
    def is_finished(self) -> bool:
        """Whether no trial is left, or none may begin any more."""
        return not self.left or self._is_late

    @property
    def left(self) -> int:
        """Trials that are not over."""
        return max(0, self._sampling.total - len(self._outcomes))

    @property
    def _is_late(self) -> bool:
        return time.monotonic() >= self._deadline

    def choose_jobs(self) -> int:
        """Say how many trials at a time are fastest here, if what is tried stays the same."""
        plan = self._study.plan
        in_any_order = plan.sampler != "tpe" and plan.pruner == "none"
        if not in_any_order or "time" in plan.costs or plan.run is not None:
            return 1
        classes = len(self._study.record.classes)
        try:
            with self._monitor.stage("trials at a time"):
                chosen = choose_jobs(plan.settings, classes, self.left, self._precision)
        except SettingsError:  # the first worker says what is wrong
            return 1
        self._monitor.log(f"trials {chosen.describe()}")
        return chosen.number

    def run(self, crew: _Crew, tell: Tell) -> None:
        """Try points until none is left, or it is too late to begin another."""
        others = min(crew.jobs, self.left) - 1
        self._begin(crew)  # alone, since it may have to measure the precision
        try:
            while self._running or not self.is_finished:
                self._tell_progress(tell)
                heard = crew.pool.hear(self._seconds)
                worker = None if heard is None else heard.worker
                if heard is not None and worker in self._starting:
                    if heard.line is None:
                        self._take_failed_start(worker, crew)
                    else:
                        self._starting.remove(worker)
                        self._failed_starts = 0
                        self._take_precision(Ready.model_validate_json(heard.line))
                        self._hand_out(worker, crew.pool)
                        for _ in range(others):
                            self._begin(crew)
                        others = 0
                elif heard is not None and worker in self._running:
                    if heard.line is None:
                        self._take_crash(worker)
                        crew.pool.end(worker)
                        self._begin(crew)
                    elif self._take(worker, heard.line):
                        self._hand_out(worker, crew.pool)
                elif heard is not None and worker in self._idle and heard.line is None:
                    self._idle.remove(worker)
                    crew.pool.end(worker)
                    self._begin(crew)
                self._look_around(crew.pool)
        except KeyboardInterrupt:
            if self._sampling.shared:
                self._sampling.give_back()
            raise

    def _look_around(self, pool: WorkerPool) -> None:
        """Tell the others that this process is alive, and see what they have left or finished."""
        if self._seconds is None or time.monotonic() < self._looked + self._seconds:
            return
        self._sampling.still_running()
        self._take_note()
        idle, self._idle = self._idle, []
        for worker in idle:
            self._hand_out(worker, pool)
        self._looked = time.monotonic()

    def _take_note(self) -> None:
        self._outcomes = self._sampling.outcomes()
        best = best_outcome(self._outcomes, self._study.plan.objective)
        if best is not None and best != self._best:
            self._study.write_best(best, len(self._outcomes))
        self._best = best
        if self._study.plan.costs:
            self._study.write_front(self._outcomes)

    def _begin(self, crew: _Crew) -> None:
        worker = crew.pool.start()
        self._starting.add(worker)
        worker.send(
            Setup(
                faces=str(crew.faces),
                classes=len(self._study.record.classes),
                run=self._study.plan.run,
                settings=self._study.plan.settings,
                costs=self._study.plan.costs,
                precision=self._precision,
            )
        )

    def _take_failed_start(self, worker: Worker, crew: _Crew) -> None:
        self._failed_starts += 1
        if not worker.was_taken_away() or self._failed_starts > _MOST_FAILED_STARTS:
            raise RunError(f"a worker could not begin: {worker.how_it_ended()}")
        self._starting.remove(worker)
        crew.pool.end(worker)
        self._begin(crew)

    def _take_precision(self, ready: Ready) -> None:
        if ready.error is not None:
            raise SettingsError(f"what the points start from cannot be: {ready.error}")
        if ready.precision is not None and self._precision is None:
            self._precision = ready.precision
            write_json(_precision_path(self._study), ready.precision.to_dict())
            self._monitor.log(f"precision {ready.precision.describe()}")

    def _hand_out(self, worker: Worker, pool: WorkerPool) -> None:
        """Give a worker the next point whose values go together, or end it."""
        while not self._is_late and (asked := self._sampling.ask()) is not None:
            number, point = asked
            try:
                settings = self._study.space.apply(self._study.plan.settings, point)
                variant = variant_of(settings, self._study.space)
            except SettingsError as error:
                verdict = Verdict(status="refused", reason=str(error), seconds=0)
                self._keep(verdict, number, point)
                continue
            epochs = settings.cnn.epochs if self._study.plan.run is None else 1
            self._running[worker] = _Running(number, point, epochs, epochs * len(settings.seeds))
            worker.send(Task(settings=settings, variant=variant))
            return
        if self._sampling.shared:  # another machine may be lost, and leave its trials
            self._idle.append(worker)
        else:
            pool.end(worker)

    def _take(self, worker: Worker, line: str) -> bool:
        """Take what a worker says; return whether its trial is over."""
        said = _SAID.validate_json(line)
        trial = self._running[worker]
        if isinstance(said, Verdict):
            del self._running[worker]
            self._keep(said, trial.number, trial.point)
            return True
        trial.epochs += 1
        stop = False
        if said.position == 0:  # the first seed decides whether the others are worth it
            hopeless = self._sampling.report(trial.number, said.record.epoch, said.loss)
            stop = hopeless and said.record.epoch < trial.epochs_each
        worker.send(Reply(go_on=not stop))
        return False

    def _take_crash(self, worker: Worker) -> None:
        trial = self._running.pop(worker)
        reason, innocent = worker.how_it_ended(), worker.was_taken_away()
        if self._sampling.crashes(trial.number) and not innocent:
            verdict = Verdict(status="crashed", reason=f"{reason}, twice", seconds=0)
            self._keep(verdict, trial.number, trial.point)
        else:
            self._monitor.log(f"trial {trial.number}: {reason}; its values are tried once more")
            self._sampling.try_again(trial.number, crashed=not innocent)

    def _keep(self, verdict: Verdict, number: int, point: Point) -> None:
        outcome = Outcome(**dict(verdict), number=number, point=point)
        if self._sampling.tell(outcome):
            self._monitor.log(describe_outcome(outcome, self._study.plan.objective))
        else:
            self._monitor.log(
                f"trial {number}: another process has taken it over, so this result does not count"
            )
        self._take_note()

    def _tell_progress(self, tell: Tell) -> None:
        total = self._sampling.total
        part = sum(trial.epochs / trial.epochs_total for trial in self._running.values())
        words = [f"{len(self._outcomes)} of {total} done", f"{len(self._running)} running"]
        if self._sampling.shared:
            words[-1] += " here"
        value = None if self._best is None else self._best.value(self._study.plan.objective)
        if value is not None:
            words.insert(0, f"best {describe_value(value, self._study.plan.objective)}")
        done = min(len(self._outcomes) + part, total)
        tell(int(_PARTS * done), _PARTS * total, ", ".join(words))


_SAID: TypeAdapter[Epoch | Verdict] = TypeAdapter(Epoch | Verdict)


def _precision_path(study: Study) -> Path:
    return study.path / "precision.json"


def _read_precision(study: Study) -> Precision | None:
    file = _precision_path(study)
    if not file.exists():
        return None
    try:
        precision = Precision(**json.loads(file.read_bytes()))
    except (TypeError, ValueError) as error:
        raise RunError(f"{file} is damaged ({error}); start a new study") from error
    require_device(precision, study.path)
    return precision
