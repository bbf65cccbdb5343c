"""Tables that say something of images by their names."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import DataError

__all__ = ["NamedRow", "read_named_rows"]

_AMBIGUOUS = -1


@dataclass(frozen=True)
class NamedRow:
    """A row of a table about images.

    Attributes
    ----------
    where : str
        Its line and its file, for messages.
    image : str
        The name as it stands there.
    place : int or None
        Which of the images it is; None for one that is not among them.
    cells : mapping of str to str
        The trimmed cells by column; empty ones where a row is short.
    """

    where: str
    image: str
    place: int | None
    cells: Mapping[str, str]


def read_named_rows(
    path: Path, names: NDArray[np.str_], columns: Sequence[str], kind: str
) -> Iterator[NamedRow]:
    """Read a CSV table about images.

    Parameters
    ----------
    path : Path
        An image is named as in the data set (``test/happy/1.png``), or by the end of its name where
        that is one image's alone (``1.png``).
    names : ndarray of str, shape (n,)
        Of the images.
    columns : sequence of str
        That there must be; the first is that of the images' names.
    kind : str
        What such a table is called, for messages.

    Raises
    ------
    DataError
        If the file is missing or no such table, or names an image that may be several.
    """
    known = _index(names)
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            rows = csv.DictReader(stream, strict=True)
            missing = [c for c in columns if c not in (rows.fieldnames or ())]
            if missing:
                raise DataError(
                    f"{path} has no column {missing[0]!r}; a table of {kind} has the columns "
                    f"{' and '.join(columns)}"
                )
            for row in rows:
                where = f"line {rows.line_num} of {path}"
                cells = {str(name): str(cell or "").strip() for name, cell in row.items()}
                empty = [name for name in columns if not cells[name]]
                if empty:
                    raise DataError(f"{where} lacks its {empty[0]}")
                image = cells[columns[0]]
                place = known.get(image)
                if place == _AMBIGUOUS:
                    raise DataError(
                        f"{where}: {image} is the name of several images; give its folders, too"
                    )
                yield NamedRow(where, image, place, cells)
    except (OSError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a CSV file ({error})") from error


def _index(names: NDArray[np.str_]) -> dict[str, int]:
    """Return where each image is, by its name and by every end of it that begins after a slash.

    What is a whole name is no other image's end.
    """
    whole: dict[str, int] = {}
    ends: dict[str, int] = {}
    for place, name in enumerate(map(str, names)):
        whole[name] = _AMBIGUOUS if name in whole else place
        parts = name.split("/")
        for start in range(1, len(parts)):
            end = "/".join(parts[start:])
            ends[end] = _AMBIGUOUS if end in ends else place
    return ends | whole
