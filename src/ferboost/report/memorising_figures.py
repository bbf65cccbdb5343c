"""The figures that show what trees make of images which their CNN knows by heart."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ferboost.evaluation.memorising import Familiarity, MemorisedFeatures
from ferboost.report.content import CaptionedFigure
from ferboost.report.style import BOOSTED, CNN, MUTED, add_legend, marker_handle, new_axes
from ferboost.report.wording import percent

__all__ = ["memorising_figures", "plot_memorised"]

_ROWS: tuple[tuple[str, str, Familiarity], ...] = (
    ("CNN on learnt", "cnn", "learnt"),
    ("CNN on unseen", "cnn", "unseen"),
    ("Trees on learnt", "trees", "learnt"),
    ("Trees on unseen", "trees", "unseen"),
)


def memorising_figures(memorised: MemorisedFeatures | None) -> tuple[CaptionedFigure, ...]:
    """Return the figures with what to see in them; none where nothing was measured."""
    if memorised is None:
        return ()
    learnt, unseen = (memorised.mean(kind, "trees new") for kind in ("learnt", "unseen"))
    known, fresh = memorised.mean("learnt", "cnn rows"), memorised.mean("learnt", "cnn new")
    rows = memorised.mean("learnt", "trees rows")
    seeds = len(memorised.grown["learnt"])
    means = f"; means over {seeds} seeds, small dots the seeds" if seeds > 1 else ""
    return (
        CaptionedFigure(
            plot_memorised(memorised, "accuracy"),
            "What the CNN knows by heart",
            f"The CNN is right on {percent(known.accuracy)} % of images that it was trained on and "
            f"on {percent(fresh.accuracy)} % of new ones. Trees on its {memorised.tap} of the "
            f"former are right on {percent(rows.accuracy)} % of them and on "
            f"{percent(learnt.accuracy)} % of new ones; trees that grow on as many images that it "
            f"has not seen, on {percent(unseen.accuracy)} %. They are the published trees, which "
            f"replace the layers above, on {memorised.rows:,} images, judged by "
            f"{memorised.new_images:,} of the validation images{means}.",
        ),
        CaptionedFigure(
            plot_memorised(memorised, "entropy"),
            "How unsure the same models are",
            f"Mean entropy: 0 is certain. The CNN has {known.entropy:.2f} nats on images that it "
            f"was trained on, and {fresh.entropy:.2f} on new ones. Of new images, trees that grow "
            f"on learnt ones have {learnt.entropy:.2f}, and those on images that it has not seen "
            f"{unseen.entropy:.2f}.",
        ),
    )


def plot_memorised(memorised: MemorisedFeatures, measure: str) -> Figure:
    """Draw ``"accuracy"`` or ``"entropy"`` on the rows that trees grow on and on new images."""
    scale, label = (100, "Accuracy in %") if measure == "accuracy" else (1, "Mean entropy in nats")
    title = "Learnt and unseen images" if measure == "accuracy" else "How unsure"
    figure, axes = new_axes(title, x=label, height=3.0, grid="both")
    for place, (_, model, familiarity) in enumerate(_ROWS):
        color = CNN if model == "cnn" else BOOSTED
        ends = []
        for kind, hollow in (("rows", False), ("new", True)):
            which = f"{model} {kind}"
            value = scale * getattr(memorised.mean(familiarity, which), measure)
            seeds = [scale * getattr(seed[which], measure) for seed in memorised.grown[familiarity]]
            if len(seeds) > 1:
                axes.plot(seeds, [place + 0.27] * len(seeds), ".", color=MUTED, markersize=4)
            face = "white" if hollow else color
            axes.plot(
                value, place, "o", color=color, markerfacecolor=face, markersize=6.5, zorder=3
            )
            ends.append(value)
        axes.plot(ends, [place, place], color=color, linewidth=1.4, zorder=2)
    axes.set_yticks(range(len(_ROWS)), [name for name, _, _ in _ROWS])
    axes.set_ylim(len(_ROWS) - 0.5, -0.5)
    handles: list[Line2D] = [
        marker_handle("o", CNN, "these images"),
        marker_handle("o", CNN, "new images", hollow=True),
    ]
    add_legend(figure, handles)
    return figure
