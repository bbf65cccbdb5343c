"""Which point is tried next, and which training is stopped: Optuna behind a few questions."""

import json
import warnings
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from ferboost.config import Settings
from ferboost.errors import RunError, SettingsError
from ferboost.tuning.dimensions import Choices, Range, Value
from ferboost.tuning.ledger import Journal, Ledger
from ferboost.tuning.outcomes import Objective, Outcome
from ferboost.tuning.plans import StudyPlan
from ferboost.tuning.space import Point, SearchSpace
from ferboost.tuning.study import Study

__all__ = ["Sampling", "parameter_importances"]

# A ninth of the epochs, then a third, then all; a third of the trials goes on each time.
_REDUCTION = 3
_DRAWN_AT_FIRST = 10
_ENDED = {"done": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "diverged": TrialState.PRUNED}
# Marks of a trial in the ledger: its place in the grid, the interrupted trial whose values it has,
# how often a process ended over these values.
_GRID, _AGAIN, _CRASHES = "grid", "again", "crashes"


class Sampling:
    """The trials of a study that are still to be run.

    Points are drawn with a seed for each number of a trial, so that no session repeats what an
    earlier one drew. Whatever is handed out is handed out in turn, to one process at a time.

    Parameters
    ----------
    study : Study
    trials : int or None
        How many there are in the end, those of earlier times counted; None: what was planned.
    ledger : Ledger, optional
        Where trials are written down; by default the journal of the study, which must be locked.

    Attributes
    ----------
    total : int
        Trials in the end.
    shared : bool
        Whether other processes have trials of the study.

    Raises
    ------
    SettingsError
        If it is a grid, and a number of trials is given.
    RunError
        If the journal is damaged.
    """

    def __init__(self, study: Study, trials: int | None, ledger: Ledger | None = None) -> None:
        self._plan = study.plan
        self._space = study.space
        self._running: dict[int, optuna.Trial] = {}
        points = study.space.grid() if study.plan.sampler == "grid" else ()
        self.total = _total(study.plan, len(points), trials)
        self._ledger = Journal(study) if ledger is None else ledger
        self.shared = self._ledger.shared
        self._optuna = self._ledger.trials
        self._optuna.pruner = _pruner(study.plan, study.space)
        self._ledger.attempt(lambda: self._begin(points))

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return what came out of the trials that are over, by number, those of others too."""
        found = self._ledger.attempt(self._ledger.outcomes)
        return tuple(outcome for _, outcome in sorted(found.items()))

    def ask(self) -> tuple[int, Point] | None:
        """Return the number and the values of the next trial; None where no other is to begin."""
        return self._ledger.attempt(self._ask)

    def still_running(self) -> None:
        """Note that the trials handed out here are being worked on."""
        self._ledger.attempt(lambda: self._ledger.still_at(self._running.values()))

    def report(self, number: int, epoch: int, loss: float) -> bool:
        """Take note of the validation loss of an epoch; return whether the trial is to stop."""
        if self._plan.costs:  # of trials with several objectives Optuna takes no losses
            return False
        trial = self._running[number]
        value = -loss if self._plan.objective == "accuracy" else loss

        def should_stop() -> bool:
            try:
                trial.report(value, epoch)
                return trial.should_prune()
            except UpdateFinishedTrialError:  # another process has it, see `tell`
                return True

        return self._ledger.attempt(should_stop)

    def tell(self, outcome: Outcome) -> bool:
        """Keep what came out of a trial; False where it does not count any more.

        That is so where nothing was heard of this process for long, and another has the trial.
        """

        def keep() -> bool:
            with self._ledger.turn():
                if self._known()[outcome.number].state == TrialState.RUNNING:
                    self._ledger.record(outcome, self._running[outcome.number])
                    self._tell(outcome)
                return self._ledger.outcomes().get(outcome.number) == outcome

        kept = self._ledger.attempt(keep)
        del self._running[outcome.number]
        return kept

    def crashes(self, number: int) -> int:
        """Return how often a process has ended over the values of a trial before."""
        return int(self._known()[number].user_attrs.get(_CRASHES, 0))

    def try_again(self, number: int, *, crashed: bool = True) -> None:
        """Have the values of a trial whose process ended, or machine, tried by another trial."""
        self._ledger.attempt(partial(self._return, number, crashed=crashed))
        del self._running[number]

    def give_back(self) -> None:
        """Leave the trials handed out here to whoever comes first; if that fails, it takes time."""
        with suppress(RunError):
            for number in self._running:
                work = partial(self._return, number, crashed=False)
                self._ledger.attempt(work, patient=False)
        self._running.clear()

    def _begin(self, points: Collection[Point]) -> None:
        with self._ledger.turn():
            self._recover()
            self._enqueue_grid(points)

    def _ask(self) -> tuple[int, Point] | None:
        with self._ledger.turn():
            self._recover()
            known = self._known()
            states = Counter(trial.state for trial in known)
            begun = len(self._ledger.outcomes()) + states[TrialState.RUNNING]
            if not states[TrialState.WAITING] and (
                self._plan.sampler == "grid" or begun >= self.total
            ):
                return None
            self._optuna.sampler = _sampler(self._plan, len(known))
            trial = self._optuna.ask()
            point = _suggest(trial, self._space)
            self._ledger.still_at([trial])
            self._running[trial.number] = trial
            return trial.number, point

    def _return(self, number: int, *, crashed: bool) -> None:
        with self._ledger.turn():
            trial = self._known()[number]
            if trial.state == TrialState.RUNNING:
                self._enqueue_again(trial, crashes=self.crashes(number) + crashed)
                self._optuna.tell(number, state=TrialState.FAIL)

    def _known(self) -> list[FrozenTrial]:
        return self._optuna.get_trials(deepcopy=False)

    def _tell(self, outcome: Outcome) -> None:
        state = _ENDED.get(outcome.status, TrialState.FAIL)
        if self._plan.costs and state == TrialState.PRUNED:  # which has one value in Optuna
            state = TrialState.FAIL
        values = [
            outcome.value(self._plan.objective),
            *(outcome.cost(cost) for cost in self._plan.costs),
        ]
        known = [value for value in values if value is not None]
        self._optuna.tell(outcome.number, known or None, state=state)

    def _recover(self) -> None:
        """Settle what nobody is at any more, and what has lost its result."""
        outcomes = self._ledger.outcomes()
        for trial in self._known():
            if trial.number in self._running or trial.state == TrialState.WAITING:
                continue
            running = trial.state == TrialState.RUNNING
            if trial.number in outcomes:
                if running:
                    self._tell(outcomes[trial.number])
            elif not running or self._ledger.is_abandoned(trial):
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
            if trial.state in {TrialState.WAITING, TrialState.RUNNING}
            or trial.number in self._ledger.outcomes()
        }
        for place, point in enumerate(points):
            if place not in there:
                values = {name: _storable(value) for name, value in point.items()}
                self._optuna.enqueue_trial(values, user_attrs={_GRID: place})


def parameter_importances(
    space: SearchSpace, outcomes: Sequence[Outcome], objective: Objective
) -> dict[str, float]:
    """Return the share of each setting in what makes the best trials differ from the others.

    By PED-ANOVA (Watanabe et al., 2023), of the settings that every trial has.

    Returns
    -------
    dict of str to float
        Adding up to 1, the greatest first; empty where fewer than ten trials are done, or all are
        equally good.
    """
    done = [(o.point, value) for o in outcomes if (value := o.value(objective)) is not None]
    if len(done) < _DRAWN_AT_FIRST or len({value for _, value in done}) < 2:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would tell of the study
    study = optuna.create_study(direction="maximize" if objective == "accuracy" else "minimize")
    for point, value in done:
        study.add_trial(
            create_trial(
                params={name: _storable(chosen) for name, chosen in point.items()},
                distributions={name: _distribution(space.parameters[name]) for name in point},
                value=value,
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of experimental and rarely drawn values
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def _total(plan: StudyPlan, points: int, trials: int | None) -> int:
    if plan.sampler == "grid" and trials is not None:
        raise SettingsError(
            f"the grid has {points} points, and all are tried; leave the trials out"
        )
    return trials or plan.trials or points


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


def _distribution(spec: Choices | Range) -> BaseDistribution:
    """Return what Optuna draws a setting from, as `_suggest` has it draw."""
    if isinstance(spec, Choices):
        return CategoricalDistribution([_storable(value) for value in spec.values])
    if spec.whole:
        step = int(spec.step or 1)
        return IntDistribution(int(spec.low), int(spec.high), log=spec.log, step=step)
    return FloatDistribution(spec.low, spec.high, log=spec.log, step=spec.step)


def _storable(value: Value) -> bool | int | float | str:
    """Return a value as Optuna keeps it, which knows no lists."""
    return json.dumps(value) if isinstance(value, tuple) else value
