"""What a model is known to fail at, on drawn faces: nobody's photograph is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from ferboost.datasets.synthetic import draw_emotion
from ferboost.emotions import EMOTIONS
from ferboost.evaluation.corruptions import CORRUPTIONS
from ferboost.evaluation.robustness import RobustnessCurve
from ferboost.report.style import INK, MUTED, plain_text

__all__ = ["Mistake", "plot_failures"]

_COLUMNS = 4
#: Inches of a row: of a pair of faces and its words, of a single one.
_PAIR_HEIGHT, _FACE_HEIGHT = 1.9, 2.15
_HEADING_HEIGHT = 0.45
#: Letters beside each other below a face.
_LINE_LENGTH = 24
#: Of accuracy, as a share of all faces.
_MUCH = 0.1
#: Whose face is made worse. Without one, a data set of other classes has nothing to draw.
_SHOWN = "happy"


@dataclass(frozen=True)
class Mistake:
    """One emotion taken for another.

    Attributes
    ----------
    true, said : str
    count : int
        Faces of `true`, over all seeds, for which the model said `said`.
    of : int
        Faces of `true`, over all seeds.
    """

    true: str
    said: str
    count: int
    of: int

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.count / self.of


def plot_failures(mistakes: Sequence[Mistake], curves: Sequence[RobustnessCurve] = ()) -> Figure:
    """Draw the commonest mistakes, and how much worse faces may get.

    Parameters
    ----------
    mistakes : sequence of Mistake
    curves : sequence of RobustnessCurve
        Of one variant; nothing is said of worse faces where there are none.
    """
    # One row even where nothing is mistaken, which the heading then says alone.
    pair_rows, face_rows = max(1, -(-len(mistakes) // 2)), -(-len(curves) // _COLUMNS)
    heights = [_HEADING_HEIGHT + _PAIR_HEIGHT * pair_rows]
    if curves:
        heights.append(_HEADING_HEIGHT + _FACE_HEIGHT * face_rows)
    figure = Figure(figsize=(7.0, sum(heights)), layout=ConstrainedLayoutEngine(wspace=0.08))
    parts = figure.subfigures(len(heights), height_ratios=heights, squeeze=False)[:, 0]
    _draw_mistakes(parts[0], mistakes, pair_rows)
    if curves:
        _draw_worse(parts[1], curves, face_rows)
    return figure


def _draw_mistakes(part: SubFigure, mistakes: Sequence[Mistake], rows: int) -> None:
    words = "Most often mistaken (drawn faces, as a model sees them)"
    _head(part, words if mistakes else "Nothing was mistaken")
    places = part.subplots(rows, _COLUMNS, squeeze=False)
    for place in places.ravel():
        place.set_axis_off()
    for number, mistake in enumerate(mistakes):
        left, right = places[number // 2, 2 * (number % 2) :][:2]
        _show(left, _drawn(mistake.true))
        _show(right, _drawn(mistake.said))
        left.set_title(plain_text(mistake.true), fontsize=9.5, color=INK, pad=3)
        share = f"{100 * mistake.share:.0f} %: {mistake.count:,} of {mistake.of:,}"
        title = f"said: {plain_text(mistake.said)}\n{share}"
        right.set_title(title, fontsize=9.5, color=INK, pad=3)
        right.annotate(
            "",
            xy=(-0.02, 0.5),
            xytext=(-0.14, 0.5),
            xycoords="axes fraction",
            arrowprops={"arrowstyle": "-|>", "color": MUTED},
            annotation_clip=False,
        )


def _draw_worse(part: SubFigure, curves: Sequence[RobustnessCurve], rows: int) -> None:
    right, much = 100 * curves[0].accuracy[0], 100 * _MUCH
    _head(part, f"Worse faces, from {right:.0f} %: first step to cost {much:.0f} points, or last")
    places = part.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for place in places:
        place.set_axis_off()
    ways = {corruption.name: corruption for corruption in CORRUPTIONS}
    for place, curve in zip(places, curves, strict=False):
        losses = np.round(curve.accuracy[0] - np.array(curve.accuracy), 6)
        step = int(np.argmax(losses >= _MUCH)) or len(losses) - 1
        strength = curve.strengths[step]
        face = _drawn(_SHOWN)
        if face is not None and curve.corruption in ways:
            face = ways[curve.corruption].apply(face[None], strength, np.random.default_rng(0))[0]
        _show(place, face)
        title = f"{curve.corruption}: {100 * curve.accuracy[step]:.0f} %"
        place.set_title(title, fontsize=9.5, color=INK, pad=3)
        words = fill(f"{curve.unit}: {strength:g}", _LINE_LENGTH)
        place.text(
            0.5,
            -0.04,
            words,
            ha="center",
            va="top",
            color=INK,
            fontsize=8,
            transform=place.transAxes,
        )


def _head(part: SubFigure, words: str) -> None:
    part.suptitle(words, x=0.01, ha="left", fontsize=10.5, fontweight="bold", color=INK)


def _drawn(emotion: str) -> NDArray[np.uint8] | None:
    return draw_emotion(emotion) if emotion in EMOTIONS else None


def _show(place: Axes, face: NDArray[np.uint8] | None) -> None:
    if face is None:
        place.text(0.5, 0.5, "no drawing", ha="center", va="center", color=MUTED, fontsize=9.5)
    else:
        place.imshow(face, cmap="gray", vmin=0, vmax=255)
