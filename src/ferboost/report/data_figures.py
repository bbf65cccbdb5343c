"""Figures of a data set: how many images each class has, and what they look like."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from ferboost.datasets.dataset import SPLITS, FaceDataset
from ferboost.evaluation.changes import ChangedFaces
from ferboost.report.style import INK, MUTED, PALETTE, new_axes, plain_text

__all__ = ["draw_changed_faces", "draw_class_distribution", "draw_sample_grid"]

_SPLIT_COLORS = dict(zip(SPLITS, (PALETTE[0], PALETTE[2], PALETTE[1]), strict=True))

#: Faces per class in the grid of samples, and the gap between them in pixels.
_SAMPLES = 8
_GAP = 2
_CHANGED_COLUMNS = 4


def draw_class_distribution(classes: Sequence[str], counts: Mapping[str, Sequence[int]]) -> Figure:
    """Draw the number of images of each class in each split (the study's figure 7).

    Parameters
    ----------
    classes : sequence of str
    counts : mapping of str to sequence of int
        Images per class, by split.

    Returns
    -------
    Figure
        One bar per class and split, labelled with the count and its share of the split.
    """
    splits = list(counts)
    rows = np.arange(len(classes))
    thickness = 0.84 / max(1, len(splits))
    figure, axes = new_axes(
        "Images per class",
        x="images (share of the split)",
        y="class",
        height=1.2 + len(rows) * (0.16 + 0.2 * max(1, len(splits))),
        grid="x",
    )
    greatest = max((max(counts[split]) for split in splits), default=1)
    for position, split in enumerate(splits):
        total = sum(counts[split])
        bars = axes.barh(
            rows + (position - (len(splits) - 1) / 2) * thickness,
            counts[split],
            height=thickness * 0.92,
            color=_SPLIT_COLORS[split],
            label=f"{split}, {total:,} images",
        )
        labels = [f"{count:,}  ({100 * count / total:.1f} %)" for count in counts[split]]
        axes.bar_label(bars, labels, padding=3, fontsize=8.5, color=INK)
    axes.set_yticks(rows, [plain_text(name) for name in classes])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    # Room for the label beside the longest bar.
    axes.set_xlim(0, 1.45 * greatest)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    if splits:
        figure.legend(
            loc="outside lower center",
            ncols=2,
            frameon=False,
            fontsize=9.5,
            labelcolor=INK,
        )
    return figure


def draw_sample_grid(dataset: FaceDataset, seed: int = 0) -> Figure:
    """Draw faces of each class, drawn at random (the study's figure 6).

    Parameters
    ----------
    dataset : FaceDataset
    seed : int
        The same seed draws the same faces.

    Returns
    -------
    Figure
        One row per class. Training images are taken where there are any.
    """
    generator = np.random.default_rng(seed)
    split = next((split for split in SPLITS if dataset.has(split)), None)
    figure, axes = new_axes(
        f"Sample faces ({split})" if split else "Sample faces",
        height=0.36 + 0.42 * len(dataset.classes),
        grid="none",
    )
    size, step = dataset.images.shape[1], dataset.images.shape[1] + _GAP
    canvas = np.full((len(dataset.classes) * step - _GAP, _SAMPLES * step - _GAP), 255, np.uint8)
    for row, _ in enumerate(dataset.classes):
        members = np.flatnonzero((dataset.splits == split) & (dataset.labels == row))
        for column, index in enumerate(generator.permutation(members)[:_SAMPLES]):
            top, left = row * step, column * step
            canvas[top : top + size, left : left + size] = dataset.images[index]
        if not len(members):
            axes.text(0, row * step + size / 2, "no image", va="center", color=MUTED, fontsize=9.5)
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks(
        np.arange(len(dataset.classes)) * step + size / 2,
        [plain_text(name) for name in dataset.classes],
    )
    axes.tick_params(axis="y", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def draw_changed_faces(changed: ChangedFaces, classes: Sequence[str], *, fixed: bool) -> Figure:
    """Draw the images that trees put right, or spoil, with what was said of each.

    Parameters
    ----------
    changed : ChangedFaces
    classes : sequence of str
    fixed : bool
        Whether those that are put right are drawn, or those that are spoilt.
    """
    chosen = np.flatnonzero(changed.fixed == fixed)
    rows = max(1, -(-len(chosen) // _CHANGED_COLUMNS))
    figure = Figure(figsize=(4.2, 0.4 + 1.45 * rows), layout="constrained")
    title = "Put right by the trees" if fixed else "Spoilt by the trees"
    figure.suptitle(title, x=0.02, ha="left", fontsize=10.5, fontweight="bold", color=INK)
    for place in range(rows * _CHANGED_COLUMNS):
        axes = figure.add_subplot(rows, _CHANGED_COLUMNS, place + 1)
        axes.set_axis_off()
        if place < len(chosen):
            index = chosen[place]
            axes.imshow(changed.images[index], cmap="gray", vmin=0, vmax=255)
            before, after = (plain_text(classes[v[index]]) for v in (changed.cnn, changed.trees))
            axes.set_title(f"{before} \u2192\n{after}", fontsize=8.5, color=INK, pad=3)
    return figure
