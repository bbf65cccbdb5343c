"""Figures of a study: what its trials learnt, and what the settings had to do with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log10

from matplotlib import colormaps
from matplotlib.figure import Figure

from ferboost.report.style import CNN, INK, MUTED, PALETTE, new_axes, plain_text
from ferboost.tuning.dimensions import Choices, Value
from ferboost.tuning.outcomes import Cost, Objective, Outcome
from ferboost.tuning.space import SearchSpace
from ferboost.tuning.wording import value_in_words

__all__ = [
    "plot_front",
    "plot_grid",
    "plot_importances",
    "plot_parallel_coordinates",
    "plot_slice",
    "plot_trial_curves",
]

_SHADES = "viridis"
_LABELS: dict[Objective, str] = {
    "accuracy": "Validation accuracy in %",
    "log_loss": "Validation log loss in nats",
}


_COST_LABELS: dict[Cost, str] = {
    "size": "Weights and trees in kB",
    "time": "Milliseconds for a face",
}


@dataclass(frozen=True)
class _Scale:
    """Where the values of a setting are drawn: listed ones side by side, ranges to scale."""

    place: Callable[[Value], float]
    ticks: tuple[float, ...]
    labels: tuple[str, ...]


def plot_trial_curves(outcomes: Sequence[Outcome], best: Outcome | None) -> Figure:
    """Draw the validation accuracy of every trial's first seed over its epochs."""
    figure, axes = new_axes("Learning curves of all trials", x="Epoch", y=_LABELS["accuracy"])
    for outcome in outcomes:
        history = outcome.seeds[0].history if outcome.seeds else ()
        chosen = best is not None and outcome.number == best.number
        axes.plot(
            [record.epoch for record in history],
            [100 * record.validation_accuracy for record in history],
            color=PALETTE[1] if chosen else MUTED,
            linewidth=2 if chosen else 0.8,
            alpha=1 if chosen else 0.6,
            zorder=3 if chosen else 2,
        )
    return figure


def plot_slice(
    name: str, space: SearchSpace, outcomes: Sequence[Outcome], objective: Objective
) -> Figure:
    """Draw what every trial that is done reached, over one of the settings."""
    figure, axes = new_axes(f"By {name}", x=name, y=_LABELS[objective])
    scale = _scale(space, name)
    for outcome in outcomes:
        value = _height(outcome, objective)
        if value is not None and name in outcome.point:
            axes.plot(
                scale.place(outcome.point[name]), value, "o", color=CNN, markersize=5, alpha=0.7
            )
    axes.set_xticks(scale.ticks, scale.labels)
    return figure


def plot_front(
    outcomes: Sequence[Outcome], front: Sequence[Outcome], objective: Objective, cost: Cost
) -> Figure:
    """Draw how good the models of all trials are over what they cost, and join the front."""
    figure, axes = new_axes(
        f"What no other trial beats: {objective.replace('_', ' ')} against {cost}",
        x=_COST_LABELS[cost], y=_LABELS[objective],
    )  # fmt: skip
    scale = 1000 if cost == "size" else 1

    def places(chosen: Sequence[Outcome]) -> tuple[list[float], list[float]]:
        found = sorted(
            (amount / scale, height)
            for o in chosen
            if (amount := o.cost(cost)) is not None
            and (height := _height(o, objective)) is not None
        )
        return [x for x, _ in found], [y for _, y in found]

    axes.plot(*places(outcomes), "o", color=MUTED, markersize=5)
    axes.plot(*places(front), "o-", color=PALETTE[1], markersize=5, drawstyle="steps-post")
    for outcome in front:
        amount, height = outcome.cost(cost), _height(outcome, objective)
        axes.annotate(
            str(outcome.number), ((amount or 0) / scale, height or 0), (4, 4),
            textcoords="offset points", fontsize=8, color=INK,
        )  # fmt: skip
    axes.set_xscale("log")
    return figure


def plot_parallel_coordinates(
    space: SearchSpace, outcomes: Sequence[Outcome], objective: Objective
) -> Figure:
    """Draw a line for every trial that is done through its values; the better, the lighter."""
    names = list(space.parameters)
    figure, axes = new_axes("Settings of all trials", height=3.4, grid="none")
    scales = {name: _scale(space, name) for name in names}
    heights = [h for o in outcomes if (h := _height(o, objective)) is not None]
    for outcome in outcomes:
        height = _height(outcome, objective)
        if height is None:
            continue
        there = [(x, name) for x, name in enumerate(names) if name in outcome.point]
        axes.plot(
            [x for x, _ in there],
            [
                _share(scales[name].place(outcome.point[name]), scales[name].ticks)
                for _, name in there
            ],
            color=_shade(height, heights, objective),
            linewidth=1.4,
        )
    for x, name in enumerate(names):
        axes.axvline(x, color=MUTED, linewidth=0.8, zorder=0)
        for tick, label in zip(scales[name].ticks, scales[name].labels, strict=True):
            axes.annotate(
                plain_text(label), (x, _share(tick, scales[name].ticks)), (3, 0),
                textcoords="offset points", fontsize=8, color=INK, va="center",
            )  # fmt: skip
    axes.set_xticks(range(len(names)), [name.replace(".", ".\n") for name in names])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    return figure


def plot_importances(importances: Mapping[str, float]) -> Figure:
    """Draw the share that each setting has in what makes trials good."""
    rows = range(len(importances))
    figure, axes = new_axes("Importance", x="Share in %", height=1.2 + 0.3 * len(rows), grid="x")
    axes.barh(rows, [100 * value for value in importances.values()], height=0.55, color=CNN)
    axes.set_yticks(rows, list(importances))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    return figure


def plot_grid(space: SearchSpace, outcomes: Sequence[Outcome], objective: Objective) -> Figure:
    """Draw the points of three settings in space, shaded by what they reached.

    The study's figures 8, 9 and 30. The axes have the names that stand in the record.
    """
    names = list(space.parameters)
    figure = Figure(figsize=(4.2, 4.2), layout="constrained")
    axes = figure.add_subplot(projection="3d")
    axes.set_title(_LABELS[objective], loc="left", fontsize=10.5, fontweight="bold", color=INK)
    scales = [_scale(space, name) for name in names]
    shown = [
        o for o in outcomes if _height(o, objective) is not None and len(o.point) == len(names)
    ]
    heights = [h for o in shown if (h := _height(o, objective)) is not None]
    places = [
        [scale.place(outcome.point[name]) for outcome in shown]
        for name, scale in zip(names, scales, strict=True)
    ]
    points = axes.scatter(*places, c=heights, cmap=_SHADES, s=28, depthshade=False)
    for side, name, scale in zip("xyz", names, scales, strict=True):
        getattr(axes, f"set_{side}label")(name, color=INK)
        getattr(axes, f"set_{side}ticks")(scale.ticks, scale.labels)
    axes.tick_params(labelsize=8, colors=INK)
    figure.colorbar(points, ax=axes, shrink=0.6, location="bottom")
    return figure


def _scale(space: SearchSpace, name: str) -> _Scale:
    spec = space.parameters[name]
    if isinstance(spec, Choices):
        labels = tuple(value_in_words(value) for value in spec.values)
        return _Scale(
            lambda v: float(spec.values.index(v)), tuple(map(float, range(len(labels)))), labels
        )

    def place(value: Value) -> float:
        number = float(value) if not isinstance(value, tuple) else float("nan")
        return log10(number) if spec.log else number

    low, high = place(spec.low), place(spec.high)
    ticks = (low, (low + high) / 2, high)
    return _Scale(place, ticks, tuple(f"{10**t if spec.log else t:.3g}" for t in ticks))


def _height(outcome: Outcome, objective: Objective) -> float | None:
    value = outcome.value(objective)
    return value if value is None or objective == "log_loss" else 100 * value


def _share(place: float, ticks: Sequence[float]) -> float:
    return (place - ticks[0]) / (ticks[-1] - ticks[0]) if len(ticks) > 1 else 0.5


def _shade(height: float, heights: Sequence[float], objective: Objective) -> tuple[float, ...]:
    low, high = min(heights), max(heights)
    share = (height - low) / (high - low) if high > low else 1.0
    shade: tuple[float, ...] = colormaps[_SHADES](share if objective == "accuracy" else 1 - share)
    return shade
