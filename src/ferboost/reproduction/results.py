"""What came out of the experiments of a repetition, point by point."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from ferboost.reproduction.experiments import Experiment
from ferboost.tuning.dimensions import Value
from ferboost.tuning.outcomes import Outcome
from ferboost.tuning.space import Point
from ferboost.tuning.study import Study

__all__ = ["ExperimentResult", "PointResult", "read_result"]


@dataclass(frozen=True)
class PointResult:
    """One point of an experiment; accuracies in percent, on validation images.

    Attributes
    ----------
    point : dict of str to Value
    status : str
        How its trial ended.
    per_seed : tuple of float
        Empty where the trial is not done.
    printed : float or None
        What the authors print, on their test images.
    reason : str
        Why it is not done.
    """

    point: Point
    status: str
    per_seed: tuple[float, ...]
    printed: float | None
    reason: str = ""

    @property
    def mean(self) -> float:
        """Mean over seeds, of a point that is done."""
        return fmean(self.per_seed)


@dataclass(frozen=True)
class ExperimentResult:
    """What came out of an experiment.

    Attributes
    ----------
    experiment : Experiment
        As it was done: without the values that were left out.
    points : tuple of PointResult
        In the order of the grid.
    missing : int
        Points that are still to be tried.
    epochs, seeds : int
        Of each training, and at each point.
    images : int
        Validation images.
    """

    experiment: Experiment
    points: tuple[PointResult, ...]
    missing: int
    epochs: int
    seeds: int
    images: int

    @property
    def done(self) -> tuple[PointResult, ...]:
        """The points that have a value."""
        return tuple(point for point in self.points if point.per_seed)

    def seed_spread(self) -> float | None:
        """Return the standard deviation between seeds, pooled over points; None for one seed."""
        spreads = [stdev(p.per_seed) ** 2 for p in self.done if len(p.per_seed) > 1]
        return sqrt(fmean(spreads)) if spreads else None

    def noise(self, spread: float | None, together: int = 1) -> float:
        """Return the standard error of a difference between two means, in percent points.

        Of the seeds, and of the validation images as if both models erred independently and were
        right as often as the point that is nearest to a half: an upper bound. More trainings make
        the first smaller but not the second: all of them are judged on the same images.

        Parameters
        ----------
        spread : float or None
            Standard deviation between trainings, where this experiment has one seed.
        together : int
            Points that each mean is of.
        """
        most = max(p.mean * (100 - p.mean) for p in self.done)
        of_images = 2 * most / self.images
        of_seeds = 2 * (self.seed_spread() or spread or 0.0) ** 2 / (self.seeds * together)
        return sqrt(of_images + of_seeds)


def read_result(experiment: Experiment, study: Study) -> ExperimentResult:
    """Read what came out of an experiment so far."""
    tried = study.space
    values = {
        name: tuple(v for v in all_values if v in tried.parameters[name].values)  # type: ignore[union-attr]
        for name, all_values in experiment.values.items()
    }
    by_point = {_key(outcome.point): outcome for outcome in study.outcomes()}
    points, missing = [], 0
    for point in tried.grid():
        outcome = by_point.get(_key(point))
        if outcome is None:
            missing += 1
        else:
            points.append(_point_result(experiment, outcome))
    counts = study.record.data.counts
    return ExperimentResult(
        experiment=experiment.with_values(values),
        points=tuple(points),
        missing=missing,
        epochs=study.plan.settings.cnn.epochs,
        seeds=len(study.plan.settings.seeds),
        images=sum(counts["validation"]),
    )


def _key(point: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    return tuple(sorted(point.items()))


def _point_result(experiment: Experiment, outcome: Outcome) -> PointResult:
    scores = outcome.seeds if outcome.status == "done" else ()
    return PointResult(
        point=outcome.point,
        status=outcome.status,
        per_seed=tuple(100 * s.accuracy for s in scores if s.accuracy is not None),
        printed=experiment.printed_at(outcome.point),
        reason=outcome.reason,
    )
