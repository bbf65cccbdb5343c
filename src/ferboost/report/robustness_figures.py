"""Figures of what worse faces cost."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ferboost.evaluation.robustness import RobustnessCurve
from ferboost.report.style import MUTED, PALETTE, add_legend, new_axes, variant_title

__all__ = ["plot_robustness"]


def plot_robustness(curves: Sequence[RobustnessCurve]) -> Figure:
    """Draw accuracy and calibration error of some models under one corruption.

    The steps are at equal distances. Bars are 95 % intervals of the accuracy.
    """
    first = curves[0]
    figure, axes = new_axes(
        first.corruption[0].upper() + first.corruption[1:],
        x=first.unit[0].upper() + first.unit[1:],
        y="%",
    )
    places = range(len(first.strengths))
    handles = []
    for color, curve in zip(PALETTE, curves, strict=False):
        accuracy = [100 * value for value in curve.accuracy]
        reach = [
            [
                max(0.0, value - 100 * low)
                for value, (low, _) in zip(accuracy, curve.interval, strict=True)
            ],
            [
                max(0.0, 100 * high - value)
                for value, (_, high) in zip(accuracy, curve.interval, strict=True)
            ],
        ]
        axes.errorbar(places, accuracy, reach, color=color, marker="o", markersize=4, linewidth=1.5)
        axes.plot(places, [100 * value for value in curve.ece], color=color, linestyle=":")
        handles.append(
            Line2D(
                [], [], color=color, marker="o", label=f"{variant_title(curve.variant)}, accuracy"
            )
        )
    handles.append(Line2D([], [], color=MUTED, linestyle=":", label="calibration error"))
    axes.set_xticks(list(places), [f"{strength:g}" for strength in first.strengths])
    axes.set_ylim(bottom=0)
    add_legend(figure, handles, columns=1)
    return figure
