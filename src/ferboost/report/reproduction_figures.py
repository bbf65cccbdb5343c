"""Figures of a repetition of the study: our values beside the authors'."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ferboost.report.style import INK, MUTED, PALETTE, add_legend, marker_handle, new_axes
from ferboost.reproduction.experiments import GRID
from ferboost.reproduction.results import ExperimentResult, PointResult
from ferboost.tuning.dimensions import Value
from ferboost.tuning.wording import value_in_words

__all__ = ["plot_experiment", "plot_grid_maps"]

_Y = "Accuracy in %"
_LOW, _HIGH = 15, 60
_DARK_BELOW = 42


def plot_experiment(result: ExperimentResult) -> Figure:
    """Draw the accuracy at every value: seeds as dots, their means as a line, the authors' hollow.

    The first setting lies along the axis; of a second one every value has a line of its own.
    """
    first, *others = result.experiment.values
    values = result.experiment.values[first]
    figure, axes = new_axes(result.experiment.title, x=first, y=_Y)
    handles = []
    lines = result.experiment.values[others[0]] if others else (None,)
    for color, line in zip(PALETTE, lines, strict=False):
        points = [p for p in result.done if not others or p.point[others[0]] == line]
        points.sort(key=lambda p: values.index(p.point[first]))
        places = [values.index(p.point[first]) for p in points]
        axes.plot(places, [p.mean for p in points], color=color, linewidth=1.6, zorder=3)
        for place, point in zip(places, points, strict=True):
            axes.plot([place] * len(point.per_seed), point.per_seed, "o", color=color, markersize=4)
        label = "here" if line is None else f"{others[0]}={value_in_words(line)}"
        handles.append(Line2D([], [], color=color, marker="o", markersize=4, label=label))
    if any(p.printed is not None for p in result.points):
        _draw_printed(axes, result.points, values, first)
        handles.append(marker_handle("D", MUTED, "the study, on test images", hollow=True))
    axes.set_xticks(range(len(values)), [value_in_words(value) for value in values])
    axes.set_xlim(-0.5, len(values) - 0.5)
    add_legend(figure, handles, columns=2)
    return figure


def _draw_printed(
    axes: Axes, points: Sequence[PointResult], values: Sequence[Value], first: str
) -> None:
    for point in points:
        if point.printed is not None:
            axes.plot(
                values.index(point.point[first]), point.printed, "D", color=MUTED,
                markerfacecolor="none", markersize=6,
            )  # fmt: skip


def plot_grid_maps(result: ExperimentResult) -> Figure:
    """Draw our grid and the authors' as two maps of learning rate and L2.

    Each field is the mean over the batch sizes that were tried here.
    """
    rates, l2s, batches = (result.experiment.values[name] for name in GRID.values)
    rate, l2, _batch = GRID.values
    ours, theirs = (np.full((len(l2s), len(rates)), np.nan) for _ in range(2))
    for row, weight in enumerate(l2s):
        for column, step in enumerate(rates):
            found = [p for p in result.done if p.point[rate] == step and p.point[l2] == weight]
            if found:
                ours[row, column] = fmean(p.mean for p in found)
            theirs[row, column] = fmean(GRID.printed[step, weight, size] for size in batches)
    figure = Figure(figsize=(4.2, 5.6), layout="constrained")
    for place, (title, field) in enumerate(
        (("Here, on validation images", ours), ("The study, its axes read right", theirs)), start=1
    ):
        axes = figure.add_subplot(2, 1, place)
        axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold", color=INK)
        axes.imshow(field, cmap="viridis", vmin=_LOW, vmax=_HIGH, aspect="auto", origin="lower")
        _write_values(axes, field)
        axes.set_xticks(range(len(rates)), [value_in_words(value) for value in rates])
        axes.set_yticks(range(len(l2s)), [value_in_words(value) for value in l2s])
        axes.set_xlabel(rate, color=INK)
        axes.set_ylabel(l2, color=INK)
        axes.tick_params(colors=INK, length=0, labelsize=9.5)
    return figure


def _write_values(axes: Axes, field: NDArray[np.float64]) -> None:
    for (row, column), value in np.ndenumerate(field):
        if np.isfinite(value):
            ink = "white" if value < _DARK_BELOW else INK
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=9, color=ink)
