"""Figures of one verdict explained, and of whether explanations hold."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ferboost.explanation.checks import DEPTHS, ORDERS, SHARES, ExplanationCheck, MethodCheck
from ferboost.explanation.explaining import Contribution, Explanation
from ferboost.report.style import (
    BOOSTED,
    CNN,
    INK,
    MUTED,
    PALETTE,
    add_legend,
    new_axes,
    plain_text,
    variant_title,
)
from ferboost.variants import is_residual

__all__ = ["plot_explanation", "plot_removal", "plot_similarity"]

_FOR, _AGAINST = "#b2182b", "#2166ac"  # the ends of RdBu
_DEPTH_NAMES = ("the last layer", "upper half", "all layers")


def plot_explanation(explanation: Explanation) -> Figure:
    """Draw a face, its probabilities, the maps, and what the trees add.

    Maps lie over the face, each in its own range: red speaks for the emotion, blue against.
    """
    trees = bool(explanation.contributions)
    figure = Figure(figsize=(9.0, 5.6 if trees else 2.9), layout="constrained")
    rows = figure.subfigures(
        2 if trees else 1, 1, height_ratios=(1, 1.05)[: 1 + trees], squeeze=False
    )
    share = explanation.probabilities[explanation.classes.index(explanation.emotion)]
    named = "" if explanation.emotion == explanation.verdict else f" (says: {explanation.verdict})"
    figure.suptitle(
        f"Why {explanation.emotion}? {variant_title(explanation.variant)}: "
        f"{100 * share:.0f} %{named}; red speaks for it, blue against",
        x=0.01,
        ha="left",
        fontsize=11,
        fontweight="bold",
        color=INK,
    )
    widths = (1, *(1 for _ in explanation.maps), 1.15)
    places = rows[0, 0].subplots(1, len(widths), width_ratios=widths)
    _draw_face(places[0], explanation.face, "Face")
    for place, (method, values) in zip(places[1:], explanation.maps.items(), strict=False):
        _draw_face(place, explanation.face, method[0].upper() + method[1:])
        greatest = float(np.abs(values).max()) or 1.0
        strength = np.abs(values) / greatest
        place.imshow(values, cmap="RdBu_r", vmin=-greatest, vmax=greatest, alpha=0.75 * strength)
    _draw_probabilities(places[-1], explanation)
    if trees:
        left, right = rows[1, 0].subplots(1, 2)
        axis = f"Adds to {explanation.emotion} against {explanation.against}, nats"
        start = "the CNN" if is_residual(explanation.variant) else "start"
        first, *groups = explanation.contributions
        parts = (Contribution(start, first.value), *groups)
        _draw_bars(left, parts, "Parts of the model", axis)
        _draw_bars(right, explanation.features, "Features of the trees (SHAP)", axis)
    return figure


def plot_removal(check: MethodCheck) -> Figure:
    """Draw what blurring and bringing back pixels in the order of a map does to the verdict."""
    figure, axes = new_axes(
        f"{check.method[0].upper()}{check.method[1:]}: blurred and restored",
        x="Pixels, in %, in the order of the map",
        y="Probability of the verdict, in %",
        height=3.7,
    )
    handles = []
    for order, color in zip(ORDERS, (CNN, BOOSTED, MUTED), strict=True):
        for curves, line in ((check.insertion, "-"), (check.deletion, "--")):
            shares = 100 * np.array(SHARES)
            axes.plot(shares, 100 * np.array(curves[order]), line, color=color, linewidth=1.6)
        name = order if order == "at random" else f"{order} model's"
        handles.append(Line2D([], [], color=color, label=f"order: {name}"))
    handles.append(Line2D([], [], color=INK, label="restored in the blurred face"))
    handles.append(Line2D([], [], color=INK, linestyle="--", label="blurred in the face"))
    axes.set_ylim(bottom=0)
    add_legend(figure, handles, columns=1)
    return figure


def plot_similarity(check: ExplanationCheck) -> Figure:
    """Draw how much maps of randomised networks agree with those of the trained one."""
    figure, axes = new_axes(
        "Maps of random weights",
        x="What is randomised",
        y="Rank correlation of the maps",
        height=3.4,
    )
    places = np.arange(len(DEPTHS))
    handles = []
    for number, (method, color) in enumerate(zip(check.methods, PALETTE, strict=False)):
        values = np.array([measure.value for measure in method.similarity])
        limits = np.array([measure.interval for measure in method.similarity])
        reach = np.maximum(np.abs(limits.T - values), 0)
        shifted = places + 0.08 * (number - 1)
        axes.errorbar(shifted, values, reach, color=color, marker="o", markersize=4, linewidth=1.5)
        handles.append(Line2D([], [], color=color, marker="o", label=method.method))
    axes.axhline(0, color=MUTED, linewidth=1)
    axes.set_xticks(places, _DEPTH_NAMES)
    axes.set_ylim(-1.02, 1.02)
    add_legend(figure, handles, columns=1)
    return figure


def _draw_face(axes: Axes, face: NDArray[np.uint8], title: str) -> None:
    axes.imshow(face, cmap="gray", vmin=0, vmax=255)
    axes.set_title(title, fontsize=9.5, color=INK)
    axes.set_axis_off()


def _draw_probabilities(axes: Axes, explanation: Explanation) -> None:
    shares = 100 * np.array(explanation.probabilities)
    colors = [CNN if name == explanation.emotion else "#b8c0c8" for name in explanation.classes]
    axes.barh(range(len(shares)), shares, color=colors)
    axes.set_yticks(range(len(shares)), [plain_text(name) for name in explanation.classes])
    axes.invert_yaxis()
    axes.set_title("Probability, %", fontsize=9.5, color=INK)
    _tidy(axes)


def _draw_bars(axes: Axes, parts: Sequence[Contribution], title: str, label: str) -> None:
    values = [part.value for part in parts]
    axes.barh(range(len(values)), values, color=[_FOR if v > 0 else _AGAINST for v in values])
    axes.axvline(0, color=MUTED, linewidth=1)
    axes.set_yticks(range(len(values)), [plain_text(part.name) for part in parts])
    axes.invert_yaxis()
    axes.set_title(title, fontsize=9.5, color=INK)
    axes.set_xlabel(label, fontsize=9, color=INK)
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    axes.tick_params(colors=INK, length=2, labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
