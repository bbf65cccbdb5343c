"""Figures of a run's results: learning curves, accuracies, times."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ferboost.evaluation.results import Results
from ferboost.evaluation.summary import VariantSummary
from ferboost.report.style import (
    BOOSTED,
    CNN,
    INK,
    MUTED,
    PALETTE,
    add_legend,
    marker_handle,
    new_axes,
    plain_text,
    variant_title,
    wrapped,
)

__all__ = [
    "plot_accuracy_by_class",
    "plot_accuracy_by_variant",
    "plot_accuracy_curves",
    "plot_loss_curves",
    "plot_predict_times",
]


def plot_loss_curves(results: Results, selection: str = "validation") -> Figure:
    """Draw the loss of every seed's CNN over the epochs (the study's figure 24).

    Parameters
    ----------
    results : Results
    selection : str
        Name of the images that decided which epoch was kept.
    """
    return _plot_curves(results, selection, "loss", "Loss in nats", scale=1)


def plot_accuracy_curves(results: Results, selection: str = "validation") -> Figure:
    """Draw the accuracy of every seed's CNN over the epochs (the study's figure 25).

    Parameters
    ----------
    results : Results
    selection : str
        Name of the images that decided which epoch was kept.
    """
    return _plot_curves(results, selection, "accuracy", "Accuracy in %", scale=100)


def plot_accuracy_by_variant(
    summaries: Sequence[VariantSummary], published: Mapping[str, float]
) -> Figure:
    """Draw each variant's mean accuracy, its interval, its seeds and what was published.

    Parameters
    ----------
    summaries : sequence of VariantSummary
    published : mapping of str to float
        Published accuracies in percent, by variant; may be empty.
    """
    labels = [wrapped(variant_title(summary.variant)) for summary in summaries]
    figure, axes = new_axes(
        "Accuracy by model", x="Accuracy in %", height=_height_of_rows(labels), grid="x"
    )
    for row, summary in enumerate(summaries):
        color = CNN if summary.variant == "cnn" else BOOSTED
        low, high = summary.interval
        axes.plot([100 * low, 100 * high], [row, row], color=color, linewidth=2.2)
        axes.plot(100 * summary.accuracy, row, "o", color=color, markersize=6.5)
        if len(summary.per_seed) > 1:
            seeds = [100 * metrics.accuracy for metrics in summary.per_seed]
            axes.plot(seeds, [row + 0.27] * len(seeds), ".", color=MUTED, markersize=4)
        if summary.variant in published:
            _mark_published(axes, published[summary.variant], row)
    axes.axvline(100 * summaries[0].accuracy, color=CNN, linewidth=1, linestyle=":", zorder=0)
    axes.set_yticks(range(len(summaries)), labels)
    axes.set_ylim(len(summaries) - 0.5, -0.5)
    handles = [Line2D([], [], color=INK, marker="o", linewidth=2.2, label="mean, 95 % interval")]
    if len(summaries[0].per_seed) > 1:
        handles.append(marker_handle(".", MUTED, "one seed"))
    if any(summary.variant in published for summary in summaries):
        handles.append(marker_handle("D", INK, "published", hollow=True))
    add_legend(figure, handles)
    return figure


def plot_accuracy_by_class(
    cnn: VariantSummary, boosted: VariantSummary | None, published: Mapping[str, float]
) -> Figure:
    """Draw the accuracy on the images of each class, mean over seeds (the study's table 1).

    Parameters
    ----------
    cnn : VariantSummary
    boosted : VariantSummary or None
        A model with trees to show beside the CNN.
    published : mapping of str to float
        Published accuracies of the CNN in percent, by class; may be empty.
    """
    classes = list(cnn.per_seed[0].per_class)
    figure, axes = new_axes(
        "Accuracy by true class", x="Accuracy in %", height=1.4 + 0.3 * len(classes), grid="both"
    )
    handles = []
    for summary, color, marker in ((cnn, CNN, "o"), (boosted, BOOSTED, "^")):
        if summary is None:
            continue
        for row, value in enumerate(summary.by_class("accuracy").values()):
            if value is not None:
                axes.plot(100 * value, row, marker, color=color, markersize=6.5)
        handles.append(marker_handle(marker, color, variant_title(summary.variant)))
    for row, name in enumerate(classes):
        if name in published:
            _mark_published(axes, published[name], row)
    if any(name in published for name in classes):
        handles.append(marker_handle("D", INK, "published", hollow=True))
    axes.set_yticks(range(len(classes)), [plain_text(name) for name in classes])
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.set_xlim(-2, 102)
    add_legend(figure, handles)
    return figure


def plot_predict_times(summaries: Sequence[VariantSummary]) -> Figure:
    """Draw the seconds that predicting all images takes: the CNN's, the trees', the whole."""
    labels = [wrapped(variant_title(summary.variant)) for summary in summaries]
    figure, axes = new_axes(
        f"Time to predict {summaries[0].per_seed[0].n:,} images",
        x="Seconds",
        height=_height_of_rows(labels),
        grid="x",
    )
    rows = range(len(summaries))
    cnn = [summary.predict_time.cnn for summary in summaries]
    axes.barh(rows, cnn, height=0.55, color=CNN)
    trees = [summary.predict_time.trees for summary in summaries]
    axes.barh(rows, trees, left=cnn, height=0.55, color=BOOSTED)
    whole = [summary.predict_time.whole for summary in summaries]
    axes.plot(whole, rows, "|", color=INK, markersize=15, markeredgewidth=2)
    axes.set_yticks(rows, labels)
    axes.set_ylim(len(summaries) - 0.5, -0.5)
    parts = [Patch(color=CNN, label="CNN"), Patch(color=BOOSTED, label="trees")]
    mark = Line2D([], [], color=INK, marker="|", linestyle="", markersize=12, label="whole")
    add_legend(figure, [*parts[: len(summaries)], mark])
    return figure


def _height_of_rows(labels: Sequence[str]) -> float:
    lines = max(label.count("\n") + 1 for label in labels)
    return 1.5 + (0.14 + 0.16 * lines) * len(labels)


def _plot_curves(
    results: Results, selection: str, quantity: str, label: str, *, scale: float
) -> Figure:
    figure, axes = new_axes(f"{quantity.capitalize()} of the CNN", x="Epoch", y=label)
    training, selecting = PALETTE[2], CNN
    for run in results.seeds:
        epochs = [record.epoch for record in run.history]
        for split, color, style in (("train", training, "--"), ("validation", selecting, "-")):
            values = [scale * getattr(record, f"{split}_{quantity}") for record in run.history]
            axes.plot(epochs, values, style, color=color, linewidth=1.3)
        for epoch, value in zip(epochs, values, strict=True):
            if epoch == run.best_epoch:
                axes.plot(epoch, value, "o", color=INK, markersize=5.5, zorder=3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(
        figure,
        [
            Line2D([], [], color=training, linestyle="--", label="training"),
            Line2D([], [], color=selecting, label=selection),
            marker_handle("o", INK, "kept epoch"),
        ],
    )
    return figure


def _mark_published(axes: Axes, value: float, row: int) -> None:
    axes.plot(value, row, "D", color=INK, markerfacecolor="none", markersize=6)
