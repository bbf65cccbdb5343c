"""What the terminal shows: progress bars, tables, JSON."""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ferboost.errors import FerboostError, GroupError, StorageError
from ferboost.progress import Monitor, Tell

__all__ = [
    "ConsoleMonitor",
    "Interrupted",
    "one_line",
    "print_json",
    "print_json_list",
    "print_table",
    "resumable",
]

# Redrawing at every step would cost more than the step.
_SECONDS_BETWEEN_UPDATES = 0.1
_SECONDS_BETWEEN_LINES = 30


class Interrupted(FerboostError):
    """The user stopped the work; the message says how to go on with it."""


class ConsoleMonitor(Monitor):
    """Draws a progress bar for each stage on standard error.

    Where standard error is no terminal, a line is printed every half minute instead.
    """

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)

    def log(self, message: str) -> None:
        """Print one line above the progress bar."""
        self._console.print(message, markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, description: str) -> Iterator[Tell]:
        """Show a bar with the share done, the time left, and the details told."""
        if not self._console.is_terminal:
            yield _LinePrinter(self, description)
            return
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.table import Column

        # In 80 columns there is room for the share, the time left and the details, no more.
        wide = self._console.width >= 110
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            *((BarColumn(bar_width=20),) if wide else ()),
            TaskProgressColumn(),
            *((TimeElapsedColumn(),) if wide else ()),
            TimeRemainingColumn(),
            TextColumn(
                "{task.fields[detail]}",
                markup=False,
                table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            ),
            console=self._console,
            # What is printed meanwhile goes above the bar, but not where it goes to a file or pipe.
            redirect_stdout=sys.stdout.isatty(),
            transient=True,
            expand=True,
        ) as progress:
            task = progress.add_task(description, total=None, detail="")
            last = 0.0

            def tell(done: int, total: int, detail: str = "") -> None:
                nonlocal last
                now = time.monotonic()
                if 0 < total <= done or now - last > _SECONDS_BETWEEN_UPDATES:
                    last = now
                    progress.update(task, completed=done, total=total or None, detail=detail)

            yield tell


class _LinePrinter:
    def __init__(self, monitor: ConsoleMonitor, description: str) -> None:
        self._monitor = monitor
        self._description = description
        self._last = self._start = time.monotonic()
        self._first: int | None = None

    def __call__(self, done: int, total: int, detail: str = "") -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = done  # what was done before this process took no time of it
        if now - self._last > _SECONDS_BETWEEN_LINES:
            self._last = now
            share = f"{done / total:.0%} " if total else ""
            text = f"{self._description}: {share}{detail}".rstrip()
            if self._first < done < total:
                left = (now - self._start) * (total - done) / (done - self._first)
                text += f", about {_in_words(left)} left"
            self._monitor.log(text)


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def print_json(content: Any) -> None:  # Any: whatever json can encode
    """Print one JSON document on standard output, and nothing else there."""
    sys.stdout.write(json.dumps(content, indent=1, allow_nan=False) + "\n")


def print_json_list(items: Iterable[Any]) -> None:  # Any: whatever json can encode
    """Print a list as one JSON document on standard output, each item as it comes."""
    separator = "["
    for item in items:
        sys.stdout.write(f"{separator}\n{json.dumps(item, indent=1, allow_nan=False)}")
        separator = ","
    sys.stdout.write("[]\n" if separator == "[" else "\n]\n")


def one_line(text: str) -> str:
    """Return a text without line breaks and what else a terminal would not show."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


@contextmanager
def resumable(command: str) -> Iterator[None]:
    """Say by what command to go on after an interruption, a full disk or a lost process."""
    how = f"go on with: {command}"
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(how) from None
    except GroupError as error:
        raise GroupError(f"{error}; {how}") from error
    except StorageError as error:
        raise StorageError(f"{error}; then {how}") from error


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on standard output; all columns but the first are aligned to the right.

    Nothing is wrapped or cut, whether it goes to a terminal, a file or another program.
    """
    from rich.cells import cell_len  # a Chinese character is two columns wide

    widths = [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]
    sys.stdout.write(f"{title}\n\n")
    for row in (columns, ["-" * width for width in widths], *rows):
        gaps = [" " * (width - cell_len(cell)) for width, cell in zip(widths, row, strict=True)]
        first, *others = zip(row, gaps, strict=True)
        cells = ["".join(first), *(gap + cell for cell, gap in others)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    sys.stdout.write("\n")
