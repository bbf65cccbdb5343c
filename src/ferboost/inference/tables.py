"""Tables written row by row, in constant memory, that appear when they are complete."""

import csv
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from ferboost.extras import needed_for
from ferboost.files import atomic_path

__all__ = ["Cell", "Columns", "WriteRow", "csv_table", "parquet_table", "require_parquet"]

Cell = str | int | float | None
#: The kind of each column, by its name.
Columns = Mapping[str, Literal["text", "whole", "number"]]
WriteRow = Callable[[Sequence[Cell]], None]

_ROWS_OF_GROUP = 10_000


@contextmanager
def csv_table(path: Path, columns: Columns) -> Iterator[WriteRow]:
    """Open a CSV table; yield what adds a row to it."""
    with (
        atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream,
    ):
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(columns)

        def write(row: Sequence[Cell]) -> None:
            table.writerow([f"{cell:.9g}" if isinstance(cell, float) else cell for cell in row])

        yield write


@contextmanager
def parquet_table(path: Path, columns: Columns) -> Iterator[WriteRow]:
    """Open a Parquet table; yield what adds a row to it.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    """
    require_parquet()
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
    rows: list[Sequence[Cell]] = []

    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:

        def flush() -> None:
            if rows:
                columns = [
                    [_in_unicode(cell) for cell in column] for column in zip(*rows, strict=True)
                ]
                writer.write_table(pa.table(columns, schema=schema))
                rows.clear()

        def write(row: Sequence[Cell]) -> None:
            rows.append(row)
            if len(rows) >= _ROWS_OF_GROUP:
                flush()

        yield write
        flush()


def require_parquet() -> None:
    """Make sure that Parquet can be written.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    """
    with needed_for("Parquet", "pyarrow"):
        import pyarrow.parquet  # noqa: F401


def _in_unicode(cell: Cell) -> Cell:
    """Return text without the bytes of file names that are no text."""
    return os.fsencode(cell).decode("utf-8", "replace") if isinstance(cell, str) else cell
