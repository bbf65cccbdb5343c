"""How the report's figures look: narrow panels, readable at the width of a phone."""

import re
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ferboost.variants import CNN as CNN_VARIANT
from ferboost.variants import FOLD_CNNS, in_words

__all__ = [
    "BOOSTED",
    "CNN",
    "INK",
    "MUTED",
    "PALETTE",
    "add_legend",
    "marker_handle",
    "new_axes",
    "plain_text",
    "variant_title",
    "wrapped",
]

#: Okabe and Ito (2008), "Color universal design", without the yellow that white swallows.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
CNN, BOOSTED = PALETTE[:2]
INK = "#1b1f24"
MUTED = "#6a737d"

#: Width in inches. Ten-point text in it is 9.5 px high where the page is 320 px wide.
_WIDTH = 4.2
#: Longer titles are broken after their colon.
_TITLE_LENGTH = 32
#: What a tick or an entry of a legend has room for beside the axes.
_LABEL_LENGTH = 36


def new_axes(
    title: str, *, x: str = "", y: str = "", height: float = 3.1, grid: str = "both"
) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes in the report's style.

    Parameters
    ----------
    title, x, y : str
        Title and axis labels, with units.
    height : float
        In inches.
    grid : str
        Axis with grid lines: ``"x"``, ``"y"``, ``"both"`` or ``"none"``.
    """
    if len(title) > _TITLE_LENGTH:
        title = "\n".join(map(wrapped, title.replace(": ", ":\n", 1).splitlines()))
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold", color=INK, pad=9)
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.tick_params(colors=INK, length=3, labelsize=9.5)
    axes.set_axisbelow(True)
    if grid != "none":
        axes.grid(axis=grid, color="#e3e6ea", linewidth=0.8)  # type: ignore[arg-type]
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#9aa2ab")
    return figure, axes


def add_legend(figure: Figure, handles: Sequence[Artist], *, columns: int = 3) -> None:
    """Put a legend of `handles` under the axes of `figure`, long labels in several lines."""
    for handle in handles:
        handle.set_label(wrapped(str(handle.get_label())))
    figure.legend(
        handles=list(handles),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9.5,
        labelcolor=INK,
        handlelength=1.6,
        handletextpad=0.5,
        columnspacing=1.2,
        borderpad=0.1,
        borderaxespad=0.1,
    )


def marker_handle(marker: str, color: str, label: str, *, hollow: bool = False) -> Line2D:
    """Return a legend entry for points drawn with `marker`."""
    face = "none" if hollow else color
    return Line2D(
        [], [], color=color, marker=marker, markerfacecolor=face, linestyle="", label=label
    )


def plain_text(name: str) -> str:
    """Return a name that matplotlib neither takes for a formula nor leaves out of a legend."""
    escaped = name.replace("$", r"\$")
    return f"\u200b{escaped}" if escaped.startswith("_") else escaped


def wrapped(label: str) -> str:
    """Return a label in lines of at most 36 letters, broken after spaces and plus signs."""
    lines = [""]
    for part in re.findall(r"[^ +]*[ +]?", label):
        if lines[-1] and len(lines[-1] + part.rstrip()) > _LABEL_LENGTH:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def variant_title(variant: str) -> str:
    """Return the heading of a variant: ``"CNN"`` or ``"Trees on fc1"``."""
    if variant in {CNN_VARIANT, FOLD_CNNS}:
        return variant.replace("cnn", "CNN")
    words = in_words(variant)
    return words[0].upper() + words[1:]
