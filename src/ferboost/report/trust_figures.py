"""Figures of calibration before and after, and of abstaining."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ferboost.evaluation.calibration import reliability_curve
from ferboost.evaluation.trust import VariantTrust
from ferboost.report.style import (
    BOOSTED,
    CNN,
    INK,
    MUTED,
    add_legend,
    new_axes,
    variant_title,
)

__all__ = ["plot_calibration_change", "plot_risk_coverage"]

# A bin with fewer images says next to nothing.
_LEAST_SHARE = 0.005


def plot_calibration_change(trust: VariantTrust, labels: NDArray[np.int64]) -> Figure:
    """Draw how often predictions of a given confidence are right, before and after scaling.

    One curve, where no temperature was shown to help.

    Bars are 95 % intervals; bins with less than 0.5 % of the images are left out.
    """
    what = "before and after" if trust.is_scaled else "as it comes"
    figure, axes = new_axes(
        f"{variant_title(trust.variant)}: {what}",
        x="Confidence in %, mean of a bin",
        y="Accuracy in %",
        height=4.1,
    )
    axes.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=":")
    color = CNN if trust.variant == "cnn" else BOOSTED
    handles = []
    drawn_steps = [(trust.before, trust.steps[0], MUTED, "s")] if trust.is_scaled else []
    last = trust.steps[1 if trust.is_scaled else 0]
    for shares, step, ink, marker in (*drawn_steps, (trust.after, last, color, "o")):
        curve = reliability_curve(shares, labels)
        drawn = curve.share >= _LEAST_SHARE
        x, y = 100 * curve.confidence[drawn], 100 * curve.accuracy[drawn]
        reach = np.abs(100 * np.stack([curve.low[drawn], curve.high[drawn]]) - y)
        axes.errorbar(x, y, reach, color=ink, marker=marker, linewidth=1.3, markersize=4.5)
        name = "as it comes" if step.method == "none" else "temperature scaled"
        low, high = step.metrics.ece.interval
        label = (
            f"{name}: error {100 * step.metrics.ece.value:.1f} points "
            f"[{100 * low:.1f}, {100 * high:.1f}]"
        )
        handles.append(Line2D([], [], color=ink, marker=marker, label=label))
    axes.set_aspect("equal")
    axes.set_xlim(-2, 102)
    axes.set_ylim(-2, 102)
    add_legend(figure, handles, columns=1)
    return figure


def plot_risk_coverage(trusts: Sequence[VariantTrust]) -> Figure:
    """Draw the error among the images that each model is surest of (Geifman et al., 2019)."""
    figure, axes = new_axes(
        "Error when the unsure are left out",
        x="Images answered, in %",
        y="Wrong answers, in %",
        height=3.6,
    )
    handles = []
    for trust in trusts:
        color = CNN if trust.variant == "cnn" else BOOSTED
        risk = trust.risk
        # The first hundred images make a curve that is all chance.
        shown = np.arange(min(99, len(risk.risk) - 1), len(risk.risk))
        shown = shown[np.linspace(0, len(shown) - 1, min(300, len(shown))).astype(int)]
        axes.plot(
            100 * risk.answered[shown],
            100 * risk.risk[shown],
            color=color,
            linewidth=1.6,
        )
        label = f"{variant_title(trust.variant)}, area {100 * float(np.mean(trust.areas)):.1f} %"
        handles.append(Line2D([], [], color=color, label=label))
        axes.plot(100, 100 * risk.risk[-1], "o", color=color, markersize=5, clip_on=False)
    handles.append(Line2D([], [], color=INK, marker="o", linestyle="", label="all answered"))
    axes.set_xlim(0, 101)
    axes.set_ylim(bottom=0)
    add_legend(figure, handles, columns=1)
    return figure
