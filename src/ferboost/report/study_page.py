"""The page of a study: one HTML file that needs nothing else."""

from pathlib import Path

from matplotlib.figure import Figure

from ferboost.files import write_text
from ferboost.report.study_figures import (
    plot_grid,
    plot_importances,
    plot_parallel_coordinates,
    plot_slice,
    plot_trial_curves,
)
from ferboost.report.svg import inline_svg
from ferboost.report.templates import template_environment
from ferboost.tuning.outcomes import Outcome
from ferboost.tuning.sampling import parameter_importances
from ferboost.tuning.study import Study
from ferboost.tuning.wording import count_outcomes, describe_point, describe_value

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
    figures = [
        (title, caption, inline_svg(figure, f"figure-{number}", title))
        for number, (title, caption, figure) in enumerate(_figures(study, outcomes, best), start=1)
    ]
    environment = template_environment()
    page = environment.get_template("study.html.j2").render(
        study=study,
        name=study.path.resolve().name,
        counted=count_outcomes(outcomes),
        best=best,
        best_value="" if value is None else describe_value(value, objective),
        outcomes=outcomes,
        figures=figures,
        point=describe_point,
    )
    path = study.path / "study.html"
    write_text(path, page)
    return path


def _figures(
    study: Study, outcomes: tuple[Outcome, ...], best: Outcome | None
) -> list[tuple[str, str, Figure]]:
    space, objective = study.space, study.plan.objective
    figures = []
    if any(score.history for outcome in outcomes for score in outcome.seeds):
        caption = (
            "First seed of each trial; the best one in orange. Short lines were stopped early."
        )
        figures.append(("Learning curves", caption, plot_trial_curves(outcomes, best)))
    if best is None:
        return figures
    if len(space.parameters) == 3:
        caption = "Every point of the three settings; the lighter, the greater."
        figures.append(("The three settings", caption, plot_grid(space, outcomes, objective)))
    caption = "A line for each trial that is done; the lighter, the better."
    parallel = plot_parallel_coordinates(space, outcomes, objective)
    figures.append(("Parallel coordinates", caption, parallel))
    importances = parameter_importances(study)
    if importances:
        caption = "PED-ANOVA, of the settings that every trial has. Noise has a share, too."
        figures.append(("Importances", caption, plot_importances(importances)))
    for name in space.parameters:
        caption = "Each point is a trial that is done, whatever its other settings."
        figures.append((f"Slice: {name}", caption, plot_slice(name, space, outcomes, objective)))
    return figures
