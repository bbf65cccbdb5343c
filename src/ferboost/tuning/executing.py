"""Going on with a study until all of its trials are over."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from ferboost.cnn.precision import Precision, choose_device
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.splitting import prepare_splits
from ferboost.errors import RunError, SettingsError
from ferboost.files import storage_errors, write_json
from ferboost.progress import Monitor, Tell
from ferboost.runs import lock_folder
from ferboost.tuning.faces import stored_faces
from ferboost.tuning.messages import Epoch, Ready, Reply, Setup, Task
from ferboost.tuning.outcomes import Outcome, Verdict, best_outcome, write_outcome
from ferboost.tuning.sampling import Sampling
from ferboost.tuning.space import Point
from ferboost.tuning.study import Study, variant_of
from ferboost.tuning.wording import describe_outcome, describe_value
from ferboost.tuning.workers import Worker, WorkerPool, worker_pool

__all__ = ["execute_study"]

_PARTS = 1000
"""Of a trial, that progress is told in."""


def execute_study(
    study: Study,
    dataset: FaceDataset,
    monitor: Monitor,
    *,
    trials: int | None = None,
    jobs: int = 1,
) -> tuple[Outcome, ...]:
    """Run the trials that are left of a study, in processes of their own.

    Each trial is kept as soon as it is over. One that was running when this process ended, however
    it did, is run again by the next call; none that is over is.

    Parameters
    ----------
    study : Study
    dataset : FaceDataset
        What the study was started with.
    monitor : Monitor
    trials : int, optional
        How many trials the study has in the end, instead of what was planned.
    jobs : int
        Trials at a time; they share the cores out.

    Returns
    -------
    tuple of Outcome
        All trials of the study, by number.

    Raises
    ------
    SettingsError
        If `trials` is given for a grid, or the network that points start from cannot be.
    RunError
        If another process works on the study, or a worker cannot even begin.
    StorageError
        If the disk is full. What is finished stays; the study can be resumed.
    """
    prepared = prepare_splits(dataset, study.plan.settings.data, validation=True)
    with lock_folder(study.path), storage_errors(study.path):
        session = _Session(study, Sampling(study, trials), monitor)
        if not session.is_finished:
            with (
                stored_faces(study.path / "faces", prepared) as faces,
                worker_pool(study.path / "workers", jobs) as pool,
                monitor.stage("tune") as tell,
            ):
                session.run(pool, faces, jobs, tell)
    return study.outcomes()


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
    """What one process does of a study: hands out trials, hears of them, keeps what came out."""

    def __init__(self, study: Study, sampling: Sampling, monitor: Monitor) -> None:
        self._study = study
        self._sampling = sampling
        self._monitor = monitor
        self._outcomes: list[Outcome] = list(study.outcomes())
        self._starting: set[Worker] = set()
        self._running: dict[Worker, _Running] = {}
        self._precision = _read_precision(study)

    @property
    def is_finished(self) -> bool:
        """Whether no trial is left."""
        return len(self._outcomes) >= self._sampling.total

    def run(self, pool: WorkerPool, faces: Path, jobs: int, tell: Tell) -> None:
        """Try points until none is left."""
        left = self._sampling.total - len(self._outcomes)
        self._begin(pool, faces)  # alone, since it may have to measure the precision
        others = min(jobs, left) - 1
        while self._starting or self._running:
            self._tell_progress(tell)
            heard = pool.hear()
            worker = heard.worker
            if worker in self._starting:
                if heard.line is None:
                    raise RunError(f"a worker could not begin: {worker.how_it_ended()}")
                self._starting.remove(worker)
                self._take_precision(Ready.model_validate_json(heard.line))
                self._hand_out(worker, pool)
                for _ in range(others):
                    self._begin(pool, faces)
                others = 0
            elif worker in self._running:
                if heard.line is None:
                    self._take_crash(worker)
                    pool.end(worker)
                    self._begin(pool, faces)
                elif self._take(worker, heard.line):
                    self._hand_out(worker, pool)

    def _begin(self, pool: WorkerPool, faces: Path) -> None:
        worker = pool.start()
        self._starting.add(worker)
        worker.send(
            Setup(
                faces=str(faces),
                classes=len(self._study.record.classes),
                run=self._study.plan.run,
                settings=self._study.plan.settings,
                precision=self._precision,
            )
        )

    def _take_precision(self, ready: Ready) -> None:
        if ready.error is not None:
            raise SettingsError(f"what the points start from cannot be: {ready.error}")
        if ready.precision is not None and self._precision is None:
            self._precision = ready.precision
            write_json(_precision_path(self._study), ready.precision.to_dict())
            self._monitor.log(f"precision {ready.precision.describe()}")

    def _hand_out(self, worker: Worker, pool: WorkerPool) -> None:
        """Give a worker the next point whose values go together, or end it."""
        while (asked := self._sampling.ask()) is not None:
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
        reason = worker.how_it_ended()
        if self._sampling.crashes(trial.number):
            verdict = Verdict(status="crashed", reason=f"{reason}, twice", seconds=0)
            self._keep(verdict, trial.number, trial.point)
        else:
            self._monitor.log(f"trial {trial.number}: {reason}; its values are tried once more")
            self._sampling.try_again(trial.number)

    def _keep(self, verdict: Verdict, number: int, point: Point) -> None:
        outcome = Outcome(**dict(verdict), number=number, point=point)
        write_outcome(self._study.trials_path, outcome)  # before the journal, which can be mended
        self._sampling.tell(outcome)
        self._outcomes.append(outcome)
        self._monitor.log(describe_outcome(outcome, self._study.plan.objective))
        if _best(self._study, self._outcomes) is outcome:
            self._study.write_best(outcome)

    def _tell_progress(self, tell: Tell) -> None:
        total = self._sampling.total
        part = sum(trial.epochs / trial.epochs_total for trial in self._running.values())
        words = [f"{len(self._outcomes)} of {total} done", f"{len(self._running)} running"]
        best = _best(self._study, self._outcomes)
        value = None if best is None else best.value(self._study.plan.objective)
        if value is not None:
            words.insert(0, f"best {describe_value(value, self._study.plan.objective)}")
        done = min(len(self._outcomes) + part, total)
        tell(int(_PARTS * done), _PARTS * total, ", ".join(words))


_SAID: TypeAdapter[Epoch | Verdict] = TypeAdapter(Epoch | Verdict)


def _best(study: Study, outcomes: Sequence[Outcome]) -> Outcome | None:
    return best_outcome(tuple(outcomes), study.plan.objective)


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
    if precision.device == "cuda" and choose_device() != "cuda":
        raise RunError(
            f"{study.path} was started on a GPU, and there is none here; resume it there"
        )
    return precision
