"""What a film shows of each face over time, summed up in constant memory, and drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferboost.extras import needed_for
from ferboost.files import atomic_path
from ferboost.inference.annotating import colour_of
from ferboost.inference.films import Moment

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Appearance", "Timeline", "require_figures", "write_timeline"]

_FIRST_STEP = 0.1
_MOST_STEPS = 600
_MOST_DRAWN = 6


@dataclass
class Appearance:
    """A face of a film, from when to when it is seen, and what it shows.

    Attributes
    ----------
    track : int
    first, last : float
        Seconds.
    frames : int
        In how many frames it is.
    total : ndarray of float64, shape (classes,)
        Sum of the probabilities over these frames.
    steps : dict of int to (ndarray, int)
        Sum of the probabilities, and the number of frames, by step of time.
    returns : set of int
        The steps in which it is back after frames without it.
    """

    track: int
    first: float
    last: float
    frames: int
    total: NDArray[np.float64]
    steps: dict[int, tuple[NDArray[np.float64], int]] = field(default_factory=dict, repr=False)
    returns: set[int] = field(default_factory=set, repr=False)

    @property
    def shares(self) -> NDArray[np.float64]:
        """Mean probability of each class, shape (classes,)."""
        return self.total / self.frames

    def coarsen(self) -> None:
        """Join every two steps of time."""
        joined: dict[int, tuple[NDArray[np.float64], int]] = {}
        for step, (total, frames) in self.steps.items():
            before, count = joined.get(step // 2, (np.zeros_like(total), 0))
            joined[step // 2] = (before + total, count + frames)
        self.steps = joined
        self.returns = {step // 2 for step in self.returns}


class Timeline:
    """Sums up the moments of a film, however long it is.

    Attributes
    ----------
    classes : tuple of str
    appearances : dict of int to Appearance
        By track.
    step : float
        Length of a step of time, in seconds: twice as long whenever there are 600 of them.
    frames : int
    seconds : float
        Time of the last frame.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.appearances: dict[int, Appearance] = {}
        self.step = _FIRST_STEP
        self.frames = 0
        self.seconds = 0.0

    def add(self, moment: Moment) -> None:
        """Take a frame into account."""
        time = moment.frame.time
        before = self.seconds
        self.frames += 1
        self.seconds = max(self.seconds, time)
        while time / self.step >= _MOST_STEPS:
            self.step *= 2
            for appearance in self.appearances.values():
                appearance.coarsen()
        step = int(time / self.step)
        for face in moment.faces:
            shares = np.array(face.prediction.shares)
            one = self.appearances.get(face.track)
            if one is None:
                one = Appearance(face.track, time, time, 0, np.zeros(len(self.classes)))
                self.appearances[face.track] = one
            if one.last < before:
                one.returns.add(step)
            one.last = time
            one.frames += 1
            one.total += shares
            total, count = one.steps.get(step, (np.zeros_like(shares), 0))
            one.steps[step] = (total + shares, count + 1)

    def longest(self, count: int) -> list[Appearance]:
        """Return the faces that are in the most frames, by when they appear."""
        chosen = sorted(self.appearances.values(), key=lambda one: -one.frames)[:count]
        return sorted(chosen, key=lambda one: one.track)


def write_timeline(timeline: Timeline, path: Path, title: str) -> None:
    """Draw the probabilities of each face over time, the six that are seen longest.

    Parameters
    ----------
    timeline : Timeline
    path : Path
        A .png, .svg or .pdf file; written atomically.
    title : str

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    require_figures()
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    shown = timeline.longest(_MOST_DRAWN)
    rows = max(1, len(shown))
    figure = Figure(figsize=(9.6, 1.5 + 1.35 * rows), layout="constrained")
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for axes, appearance in zip(panels, shown, strict=False):
        _draw_appearance(axes, timeline, appearance)
    if not shown:
        panels[0].text(0.5, 0.5, "no face found", ha="center", transform=panels[0].transAxes)
        panels[0].set_yticks([])
    panels[-1].set_xlabel("time in seconds")
    panels[-1].set_xlim(0, max(timeline.seconds, timeline.step))
    left_out = len(timeline.appearances) - len(shown)
    more = f" ({left_out} faces that are seen shorter are left out)" if left_out > 0 else ""
    figure.suptitle(f"{title}{more}".replace("$", r"\$"), x=0.01, ha="left", fontsize=11)
    handles = [
        Patch(facecolor=colour_of(number), edgecolor="#101010", linewidth=0.4, label=name)
        for number, name in enumerate(timeline.classes)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=7, frameon=False, fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=150)


def require_figures() -> None:
    """Make sure that figures can be drawn.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    with needed_for("a timeline", "'ferboost[video]'"):
        import matplotlib.figure  # noqa: F401


def _draw_appearance(axes: "Axes", timeline: Timeline, appearance: Appearance) -> None:
    steps = sorted(appearance.steps)
    means = np.array([appearance.steps[step][0] / appearance.steps[step][1] for step in steps])
    starts = np.array(steps) * timeline.step
    ends = np.minimum(starts + timeline.step, max(timeline.seconds, timeline.step))
    edges = np.stack([starts, ends], axis=1).ravel()
    tops = np.repeat(np.cumsum(means, axis=1), 2, axis=0)
    # Where the face was away, nothing is drawn. With few frames a second, steps are empty as well
    # in which there is no frame.
    is_back = np.isin(steps[1:], list(appearance.returns))
    gaps = np.flatnonzero((np.diff(steps) > 1) & is_back) * 2 + 2
    for part in np.split(np.arange(len(edges)), gaps):
        below = np.zeros(len(part))
        for number in range(len(timeline.classes)):
            above = tops[part, number]
            axes.fill_between(edges[part], below, above, color=colour_of(number), linewidth=0)
            below = above
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "50", "100 %"])
    axes.set_ylabel(f"face {appearance.track}")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
