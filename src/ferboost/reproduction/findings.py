"""What a repetition says of the study: each claim beside what came out, and whether it holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import Literal

import numpy as np
from scipy.stats import norm, spearmanr

from ferboost.evaluation.comparison import Comparison
from ferboost.evaluation.summary import VariantSummary
from ferboost.published import published
from ferboost.reproduction.experiments import GRID
from ferboost.reproduction.planning import least_epochs, published_epochs
from ferboost.reproduction.results import ExperimentResult, PointResult
from ferboost.tuning.dimensions import Value
from ferboost.tuning.space import Point
from ferboost.tuning.wording import value_in_words

__all__ = [
    "Claim",
    "GridFinding",
    "Word",
    "cnn_claims",
    "experiment_claim",
    "grid_finding",
]

#: What is said of a claim.
Word = Literal["repeated", "not repeated", "not told apart from noise", "not tested"]

# A difference is one where chance alone would give as much this seldom.
_CHANCE = 0.05
_CNN_MARGIN = 1e-9
_READ_RIGHT = "as its array is read right, learning rate 1e-4, L2 1e-5 and batch size 128 are best"


@dataclass(frozen=True)
class Claim:
    """What the study says, what came out here, and how the two compare.

    Attributes
    ----------
    what : str
        The claim, as a sentence without a full stop.
    where : str
        In the study.
    published, ours : str
        Values, with intervals where there are any.
    word : Word
    why : str
        A sentence.
    """

    what: str
    where: str
    published: str
    ours: str
    word: Word
    why: str


def experiment_claim(result: ExperimentResult, spread: float | None) -> Claim:
    """Say whether what the authors chose is best here, too.

    Where other settings are varied along, their means are compared.

    Parameters
    ----------
    result : ExperimentResult
    spread : float or None
        Standard deviation of the accuracy between trainings in percent points, for an experiment
        of one seed.
    """
    experiment = result.experiment
    means, together = _means_by(result, tuple(experiment.chosen))
    chosen = tuple(experiment.chosen.values())
    word, why = _judge(means, together, chosen, result, spread)
    printed = [p.printed for p in result.points if p.printed is not None]
    return Claim(
        what=experiment.claim,
        where=experiment.where,
        published=f"{min(printed):.2f} to {max(printed):.2f} %" if printed else "-",
        ours=(
            f"{min(means.values()):.2f} to {max(means.values()):.2f} %"
            if means
            else "no point done"
        ),
        word=word,
        why=why,
    )


def _means_by(
    result: ExperimentResult, names: tuple[str, ...]
) -> tuple[dict[tuple[Value, ...], float], int]:
    """Return mean accuracies by the values of some settings, and of how many points each is.

    Values that were not tried with all of the other settings are left out.
    """

    def key(point: PointResult) -> tuple[Value, ...]:
        return tuple(point.point[name] for name in names)

    order = [tuple(point[name] for name in names) for point in result.experiment.space.grid()]
    ranked = sorted(result.done, key=lambda p: order.index(key(p)))
    groups = {values: list(points) for values, points in groupby(ranked, key=key)}
    size = max((len(points) for points in groups.values()), default=0)
    return {v: fmean(p.mean for p in g) for v, g in groups.items() if len(g) == size}, size


def _judge(
    means: Mapping[tuple[Value, ...], float],
    together: int,
    chosen: tuple[Value, ...],
    result: ExperimentResult,
    spread: float | None,
) -> tuple[Word, str]:
    untested = _why_untested(means, chosen, result)
    if untested is not None:
        return "not tested", untested
    alone = ""
    if result.seed_spread() is None:
        alone = (
            " One seed: how much trainings differ is not known, so nothing is shown."
            if spread is None
            else " One seed: trainings are taken to differ as much as those of the CNN."
        )
    best, second = sorted(means, key=lambda values: means[values], reverse=True)[:2]
    holds = best == chosen
    beaten = second if holds else chosen
    gap = means[best] - means[beaten]
    limit = _limit(1 if holds else len(means) - 1) * result.noise(spread, together)
    why = (
        f"{_in_words(best)} is {gap:.1f} points better than {_in_words(beaten)}"
        f"{', the next' * holds}; noise explains up to {limit:.1f}.{alone}"
    )
    if gap <= limit or (spread is None and result.seed_spread() is None):
        return "not told apart from noise", why
    return "repeated" if holds else "not repeated", why


def _in_words(values: tuple[Value, ...]) -> str:
    return ", ".join(map(value_in_words, values))


def _limit(comparisons: int) -> float:
    """Return how many standard errors a difference has to have, of so many, to be one (Bonferroni).

    That something is better than what the authors chose is one comparison for each other value,
    and the best of 124 is often two standard errors better by chance. That their choice is best
    is said only where it is better than every other value: no chance adds up there.

    References
    ----------
    .. [1] Dunn, O. J. (1961). Multiple comparisons among means. Journal of the American
       Statistical Association, 56(293), 52-64.
    .. [2] Berger, R. L. (1982). Multiparameter hypothesis testing and acceptance sampling.
       Technometrics, 24(4), 295-300.
    """
    return float(norm.isf(_CHANCE / 2 / comparisons))


def _why_untested(
    means: Mapping[tuple[Value, ...], float], chosen: tuple[Value, ...], result: ExperimentResult
) -> str | None:
    experiment = result.experiment
    if not experiment.claim:
        return experiment.note or "The authors claim nothing."
    theirs = published_epochs(experiment.kind)
    if experiment.kind != "trees" and result.epochs < least_epochs(experiment.kind):
        return f"{result.epochs} of their {theirs} epochs are too few to tell."
    if chosen not in means or len(means) < 2:
        return "What the authors chose was not tried, or nothing beside it."
    return None


def cnn_claims(
    summaries: Sequence[VariantSummary], as_published: Sequence[VariantSummary], *, fewer: bool
) -> list[Claim]:
    """Compare the accuracies of the CNN and of the trees on its taps.

    Parameters
    ----------
    summaries : sequence of VariantSummary
        Chosen on validation images.
    as_published : sequence of VariantSummary
        Chosen on the test images; empty where that run is not done.
    fewer : bool
        Whether the trainings had fewer epochs than the authors'.
    """
    study = published()
    theirs = study["cnn"]["result"]["test_accuracy"]
    claims = []
    for protocol, found in (("test images", as_published), ("validation images", summaries)):
        if found:
            claims.append(_level_claim(found[0], theirs, protocol, fewer=fewer))
    # Of the run that has more seeds.
    for summary in max(as_published, summaries, key=lambda run: len(run[0].per_seed) if run else 0):
        tap = study["xgboost_by_tap"].get(summary.variant)
        if tap is not None and summary.against_cnn is not None:
            claims.append(_tap_claim(summary.variant, summary.against_cnn, tap - theirs))
    return claims


def _level_claim(cnn: VariantSummary, theirs: float, protocol: str, *, fewer: bool) -> Claim:
    low, high = (100 * limit for limit in cnn.interval)
    inside = low - _CNN_MARGIN <= theirs <= high + _CNN_MARGIN
    short = fewer and high < theirs  # it might still have risen
    note = " It had fewer epochs than theirs." if fewer else ""
    seeds = len(cnn.per_seed)
    where = "inside" if inside else "outside of"
    return Claim(
        what=f"the CNN recognises {theirs} %, its weights chosen on {protocol}",
        where="section 4.1",
        published=f"{theirs:.1f} %",
        ours=f"{100 * cnn.accuracy:.1f} % [{low:.1f}, {high:.1f}]",
        word="repeated" if inside else "not tested" if short else "not repeated",
        why=f"Theirs is {where} our 95 % interval, of {seeds} seed{'s' * (seeds > 1)}"
        f"{', which counts no spread between trainings' * (seeds == 1)}.{note}",
    )


def _tap_claim(tap: str, comparison: Comparison, theirs: float) -> Claim:
    low, high = comparison.interval
    word: Word
    if comparison.shown and comparison.difference * theirs > 0:
        word, why = "repeated", "The difference is shown, with the same sign."
    elif low <= theirs <= high:
        word = "not told apart from noise"
        why = "Theirs and no difference at all are both inside our interval."
        if low > 0 or high < 0:
            why = "Theirs is inside our interval, and McNemar's test does not show a difference."
    else:
        word, why = "not repeated", "Theirs is outside of our interval."
    if len(comparison.per_seed) == 1:
        why += " One seed: how much trainings differ is not counted."
    return Claim(
        what=f"trees on {tap} lose {-theirs:.1f} points to the CNN",
        where="section 4.2",
        published=f"{theirs:+.1f} points",
        ours=f"{comparison.difference:+.1f} points [{low:.1f}, {high:.1f}]",
        word=word,
        why=why,
    )


@dataclass(frozen=True)
class GridFinding:
    """Which of the study's axes is which, from our own grid.

    Attributes
    ----------
    stuck_by_rate, stuck_by_l2 : dict of float to float
        Share of the points that are no better than always saying the most frequent class, by
        learning rate and by L2.
    right, swapped : float or None
        Spearman's rank correlation of our accuracies with the authors', with the axes read right
        and as printed; None where it is not defined.
    claim, claim_right : Claim
        That the point they print is best, and that the best point of their array is, its axes read
        right.
    """

    stuck_by_rate: dict[float, float]
    stuck_by_l2: dict[float, float]
    right: float | None
    swapped: float | None
    claim: Claim
    claim_right: Claim


def grid_finding(
    result: ExperimentResult, majority: float, spread: float | None
) -> GridFinding | None:
    """Say what our grid says of the study's; None before two points are done.

    Parameters
    ----------
    result : ExperimentResult
        Of the grid.
    majority : float
        Share of the most frequent class among the validation images, in percent.
    spread : float or None
        As for `experiment_claim`.
    """
    done = result.done
    if len(done) < 2:
        return None
    rate, l2, batch = GRID.values
    stuck = {
        name: {
            value: fmean(p.mean <= majority + 1 for p in done if p.point[name] == value)
            for value in sorted({float(p.point[name]) for p in done})  # type: ignore[arg-type]
        }
        for name in (rate, l2)
    }
    ours = [p.mean for p in done]
    right = [GRID.printed[p.point[rate], p.point[l2], p.point[batch]] for p in done]
    swapped = [GRID.printed[p.point[l2], p.point[rate], p.point[batch]] for p in done]
    return GridFinding(
        stuck_by_rate=stuck[rate],
        stuck_by_l2=stuck[l2],
        right=_rank_correlation(ours, right),
        swapped=_rank_correlation(ours, swapped),
        claim=_grid_claim(result, spread, GRID.claim, GRID.printed_best),
        claim_right=_grid_claim(result, spread, _READ_RIGHT, GRID.chosen),
    )


def _rank_correlation(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    found = float(spearmanr(ours, theirs).statistic) if len(set(ours)) > 1 else float("nan")
    return None if np.isnan(found) else found


def _grid_claim(result: ExperimentResult, spread: float | None, what: str, theirs: Point) -> Claim:
    """Say whether a point of the authors' is best here, too."""
    names = tuple(GRID.values)
    means, together = _means_by(result, names)
    point: tuple[Value, ...] = tuple(theirs[name] for name in names)
    best = max(result.done, key=lambda p: p.mean)
    word, why = _judge(means, together, point, result, spread)
    if point in means:
        why += f" Their point has {means[point]:.1f} % here."
    return Claim(
        what=what,
        where=GRID.where,
        published=f"{published()['grid_search']['best_accuracy']['accuracy']} %",
        ours=f"{best.mean:.1f} % at {_describe(best.point)}",
        word=word,
        why=why,
    )


def _describe(point: Mapping[str, Value]) -> str:
    rate, l2, batch = (point[name] for name in GRID.values)
    return f"learning rate {rate:g}, L2 {l2:g}, batch size {batch}"
