"""The page of a study: one HTML file that needs nothing else."""

from itertools import count
from pathlib import Path

from ferboost.files import write_text
from ferboost.report.content import CaptionedFigure
from ferboost.report.numbering import number_figures
from ferboost.report.study_figures import (
    plot_front,
    plot_grid,
    plot_importances,
    plot_parallel_coordinates,
    plot_slice,
    plot_trial_curves,
)
from ferboost.templates import template_environment
from ferboost.tuning.outcomes import Outcome, pareto_front
from ferboost.tuning.sampling import parameter_importances
from ferboost.tuning.study import Study
from ferboost.tuning.wording import (
    count_outcomes,
    describe_cost,
    describe_point,
    describe_value,
)

__all__ = ["write_study_page"]


def write_study_page(study: Study) -> Path:
    """Write ``study.html`` into a study, of the trials that are over.

    Raises
    ------
    RunError
        If a file of the study is damaged.
    StorageError
        If the page cannot be written.
    """
    outcomes, best = study.outcomes(), study.best()
    objective = study.plan.objective
    value = None if best is None else best.value(objective)
    environment = template_environment()
    page = environment.get_template("study.html.j2").render(
        study=study,
        name=study.name,
        counted=count_outcomes(outcomes),
        judged=_judged_on(study),
        best=best,
        best_value="" if value is None else describe_value(value, objective),
        outcomes=outcomes,
        figures=number_figures(_figures(study, outcomes, best), count(1)),
        point=describe_point,
        costs=study.plan.costs,
        front={outcome.number for outcome in study.front()} if study.plan.costs else set(),
        in_words=describe_cost,
    )
    path = study.path / "study.html"
    write_text(path, page)
    return path


def _judged_on(study: Study) -> str:
    """Say on which images the trials are judged."""
    count = sum(study.record.data.counts["validation"])
    if study.space.searches_trees and study.plan.settings.trees.features == "held-out":
        return f"a fifth of {count:,} validation images, which no trees grew on"
    return f"{count:,} validation images"


def _figures(
    study: Study, outcomes: tuple[Outcome, ...], best: Outcome | None
) -> list[CaptionedFigure]:
    space, objective = study.space, study.plan.objective
    figures = []
    if any(score.history for outcome in outcomes for score in outcome.seeds):
        caption = (
            "First seed of each trial; the best one in orange. Short lines were stopped early."
        )
        curves = plot_trial_curves(outcomes, best)
        figures.append(CaptionedFigure(curves, "Learning curves", caption))
    if best is None:
        return figures
    for cost in study.plan.costs:
        front = pareto_front(outcomes, objective, (cost,))
        caption = "Each point is a trial that is done. The numbers are those of the trials."
        figure = plot_front(outcomes, front, objective, cost)
        figures.append(CaptionedFigure(figure, f"Front: {cost}", caption))
    if len(space.parameters) == 3:
        caption = "Every point of the three settings; the lighter, the greater."
        grid = plot_grid(space, outcomes, objective)
        figures.append(CaptionedFigure(grid, "The three settings", caption))
    caption = "A line for each trial that is done; the lighter, the better."
    parallel = plot_parallel_coordinates(space, outcomes, objective)
    figures.append(CaptionedFigure(parallel, "Parallel coordinates", caption))
    importances = parameter_importances(space, outcomes, objective)
    if importances:
        caption = "PED-ANOVA, of the settings that every trial has. Noise has a share, too."
        figures.append(CaptionedFigure(plot_importances(importances), "Importances", caption))
    for name in space.parameters:
        caption = "Each point is a trial that is done, whatever its other settings."
        slice_ = plot_slice(name, space, outcomes, objective)
        figures.append(CaptionedFigure(slice_, f"Slice: {name}", caption))
    return figures
