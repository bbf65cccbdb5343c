"""The page of a repetition of the study: every table and figure beside the published one."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from ferboost.errors import RunError
from ferboost.evaluation.summary import VariantSummary
from ferboost.files import write_text
from ferboost.published import published, published_accuracies
from ferboost.report import reproduction_wording as wording
from ferboost.report.content import CaptionedFigure
from ferboost.report.numbering import NumberedFigure, number_figures
from ferboost.report.reproduction_facts import Facts, read_facts
from ferboost.report.reproduction_figures import plot_experiment, plot_grid_maps
from ferboost.report.sections import section_figures
from ferboost.report.study_figures import plot_grid, plot_trial_curves
from ferboost.report.style import variant_title
from ferboost.report.wording import typeset
from ferboost.reproduction.experiments import GRID, find_experiment
from ferboost.reproduction.findings import Claim, experiment_claim
from ferboost.reproduction.folder import AS_PUBLISHED, CLEAN, RUNS, Reproduction
from ferboost.reproduction.results import ExperimentResult
from ferboost.templates import template_environment
from ferboost.tuning.wording import value_in_words

__all__ = ["write_reproduction_page"]

_NONE = "\N{EN DASH}"
_MODEL_SECTIONS = ("models", "classes", "confusions", "roc", "learning", "time", "inside", "data")


@dataclass(frozen=True)
class _Section:
    key: str
    title: str
    lead: str
    figures: tuple[NumberedFigure, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def write_reproduction_page(reproduction: Reproduction) -> list[Claim]:
    """Write the page of a repetition, of what is done so far, and the reports of its runs.

    Returns
    -------
    list of Claim
        What the study says, and what of it holds.

    Raises
    ------
    RunError
        If nothing is done yet, or a file is damaged.
    StorageError
        If the page cannot be written.
    """
    facts = read_facts(reproduction)
    if not facts.runs and not facts.results:
        raise RunError(
            f"nothing of {reproduction.path} is done yet; go on with: ferboost reproduce --resume "
            f"--out {reproduction.path}"
        )
    claims = facts.claims
    write_text(reproduction.page, _render(reproduction, facts, claims))
    return claims


def _render(reproduction: Reproduction, facts: Facts, claims: list[Claim]) -> str:
    record = facts.record
    clean = facts.runs.get(CLEAN)
    numbers = count(1)
    environment = template_environment()
    environment.filters["typeset"] = typeset
    return environment.get_template("reproduction.html.j2").render(
        headline=wording.headline(claims),
        lead=wording.lead(facts),
        caveats=wording.caveats(facts),
        claims=claims,
        findings=wording.findings(facts),
        follows=wording.follows(facts, claims),
        models=_models(facts),
        classes=_classes(facts),
        n_seeds=0 if clean is None else len(clean.run.settings.seeds),
        reports=[(f"the report {n}", f"runs/{n}/report.html") for n in RUNS if n in facts.runs],
        speed=wording.speed(facts),
        model_figures=number_figures(_model_figures(facts), numbers),
        sections=[_section(reproduction, facts, key, numbers) for key in facts.results],
        command=record.command,
        environment=", ".join(f"{k} {v}" for k, v in record.environment.items()),
    )


def _models(facts: Facts) -> list[tuple[str, ...]]:
    theirs = published_accuracies()
    first = next(iter(facts.runs.values()), None)
    if first is None:
        return []
    rows: list[tuple[str, ...]] = []
    for variant in (summary.variant for summary in first.summaries):
        found = {
            name: next((s for s in run.summaries if s.variant == variant), None)
            for name, run in facts.runs.items()
        }
        clean = found.get(CLEAN)
        accuracy_clean = None if clean is None else clean.accuracy_clean
        rows.append(
            (
                variant_title(variant),
                f"{theirs[variant]:.1f}" if variant in theirs else _NONE,
                _with_interval(found.get(AS_PUBLISHED)),
                _with_interval(clean),
                _NONE if accuracy_clean is None else f"{100 * accuracy_clean:.1f}",
            )
        )
    return rows


def _classes(facts: Facts) -> list[tuple[str, ...]]:
    theirs = published()["cnn"]["result"]["per_class"]
    first = next(iter(facts.runs.values()), None)
    if first is None:
        return []
    by_class = {name: run.cnn.by_class("accuracy") for name, run in facts.runs.items()}
    return [
        (
            label,
            f"{theirs[label]:.1f}" if label in theirs else _NONE,
            *(_share(by_class.get(name, {}).get(label)) for name in (AS_PUBLISHED, CLEAN)),
        )
        for label in first.run.record.classes
    ]


def _model_figures(facts: Facts) -> list[CaptionedFigure]:
    clean = facts.runs.get(CLEAN)
    if clean is None:
        return []
    figures = section_figures(clean.content, clean.summaries)
    return [figure for name in _MODEL_SECTIONS for figure in figures[name]]


def _section(
    reproduction: Reproduction, facts: Facts, key: str, numbers: Iterator[int]
) -> _Section:
    result = facts.results[key]
    experiment = result.experiment
    names = tuple(experiment.values)
    # A grid of too few points is judged as any other experiment.
    claim = facts.judge(key) or experiment_claim(result, facts.spread)
    said = f"The study: {claim.what}. " if claim.what else ""
    rows = [
        (
            ", ".join(value_in_words(p.point[name]) for name in names),
            f"{p.mean:.2f}" if p.per_seed else _NONE,
            ", ".join(f"{value:.2f}" for value in p.per_seed)
            or p.reason.partition(":")[0]
            or p.status,
            _NONE if p.printed is None else f"{p.printed:.2f}",
        )
        for p in sorted(result.points, key=lambda p: -p.mean if p.per_seed else 1)
    ]
    note = f" {experiment.note}" if experiment.note and experiment.note != claim.why else ""
    return _Section(
        key=key,
        title=experiment.title,
        lead=(
            f"{experiment.where[:1].upper()}{experiment.where[1:]}. {said}"
            f"Here: {claim.word}. {claim.why}{note}"
        ),
        figures=number_figures(_experiment_figures(reproduction, result), numbers),
        columns=(", ".join(names), "Mean %", "Each seed", "Study %"),
        rows=tuple(rows),
    )


def _experiment_figures(
    reproduction: Reproduction, result: ExperimentResult
) -> list[CaptionedFigure]:
    experiment = find_experiment(result.experiment.key)
    study = reproduction.study(experiment)
    figures = []
    if study is not None and experiment.key == GRID.key:
        outcomes = study.outcomes()
        figures.append(
            CaptionedFigure(
                plot_grid(study.space, outcomes, "accuracy"),
                "The grid",
                "Every point; its axes have the names that stand in the record.",
            )
        )
        figures.append(
            CaptionedFigure(
                plot_grid_maps(result),
                "Learning rate and L2",
                "Means over the batch sizes that were tried, in percent.",
            )
        )
    elif result.done:
        caption = f"{wording.seeds(result.seeds)}, {result.images:,} validation images."
        figures.append(CaptionedFigure(plot_experiment(result), result.experiment.title, caption))
    if study is not None and result.experiment.kind != "trees":
        figures.append(
            CaptionedFigure(
                plot_trial_curves(study.outcomes(), study.best()),
                "Learning curves",
                "First seed of each point; the best one in orange.",
            )
        )
    return figures


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{100 * value:.1f}"


def _with_interval(summary: VariantSummary | None) -> str:
    if summary is None:
        return _NONE
    low, high = summary.interval
    return f"{100 * summary.accuracy:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
