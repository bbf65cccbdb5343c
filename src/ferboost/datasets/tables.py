"""FER-2013's CSV and Parquet editions."""

import csv
import io
import json
import warnings
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferboost.datasets.assembly import LabelledFace, Progress, parse_split
from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.datasets.images import decode_face
from ferboost.emotions import FER2013_ORDER
from ferboost.errors import DataError
from ferboost.extras import needed_for

if TYPE_CHECKING:
    import _csv  # the type of csv.reader has no public name before Python 3.12

__all__ = ["parse_label", "read_csv", "read_parquet", "row_name"]

_PIXELS = IMAGE_SIZE * IMAGE_SIZE
_LABEL_COLUMNS = ("emotion", "label", "labels", "class")
_SPLIT_COLUMNS = ("usage", "split")
_IMAGE_COLUMNS = ("image", "img", "bytes", "image_bytes", "img_bytes", "pixels")
_LONGEST_LINE = 1_000_000


def row_name(index: int) -> str:
    """Return the name given to the image in row `index` (from 0) of a table without names."""
    return f"row-{index:07d}"


def read_csv(
    stream: IO[bytes], source: str, split: str | None, size: int, progress: Progress
) -> Iterator[LabelledFace]:
    """Read ``emotion,pixels,Usage`` in any order of the columns, one row at a time.

    Parameters
    ----------
    stream : binary file
        It is closed at the end.
    source : str
        For messages.
    split : str or None
        The split of all rows, where no column names it.
    size : int
        Bytes in the stream, for `progress`, which is told bytes.

    Raises
    ------
    DataError
        If a column is missing, or a row is not a label and 2,304 pixels from 0 to 255; the message
        names the line.
    """
    csv.field_size_limit(_LONGEST_LINE)
    with io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(text)
        try:
            yield from _read_rows(rows, source, split, size, progress)
        except csv.Error as error:
            raise DataError(f"line {rows.line_num} of {source} is not CSV: {error}") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{source} is not UTF-8 text (after line {rows.line_num})") from error


def _read_rows(
    rows: "_csv.Reader", source: str, split: str | None, size: int, progress: Progress
) -> Iterator[LabelledFace]:
    header = [column.strip().casefold() for column in next(rows, [])]
    label_at = _find_column(header, _LABEL_COLUMNS, source)
    pixels_at = _find_column(header, ("pixels",), source)
    usage_at = next((header.index(c) for c in _SPLIT_COLUMNS if c in header), None)
    done = 0
    for index, row in enumerate(filter(None, rows)):
        where = f"line {rows.line_num} of {source}"
        if len(row) != len(header):
            raise DataError(f"{where} has {len(row)} columns, expected {len(header)}")
        yield LabelledFace(
            name=row_name(index),
            split=split if usage_at is None else _split_of(row[usage_at], where),
            label=parse_label(row[label_at], where),
            face=_parse_pixels(row[pixels_at], where),
        )
        done += sum(map(len, row)) + len(row)
        progress(min(done, size), size)
    progress(size, size)


def _find_column(header: list[str], names: Iterable[str], source: str) -> int:
    for name in names:
        if name in header:
            return header.index(name)
    found = ", ".join(repr(column) for column in header[:6] if column)[:100] or "nothing"
    raise DataError(
        f"{source} has no column {next(iter(names))!r} in its first line (found: {found}); "
        "expected emotion,pixels,Usage"
    )


def _split_of(text: str, where: str) -> str:
    split = parse_split(text)
    if split is None:
        raise DataError(
            f"{where} has the usage {text[:40]!r}; expected Training, Validation, PublicTest or "
            "PrivateTest"
        )
    return split


def parse_label(text: str, where: str) -> str:
    """Return the class that a cell names: an emotion where it is a number from 0 to 6.

    Raises
    ------
    DataError
        If the cell is empty or another number, "nan" included.
    """
    label = text.strip()
    try:
        number = float(label)
    except ValueError:
        number = None
    if number is not None and number in range(len(FER2013_ORDER)):
        return FER2013_ORDER[int(number)]
    if number is not None or not label:
        raise DataError(f"{where} has the label {label[:40]!r}; expected 0 to 6 or a class name")
    return label


def _parse_pixels(text: str, where: str) -> NDArray[np.uint8]:
    with warnings.catch_warnings():
        # DeprecationWarning is how numpy reports text that is no number.
        warnings.simplefilter("error", DeprecationWarning)
        try:
            values = np.fromstring(text, dtype=np.int64, sep=" ")
        except (DeprecationWarning, ValueError) as error:
            raise DataError(f"{where} has pixels that are not whole numbers") from error
    if len(values) != _PIXELS:
        raise DataError(f"{where} has {len(values):,} pixels, expected {_PIXELS:,} (48 x 48)")
    if values.min() < 0 or values.max() > 255:
        raise DataError(f"{where} has a pixel outside of 0 to 255")
    return values.astype(np.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE)


def read_parquet(
    stream: IO[bytes], source: str, split: str | None, progress: Progress
) -> Iterator[LabelledFace]:
    """Read a Parquet file with one encoded image and one label a row, in batches.

    Images are bytes, or ``{"bytes": ..., "path": ...}`` as Hugging Face's datasets store them;
    class names are taken from that library's metadata where present.

    Parameters
    ----------
    stream : binary file
    source : str
        For messages.
    split : str or None
        The split of all rows, where no column names it.

    Raises
    ------
    DataError
        If the file is no Parquet file, or a column or an image cannot be used.
    MissingExtraError
        If pyarrow is not installed.
    """
    with needed_for(f"reading {source}"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    try:
        table = pq.ParquetFile(stream)
        header = [name.casefold() for name in table.schema_arrow.names]
        label_at = _find_column(header, _LABEL_COLUMNS, source)
        image_at = _find_column(header, _IMAGE_COLUMNS, source)
        split_at = next((header.index(c) for c in _SPLIT_COLUMNS if c in header), None)
        class_names = _class_names(table.schema_arrow.metadata, table.schema_arrow.names[label_at])
        total = table.metadata.num_rows
        index = 0
        for batch in table.iter_batches(batch_size=1024):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                where = f"row {index + 1} of {source}"
                content, name = _image_bytes(row[image_at], where)
                face, changes = decode_face(content, where)
                yield LabelledFace(
                    name=name or row_name(index),
                    split=split if split_at is None else _split_of(str(row[split_at]), where),
                    label=_parquet_label(row[label_at], class_names, where),
                    face=face,
                    changes=changes,
                )
                index += 1
            progress(index, total)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = "".join(filter(str.isprintable, str(error).partition("\n")[0]))
        raise DataError(f"{source} is not a complete Parquet file ({reason})") from error


def _class_names(metadata: dict[bytes, bytes] | None, column: str) -> list[str] | None:
    try:
        described = json.loads((metadata or {})[b"huggingface"])
        names = described["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def _image_bytes(cell: object, where: str) -> tuple[bytes, str | None]:
    if isinstance(cell, dict):
        path = cell.get("path")
        cell, name = cell.get("bytes"), path if isinstance(path, str) else None
    else:
        name = None
    if not isinstance(cell, bytes):
        raise DataError(f"{where} holds no image bytes but {type(cell).__name__}")
    return cell, name


def _parquet_label(cell: object, class_names: list[str] | None, where: str) -> str:
    if class_names is not None and isinstance(cell, int):
        if not 0 <= cell < len(class_names):
            raise DataError(f"{where} has the label {cell}, expected 0 to {len(class_names) - 1}")
        return class_names[cell]
    return parse_label("" if cell is None else str(cell), where)
