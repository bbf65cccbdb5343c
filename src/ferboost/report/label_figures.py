"""Figures of labels that are probably wrong, and of how good their finder is."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from ferboost.evaluation.label_errors import FinderCurve
from ferboost.report.style import INK, MUTED, PALETTE, add_legend, new_axes, plain_text

__all__ = ["plot_finder", "plot_label_sheet"]

_COLUMNS = 8


def plot_label_sheet(
    images: NDArray[np.uint8], labels: Sequence[str], remarks: Sequence[str]
) -> Figure:
    """Draw faces with the label that they have, and below it what is said against it.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 48, 48)
    labels, remarks : sequence of str, length n
    """
    rows = -(-len(images) // _COLUMNS)
    figure = Figure(figsize=(1.2 * _COLUMNS, 1.62 * rows), layout="constrained")
    places = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for place in places:
        place.set_axis_off()
    for place, image, label, remark in zip(places, images, labels, remarks, strict=False):
        place.imshow(image, cmap="gray", vmin=0, vmax=255)
        text = f"{plain_text(label)}\n{plain_text(remark)}"
        place.set_title(text, fontsize=8.5, color=INK, pad=2)
    return figure


def plot_finder(curves: Mapping[str, FinderCurve]) -> Figure:
    """Draw how many of the first images have a wrong label, by what counts as wrong.

    Parameters
    ----------
    curves : mapping of str to FinderCurve
    """
    figure, axes = new_axes(
        "Label errors found",
        x="Images looked at, most suspicious first",
        y="%",
        height=3.9,
    )
    handles = []
    for color, (name, curve) in zip(PALETTE, curves.items(), strict=False):
        # The first few images make a curve that is all chance.
        looked = np.arange(min(20, curve.judged), curve.judged + 1)
        looked = looked[np.linspace(0, len(looked) - 1, min(400, len(looked))).astype(int)]
        axes.plot(looked, 100 * curve.precision[looked - 1], color=color, linewidth=1.6)
        axes.plot(looked, 100 * curve.recall[looked - 1], "--", color=color, linewidth=1.4)
        axes.axhline(100 * curve.base_rate, color=color, linestyle=":", linewidth=1.2)
        handles.append(Line2D([], [], color=color, label=f"wrong: {name}"))
    handles.append(Line2D([], [], color=MUTED, label="of these wrong"))
    handles.append(Line2D([], [], color=MUTED, linestyle="--", label="of all wrong ones found"))
    handles.append(Line2D([], [], color=MUTED, linestyle=":", label="wrong at random"))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0, 101)
    add_legend(figure, handles, columns=1)
    return figure
