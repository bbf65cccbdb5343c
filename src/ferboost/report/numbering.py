"""Figures of a page in the order that they are shown in, each with its number."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ferboost.report.content import CaptionedFigure
from ferboost.report.svg import inline_svg
from ferboost.report.wording import typeset

__all__ = ["NumberedFigure", "number_figures"]


@dataclass(frozen=True)
class NumberedFigure:
    """A figure as a template shows it; `svg` is markup, the rest text."""

    number: int
    title: str
    caption: str
    svg: str


def number_figures(
    figures: Iterable[CaptionedFigure], numbers: Iterator[int]
) -> tuple[NumberedFigure, ...]:
    """Draw figures for a page, each with the next of its numbers."""
    numbered = []
    for figure in figures:
        number = next(numbers)
        svg = inline_svg(figure.figure, f"figure-{number}", figure.title)
        numbered.append(NumberedFigure(number, figure.title, typeset(figure.caption), svg))
    return tuple(numbered)
