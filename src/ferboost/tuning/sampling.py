"""Which point is tried next, and which training is stopped: Optuna behind a few questions."""

import json
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalStorage
from optuna.trial import FrozenTrial, TrialState

from ferboost.config import Settings
from ferboost.errors import RunError, SettingsError
from ferboost.tuning.outcomes import Outcome
from ferboost.tuning.space import Choices, Point, SearchSpace, Value
from ferboost.tuning.study import Study, StudyPlan

__all__ = ["Sampling", "open_journal", "parameter_importances"]

_NAME = "study"
# A ninth of the epochs, then a third, then all; a third of the trials goes on each time.
_REDUCTION = 3
_DRAWN_AT_FIRST = 10
_ENDED = {"done": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "diverged": TrialState.PRUNED}
# Marks of a trial in the journal: its place in the grid, the interrupted trial whose values it has,
# how often a process ended over these values.
_GRID, _AGAIN, _CRASHES = "grid", "again", "crashes"


class Sampling:
    """The trials of a study that are still to be run.

    Only one process has one at a time, for which the lock of the study is there. Points are drawn
    with a seed for each number of a trial, so that no session repeats what an earlier one drew.

    Parameters
    ----------
    study : Study
    trials : int or None
        How many there are in the end, those of earlier times counted; None: what was planned.

    Attributes
    ----------
    total : int
        Trials in the end.

    Raises
    ------
    SettingsError
        If it is a grid, and a number of trials is given.
    RunError
        If the journal is damaged.
    """

    def __init__(self, study: Study, trials: int | None) -> None:
        self._plan = study.plan
        self._space = study.space
        self._running: dict[int, optuna.Trial] = {}
        outcomes = {outcome.number: outcome for outcome in study.outcomes()}
        self._settled = set(outcomes)
        points = study.space.grid() if study.plan.sampler == "grid" else ()
        self.total = _total(study.plan, len(points), trials)
        _repair(study.journal)
        self._optuna = open_journal(study)
        self._recover(outcomes)
        self._enqueue_grid(points)

    def ask(self) -> tuple[int, Point] | None:
        """Return the number and the values of the next trial; None where no other is to begin."""
        known = self._known()
        waiting = any(trial.state == TrialState.WAITING for trial in known)
        begun = len(self._settled) + len(self._running)
        if not waiting and (self._plan.sampler == "grid" or begun >= self.total):
            return None
        self._optuna.sampler = _sampler(self._plan, len(known))
        trial = self._optuna.ask()
        self._running[trial.number] = trial
        return trial.number, _suggest(trial, self._space)

    def report(self, number: int, epoch: int, loss: float) -> bool:
        """Take note of the validation loss of an epoch; return whether the trial is to stop."""
        trial = self._running[number]
        trial.report(-loss if self._plan.objective == "accuracy" else loss, epoch)
        return trial.should_prune()

    def tell(self, outcome: Outcome) -> None:
        """Take note of the end of a trial."""
        self._tell(outcome)
        del self._running[outcome.number]

    def crashes(self, number: int) -> int:
        """Return how often a process has ended over the values of a trial before."""
        return int(self._known()[number].user_attrs.get(_CRASHES, 0))

    def try_again(self, number: int) -> None:
        """Have the values of a trial whose process ended tried by another trial."""
        trial = self._known()[number]
        self._enqueue_again(trial, crashes=self.crashes(number) + 1)
        self._optuna.tell(number, state=TrialState.FAIL)
        del self._running[number]

    def _known(self) -> list[FrozenTrial]:
        return self._optuna.get_trials(deepcopy=False)

    def _tell(self, outcome: Outcome) -> None:
        state = _ENDED.get(outcome.status, TrialState.FAIL)
        self._optuna.tell(outcome.number, outcome.value(self._plan.objective), state=state)
        self._settled.add(outcome.number)

    def _recover(self, outcomes: Mapping[int, Outcome]) -> None:
        """Settle what was running when the last process ended, or whose result was deleted."""
        for trial in self._known():
            running = trial.state == TrialState.RUNNING
            if trial.number in outcomes:
                if running:
                    self._tell(outcomes[trial.number])
            elif trial.state != TrialState.WAITING:
                self._enqueue_again(trial, crashes=trial.user_attrs.get(_CRASHES, 0))
                if running:
                    self._optuna.tell(trial.number, state=TrialState.FAIL)

    def _enqueue_again(self, trial: FrozenTrial, crashes: int) -> None:
        """Enqueue the values of a trial once, even if a kill has come between this and its end."""
        values = trial.system_attrs.get("fixed_params") or trial.params
        if not values or any(
            other.user_attrs.get(_AGAIN) == trial.number for other in self._known()
        ):
            return
        marks = {_AGAIN: trial.number, _CRASHES: crashes}
        if _GRID in trial.user_attrs:
            marks[_GRID] = trial.user_attrs[_GRID]
        self._optuna.enqueue_trial(dict(values), user_attrs=marks)

    def _enqueue_grid(self, points: Collection[Point]) -> None:
        there = {
            trial.user_attrs.get(_GRID)
            for trial in self._known()
            if trial.state == TrialState.WAITING or trial.number in self._settled
        }
        for place, point in enumerate(points):
            if place not in there:
                values = {name: _storable(value) for name, value in point.items()}
                self._optuna.enqueue_trial(values, user_attrs={_GRID: place})


def open_journal(study: Study) -> optuna.Study:
    """Return Optuna's view of a study, made where there is none yet.

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
            direction="maximize" if study.plan.objective == "accuracy" else "minimize",
            sampler=RandomSampler(),
            pruner=_pruner(study.plan, study.space),
            load_if_exists=True,
        )
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise RunError(f"{file} is damaged ({error}); start a new study") from error


def parameter_importances(study: Study) -> dict[str, float]:
    """Return the share of each setting in what makes the best trials differ from the others.

    By PED-ANOVA (Watanabe et al., 2023), of the settings that every trial has.

    Returns
    -------
    dict of str to float
        Adding up to 1, the greatest first; empty where fewer than ten trials are done, or all are
        equally good.
    """
    journal = open_journal(study)
    done = journal.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(done) < _DRAWN_AT_FIRST or len({trial.value for trial in done}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of experimental and rarely drawn values
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        found = optuna.importance.get_param_importances(journal, evaluator=evaluator)
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def _total(plan: StudyPlan, points: int, trials: int | None) -> int:
    if plan.sampler == "grid" and trials is not None:
        raise SettingsError(
            f"the grid has {points} points, and all are tried; leave the trials out"
        )
    return trials or plan.trials or points


def _repair(journal: Path) -> None:
    """Take away what a killed process left: its lock, and a line that it had half written.

    The lock of the study is held, so nobody else writes.
    """
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    if journal.exists():
        with journal.open("r+b") as file:
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)


def _sampler(plan: StudyPlan, number: int) -> BaseSampler:
    seed = int(np.random.SeedSequence((plan.settings.seeds[0], number)).generate_state(1)[0])
    if plan.sampler != "tpe":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # group
        return TPESampler(
            seed=seed,
            n_startup_trials=_DRAWN_AT_FIRST,
            n_ei_candidates=24,
            multivariate=True,
            group=True,
            constant_liar=True,
        )


def _pruner(plan: StudyPlan, space: SearchSpace) -> BasePruner:
    most = _most_epochs(plan.settings, space)
    if plan.pruner == "halving":
        least = max(1, round(most / _REDUCTION**2))
        return SuccessiveHalvingPruner(min_resource=least, reduction_factor=_REDUCTION)
    if plan.pruner == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=most, reduction_factor=_REDUCTION)
    return NopPruner()


def _most_epochs(settings: Settings, space: SearchSpace) -> int:
    spec = space.parameters.get("cnn.epochs")
    if spec is None:
        return settings.cnn.epochs
    values = spec.values if isinstance(spec, Choices) else (spec.high,)
    return max(int(value) for value in values if not isinstance(value, tuple))


def _suggest(trial: optuna.Trial, space: SearchSpace) -> Point:
    point: Point = {}
    for name, spec in space.parameters.items():
        if not space.is_active(name, point):
            continue
        if isinstance(spec, Choices):
            values = {_storable(value): value for value in spec.values}
            chosen = trial.suggest_categorical(name, list(values))
            point[name] = next(value for stored, value in values.items() if stored == chosen)
        elif spec.whole:
            low, high, step = int(spec.low), int(spec.high), int(spec.step or 1)
            point[name] = trial.suggest_int(name, low, high, step=step, log=spec.log)
        else:
            point[name] = trial.suggest_float(
                name, spec.low, spec.high, step=spec.step, log=spec.log
            )
    return point


def _storable(value: Value) -> bool | int | float | str:
    """Return a value as Optuna keeps it, which knows no lists."""
    return json.dumps(value) if isinstance(value, tuple) else value
