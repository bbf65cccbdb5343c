"""Copy the page of a repetition of the study to docs/, without figures that show faces.

    python scripts/keep_reproduction.py reproductions/study-1

Faces of FER-2013 are not ours to publish: of a figure that shows some, only the caption is kept.
"""

import re
import sys
from pathlib import Path

from ferboost.files import write_text
from ferboost.reproduction import Reproduction

_FIGURE = re.compile(r'<figure id="[^"]*">.*?</figure>', re.DOTALL)
_DRAWING = re.compile(r'<div class="card">.*</div>', re.DOTALL)
# What is beside the page in its folder does not come along.
_ELSEWHERE = re.compile(r'<a href="(?!#|http)[^"]*">(.*?)</a>', re.DOTALL)
_SHOW_FACES = ("One face through the layers", "Training images")
_LEFT_OUT = '<div class="card"><p>Faces of FER-2013, left out of this copy.</p></div>'


def without_faces(page: str) -> str:
    """Return a page without the drawings that hold pictures."""

    def keep(found: re.Match[str]) -> str:
        figure = found.group()
        if not any(f'aria-label="{title}"' in figure for title in _SHOW_FACES):
            return figure
        left_out.append(figure)
        return _DRAWING.sub(_LEFT_OUT, figure)

    left_out: list[str] = []
    kept = _FIGURE.sub(keep, page)
    if len(left_out) != len(_SHOW_FACES):
        sys.exit(f"{len(left_out)} figures with faces were found; expected {len(_SHOW_FACES)}")
    return kept


def main(folder: Path) -> None:
    """Write docs/reproduction.html."""
    reproduction = Reproduction.open(folder)
    data = Path(reproduction.record.data.path)
    page = without_faces(reproduction.page.read_text("utf-8")).replace(str(data), data.name)
    page = _ELSEWHERE.sub(r"\1", page)
    write_text(Path(__file__).parents[1] / "docs" / "reproduction.html", page)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
