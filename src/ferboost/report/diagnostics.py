"""Figures of what a variant gets wrong: confusions, ROC curves, calibration."""

from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ferboost.evaluation.metrics import reliability_bins, roc_curve_points
from ferboost.evaluation.results import Results
from ferboost.evaluation.summary import VariantSummary
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

__all__ = [
    "plot_confusion_counts",
    "plot_confusion_shares",
    "plot_reliability",
    "plot_roc_curves",
    "row_shares",
]

_LINE_STYLES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")


def plot_confusion_counts(results: Results, summary: VariantSummary) -> Figure:
    """Draw the first seed's images by true and predicted class (the study's figures 26, 27)."""
    counts = summary.per_seed[0].confusion
    return _plot_confusion(
        counts,
        [[f"{count}" for count in row] for row in counts],
        results.classes,
        f"{variant_title(summary.variant)}: images, seed {results.seeds[0].seed}",
        greatest=max(1, int(counts.max())),
    )


def plot_confusion_shares(results: Results, summary: VariantSummary) -> Figure:
    """Draw the percentage of each true class that is given each class, over all seeds."""
    shares = 100 * row_shares(summary)
    count = len(results.seeds)
    return _plot_confusion(
        shares,
        [["" if np.isnan(share) else f"{share:.0f}" for share in row] for row in shares],
        results.classes,
        f"{variant_title(summary.variant)}: % of true class, "
        f"{f'{count} seeds' if count > 1 else f'seed {results.seeds[0].seed}'}",
        greatest=100,
    )


def row_shares(summary: VariantSummary) -> NDArray[np.float64]:
    """Return the share of each true class that is given each class, over all seeds.

    Returns
    -------
    ndarray of float64, shape (k, k)
        Rows are true classes and sum to 1; those of absent classes are NaN.
    """
    counts = np.sum([metrics.confusion for metrics in summary.per_seed], axis=0, dtype=np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    return counts / np.where(totals > 0, totals, np.nan)


def plot_roc_curves(results: Results, summary: VariantSummary) -> Figure:
    """Draw each class against the rest (the study's figures 28, 29).

    The curves are those of the first seed, the areas in the legend means over seeds.
    """
    figure, axes = new_axes(
        f"{variant_title(summary.variant)}: each class against the rest",
        x="False positives in % of the rest",
        y="True positives in % of the class",
        height=3.9 + 0.1 * len(results.classes),
    )
    axes.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=":")
    handles = []
    for index, (name, area) in enumerate(summary.by_class("auc").items()):
        curve = roc_curve_points(
            results.seeds[0].probabilities[summary.variant], results.labels, index
        )
        if curve is None or area is None:
            continue
        color = PALETTE[index % len(PALETTE)]
        style = _LINE_STYLES[index % len(_LINE_STYLES)]
        axes.plot(
            *_thin(100 * curve.false_positive_rate, 100 * curve.true_positive_rate),
            color=color,
            linestyle=style,
            linewidth=1.5,
        )
        label = f"{plain_text(name)} {area:.2f}"
        handles.append(Line2D([], [], color=color, linestyle=style, label=label))
    axes.set_aspect("equal")
    axes.set_xlim(-1, 101)
    axes.set_ylim(-1, 101)
    if handles:
        add_legend(figure, handles, columns=2)
    return figure


def plot_reliability(
    results: Results, cnn: VariantSummary, boosted: VariantSummary | None
) -> Figure:
    """Draw how often predictions of a given confidence are right, over all seeds.

    Points are bins; their area grows with the images in them, and bins with less than 0.5 % of the
    images are left out. The diagonal is perfect calibration
    (Guo et al., 2017, figure 1).
    """
    figure, axes = new_axes(
        "Calibration",
        x="Confidence in %, mean of a bin",
        y="Accuracy in %",
        height=3.9,
    )
    axes.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=":")
    handles = []
    for summary, color, marker in ((cnn, CNN, "o"), (boosted, BOOSTED, "^")):
        if summary is None:
            continue
        bins = reliability_bins(
            np.concatenate([seed.probabilities[summary.variant] for seed in results.seeds]),
            np.tile(results.labels, len(results.seeds)),
        )
        share = bins.count / bins.count.sum()
        drawn = share >= 0.005
        x, y = 100 * bins.confidence[drawn], 100 * bins.accuracy[drawn]
        axes.plot(x, y, color=color, linewidth=1.2)
        axes.scatter(x, y, 8 + 150 * share[drawn], color=color, marker=marker, zorder=3)
        label = f"{variant_title(summary.variant)}, error {100 * summary.ece:.1f} points"
        handles.append(Line2D([], [], color=color, marker=marker, label=label))
    axes.set_aspect("equal")
    axes.set_xlim(-2, 102)
    axes.set_ylim(-2, 102)
    add_legend(figure, handles, columns=1)
    return figure


def _plot_confusion(
    values: NDArray[np.float64] | NDArray[np.int64],
    texts: list[list[str]],
    classes: tuple[str, ...],
    title: str,
    *,
    greatest: float,
) -> Figure:
    figure, axes = new_axes(title, x="Predicted class", y="True class", height=4.1, grid="none")
    axes.imshow(values, cmap="Blues", vmin=0, vmax=greatest, interpolation="none")
    size = max(5.0, min(9.5, 66 / len(classes)))
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            dark = values[row, column] > 0.55 * greatest
            axes.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize=size,
                color="white" if dark else INK,
            )
    names = [plain_text(name) for name in classes]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def _thin(
    x: NDArray[np.float64], y: NDArray[np.float64], points: int = 200
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Keep some `points` of a monotone curve, evenly along its length."""
    length = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], points)))
    return x[kept], y[kept]
