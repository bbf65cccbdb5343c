"""How a budget is shared out: how long each training may be, how many seeds, which points."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from ferboost.config import Settings
from ferboost.errors import SettingsError
from ferboost.published import published
from ferboost.reproduction.costs import CostMeter
from ferboost.reproduction.experiments import GRID, Experiment, Kind
from ferboost.tuning.jobs import Jobs
from ferboost.tuning.space import SearchSpace

__all__ = [
    "PUBLISHED_EPOCHS",
    "THINNED",
    "Length",
    "least_epochs",
    "planned_length",
    "published_epochs",
    "run_length",
    "share_of",
    "training_length",
]

#: The part of a budget that each part of the study gets; the grid, which is last, also gets what
#: the others leave of theirs.
_SHARES: dict[str, float] = {"cnn": 0.3, "trees": 0.1, "layers": 0.4, "data": 0.05, "grid": 0.15}
# What a network is like after its first steps says nothing of what it becomes.
_LEAST_SHARE = 0.1
#: A grid whose points have fewer epochs than this says nothing; it is thinned first.
_LEAST_EPOCHS = 2
THINNED = (1, 2, 4)

PUBLISHED_EPOCHS: int = published()["cnn"]["epochs"]


@dataclass(frozen=True)
class Length:
    """How an experiment is done.

    Attributes
    ----------
    epochs : int
        Of each training.
    seeds : int
        Models at each point.
    thinned : int
        Every so many values of each setting are tried; 1 for all.
    jobs : int
        Trials at a time.
    seconds : float
        How long it will take, about: all its points and seeds.
    longest : float
        How long the longest of its trials will take, about, in seconds.
    """

    epochs: int
    seeds: int
    thinned: int
    jobs: int
    seconds: float
    longest: float


def published_epochs(kind: Kind) -> int:
    """Return the epochs that the authors trained the experiments of a kind for."""
    return int(published()["grid_search"]["epochs"]) if kind == "grid" else PUBLISHED_EPOCHS


def least_epochs(kind: Kind) -> int:
    """Return the epochs that an experiment of a kind needs, for its claim to be tested."""
    return ceil(_LEAST_SHARE * published_epochs(kind))


def share_of(part: str, left: Sequence[str]) -> float:
    """Return the share of the time left that a part gets, given all parts that are left."""
    return _SHARES[part] / sum(_SHARES[name] for name in {part, *left})


def run_length(
    settings: Settings, meter: CostMeter, trees: float, seconds: float, least_epochs: int
) -> tuple[int, int]:
    """Choose epochs and seeds of a run: so many epochs at least, or more seeds.

    Parameters
    ----------
    settings : Settings
        Its seeds and epochs are as many as there can be.
    meter : CostMeter
    trees : float
        Seconds that the trees of one seed take.
    seconds : float
        For all of the run.
    least_epochs : int

    Returns
    -------
    epochs, seeds : int
        At least one of each.
    """
    # The CNNs without a fold train on all folds but one, and there are as many as folds.
    passes = settings.trees.folds if settings.trees.features == "out-of-fold" else 1
    epoch = passes * meter.epoch_seconds(settings.cnn)
    seeds = max(1, min(len(settings.seeds), int(seconds / (least_epochs * epoch + trees))))
    epochs = int((seconds / seeds - trees) / epoch)
    return max(1, min(settings.cnn.epochs, epochs)), seeds


def training_length(
    experiments: Sequence[Experiment],
    settings: Settings,
    meter: CostMeter,
    jobs: Jobs,
    seconds: float | None,
) -> Length:
    """Choose how long the trainings of an experiment are, if those after it are to be like it.

    First more epochs, up to what a claim needs to be tested; then more seeds; then more epochs, up
    to as many as the authors had. Where there is no time for two epochs of every point
    of the grid, it is thinned.

    Parameters
    ----------
    experiments : sequence of Experiment
        Of one kind, not trees; the first is the one that is asked about.
    settings : Settings
        What they start from; its seeds are as many as there can be.
    meter : CostMeter
    jobs : Jobs
        Trials at a time, and what is gained by that; an experiment of few points may take one.
    seconds : float or None
        For all of them; None for as long as it takes.

    Returns
    -------
    Length
        At least one epoch, one seed and a thinned grid, even where there is no time for it.
    """
    most = min(published_epochs(experiments[0].kind), _most_epochs(settings, experiments[0].kind))
    seeds = len(settings.seeds)
    for thinned in THINNED if experiments[0].key == GRID.key else (1,):
        tried = [experiment.thinned(thinned) for experiment in experiments]
        each = [_together(_epoch_seconds(e.space, e, settings, meter), jobs) for e in tried]
        epoch = sum(together.seconds for together in each)
        if seconds is None:
            return _length(most, seeds, thinned, each[0])
        affordable = int(seconds / epoch) if epoch else most
        if affordable >= _LEAST_EPOCHS or thinned == THINNED[-1] or len(experiments) > 1:
            break
    affordable = max(1, affordable)
    enough = min(least_epochs(experiments[0].kind), most)
    seeds = max(1, min(seeds, affordable // enough))
    epochs = max(1, min(most, affordable // seeds))
    return _length(epochs, seeds, thinned, each[0])


def planned_length(
    experiment: Experiment, space: SearchSpace, settings: Settings, meter: CostMeter, jobs: Jobs
) -> Length:
    """Return how long a study takes that is planned already, with all of its points.

    Parameters
    ----------
    experiment : Experiment
    space : SearchSpace
        Its points.
    settings : Settings
        What they start from.
    meter : CostMeter
    jobs : Jobs
    """
    together = _together(_epoch_seconds(space, experiment, settings, meter), jobs)
    return _length(settings.cnn.epochs, len(settings.seeds), 1, together)


@dataclass(frozen=True)
class _Together:
    """How long some trainings take, so many at a time, and the longest of them alone."""

    jobs: int
    seconds: float
    longest: float


def _together(times: Sequence[float], jobs: Jobs) -> _Together:
    """Return how trainings that take so long alone are done fastest.

    Each takes longer beside others, and where there are few of them, cores are idle at the end.
    """
    alone = _Together(1, sum(times), max(times, default=0.0))
    slower = jobs.number / jobs.gain
    ends = [0.0] * jobs.number
    for seconds in times:
        heapq.heapreplace(ends, ends[0] + slower * seconds)
    shared = _Together(jobs.number, max(ends), slower * alone.longest)
    return shared if shared.seconds < alone.seconds else alone


def _length(epochs: int, seeds: int, thinned: int, together: _Together) -> Length:
    each = epochs * seeds
    return Length(
        epochs, seeds, thinned, together.jobs, each * together.seconds, each * together.longest
    )


def _most_epochs(settings: Settings, kind: Kind) -> int:
    """Return no fewer epochs than the authors', unless the settings were changed to fewer."""
    changed = settings.cnn.epochs < PUBLISHED_EPOCHS
    return settings.cnn.epochs if changed else published_epochs(kind)


def _epoch_seconds(
    space: SearchSpace, experiment: Experiment, settings: Settings, meter: CostMeter
) -> list[float]:
    """Return how long one epoch of every point takes."""
    found = []
    for point in space.grid():
        try:
            tried = experiment.applied(settings, point)
        except SettingsError:
            continue
        if seconds := meter.epoch_seconds(tried.cnn):
            found.append(seconds)
    return found
