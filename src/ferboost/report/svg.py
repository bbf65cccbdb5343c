"""Matplotlib figures as SVG that can share one HTML page."""

import io
import re
import warnings
from html import escape

import matplotlib as mpl
from matplotlib.figure import Figure

__all__ = ["inline_svg"]

_PROLOG = re.compile(r"^.*?(?=<svg )", re.DOTALL)
# The style element would apply to the whole page, the metadata names web addresses.
_LEFT_OUT = re.compile(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", re.DOTALL)
_OPENING = re.compile(r"<svg [^>]*?viewBox=\"([^\"]*)\"[^>]*>")
_TAG = re.compile(r"<[^<>]+>")
_REFERENCE = re.compile(r"(?<=url\(#)[^)]+(?=\))|(?<=href=\"#)[^\"]+(?=\")")
_IDENTIFIER = re.compile(r" id=\"([^\"]*)\"")
_FONT_FAMILY = re.compile(r"(?<=[\"; ])font-family: [^;\"]*;? ?")


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """Return a figure as an ``<svg>`` element for the body of an HTML page.

    Text stays text, in the page's font: any script that the reader's fonts have is shown, and it
    can be found and copied. The element has no size of its own and fills its container's width.

    Parameters
    ----------
    figure : Figure
    name : str
        Prefix of all identifiers in the element: letters, digits and hyphens, unique in the page.
        What describes the element there has the identifier ``{name}-caption``.
    description : str
        What a reader who cannot see the figure is told.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), warnings.catch_warnings():
        # matplotlib measures the text with its own font, but the browser draws it with others.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        figure.savefig(buffer, format="svg", transparent=True)
    markup = _LEFT_OUT.sub("", _PROLOG.sub("", buffer.getvalue()))
    used = set(_REFERENCE.findall(markup))

    def rename(tag: re.Match[str]) -> str:
        kept = _IDENTIFIER.sub(
            lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", tag[0]
        )
        return _FONT_FAMILY.sub("", _REFERENCE.sub(lambda found: f"{name}-{found[0]}", kept))

    label = escape(description)
    return _OPENING.sub(
        lambda found: (
            f'<svg role="img" aria-label="{label}" aria-describedby="{name}-caption" '
            f'viewBox="{found[1]}">'
        ),
        _TAG.sub(rename, markup),
        count=1,
    ).strip()
