"""Where it is written down which trials were begun, and how they ended."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol, TypeVar

import optuna
from optuna.samplers import RandomSampler
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalStorage
from optuna.trial import FrozenTrial

from ferboost.errors import RunError
from ferboost.tuning.outcomes import Outcome, write_outcome
from ferboost.tuning.plans import StudyPlan
from ferboost.tuning.study import Study

__all__ = ["Journal", "Ledger", "directions", "open_journal"]

_Result = TypeVar("_Result")

_NAME = "study"


class Ledger(Protocol):
    """What `Sampling` asks of a place that trials are written down in.

    Attributes
    ----------
    trials : optuna.Study
        The trials as Optuna sees them.
    shared : bool
        Whether other processes write there, too.
    """

    trials: optuna.Study
    shared: bool

    def attempt(self, work: Callable[[], _Result], *, patient: bool = True) -> _Result:
        """Do what writes or reads, again where that is worth it and there is time."""

    def turn(self) -> AbstractContextManager[None]:
        """Keep others from writing while the block runs."""

    def outcomes(self) -> Mapping[int, Outcome]:
        """Return what came out of the trials that are over, by number."""

    def is_abandoned(self, trial: FrozenTrial) -> bool:
        """Say whether nobody is at a trial that is running and not one's own."""

    def still_at(self, trials: Iterable[optuna.Trial]) -> None:
        """Note that these trials are being worked on."""

    def record(self, outcome: Outcome, trial: optuna.Trial) -> None:
        """Keep what came out of a trial, before Optuna is told that it is over."""


class Journal:
    """A file of the study, which only the process that has locked the study writes.

    What came out of a trial is in a file of its own; the journal can be mended by these.

    Parameters
    ----------
    study : Study

    Raises
    ------
    RunError
        If the journal is damaged.
    """

    shared = False

    def __init__(self, study: Study) -> None:
        self._study = study
        self._outcomes = {outcome.number: outcome for outcome in study.outcomes()}
        self._repair()
        self.trials = open_journal(study)

    def attempt(self, work: Callable[[], _Result], *, patient: bool = True) -> _Result:  # noqa: ARG002
        """Do it once: a disk that fails is not waited for."""
        return work()

    def turn(self) -> AbstractContextManager[None]:
        """Return at once: the study is locked."""
        return nullcontext()

    def outcomes(self) -> Mapping[int, Outcome]:
        """Return what came out of the trials that are over, by number."""
        return self._outcomes

    def is_abandoned(self, trial: FrozenTrial) -> bool:  # noqa: ARG002
        """Say so of every trial: whoever began it had the lock, and has it no more."""
        return True

    def still_at(self, trials: Iterable[optuna.Trial]) -> None:
        """Take no note: nobody else asks."""

    def record(self, outcome: Outcome, trial: optuna.Trial) -> None:  # noqa: ARG002
        """Keep what came out of a trial in a file."""
        write_outcome(self._study.trials_path, outcome)
        self._outcomes[outcome.number] = outcome

    def _repair(self) -> None:
        """Take away what a killed process left: its lock, and a line that it had half written."""
        journal = self._study.journal
        journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
        if journal.exists():
            with journal.open("r+b") as file:
                content = file.read()
                file.truncate(content.rfind(b"\n") + 1)


def open_journal(study: Study) -> optuna.Study:
    """Return Optuna's view of a study's journal, made where there is none yet.

    Raises
    ------
    RunError
        If the journal is damaged.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would tell of every trial
    file = study.journal
    try:
        storage = JournalStorage(
            JournalFileBackend(str(file), lock_obj=JournalFileOpenLock(str(file)))
        )
        return optuna.create_study(
            storage=storage,
            study_name=_NAME,
            directions=directions(study.plan),
            sampler=RandomSampler(),
            load_if_exists=True,
        )
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise RunError(f"{file} is damaged ({error}); start a new study") from error


def directions(plan: StudyPlan) -> list[Literal["maximize", "minimize"]]:
    """Return of each objective of a study which way is better, as Optuna has it."""
    ways: list[Literal["maximize", "minimize"]] = ["minimize"] * (1 + len(plan.costs))
    if plan.objective == "accuracy":
        ways[0] = "maximize"
    return ways
