"""One boosted tree as a diagram."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from ferboost.errors import DataError
from ferboost.report.style import BOOSTED, CNN, INK, MUTED, new_axes, plain_text

__all__ = ["plot_tree"]


@dataclass(frozen=True)
class _Box:
    """A node where it is drawn: `level` from the left, `row` from the top."""

    level: int
    row: float
    text: str
    color: str
    branches: tuple["_Box", ...] = ()


def plot_tree(dump: str, title: str, *, levels: int = 3) -> Figure:
    """Draw the top of a tree, its root on the left.

    Parameters
    ----------
    dump : str
        One tree of ``booster.get_dump(dump_format="json")``.
    title : str
    levels : int
        Levels of conditions shown; what grows below is counted.

    Raises
    ------
    DataError
        If `dump` is not such a tree.
    """
    try:
        root = _place(json.loads(dump), 0, levels, iter(range(2**levels)))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            'not one tree of booster.get_dump(dump_format="json"): ' + dump[:60]
        ) from error
    boxes = list(_walk(root))
    rows, deepest = 1 + max(box.row for box in boxes), max(box.level for box in boxes)
    figure, axes = new_axes(plain_text(title), height=0.6 + 0.5 * rows, grid="none")
    axes.set_axis_off()
    for box in boxes:
        for branch, answer in zip(box.branches, ("yes", "no"), strict=False):
            axes.plot(
                [box.level, branch.level], [box.row, branch.row], color=MUTED, linewidth=1, zorder=1
            )
            axes.text(
                (box.level + branch.level) / 2 + 0.06,
                (box.row + branch.row) / 2,
                answer,
                fontsize=7.5,
                color=MUTED,
                ha="center",
                va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
                zorder=2,
            )
        axes.text(
            box.level,
            box.row,
            box.text,
            fontsize=8.5,
            color=INK,
            ha="center",
            va="center",
            linespacing=1.25,
            bbox={"facecolor": "white", "edgecolor": box.color, "boxstyle": "round,pad=0.3"},
            zorder=3,
        )
    axes.set_xlim(-0.4, deepest + 0.4)
    axes.set_ylim(rows - 0.5, -0.5)
    return figure


def _place(node: dict[str, Any], level: int, levels: int, rows: Iterator[int]) -> _Box:
    """Place a node of the dump and what hangs on it: leaves take the next free row."""
    if "leaf" in node:
        value = float(node["leaf"])
        text = f"{value:+.3f}".replace("-", "\u2212")
        return _Box(level, next(rows), text, CNN if value >= 0 else BOOSTED)
    if level == levels:
        return _Box(level, next(rows), f"… {_leaves(node)} leaves", MUTED)
    by_number = {child["nodeid"]: child for child in node["children"]}
    branches = tuple(
        _place(by_number[node[answer]], level + 1, levels, rows) for answer in ("yes", "no")
    )
    threshold = f"{float(node['split_condition']):.3g}".replace("-", "\u2212")
    return _Box(
        level,
        (branches[0].row + branches[1].row) / 2,
        f"{plain_text(node['split'])}\n< {threshold}",
        INK,
        branches,
    )


def _leaves(node: dict[str, Any]) -> int:
    return sum(map(_leaves, node["children"])) if "children" in node else 1


def _walk(box: _Box) -> Iterator[_Box]:
    yield box
    for branch in box.branches:
        yield from _walk(branch)
