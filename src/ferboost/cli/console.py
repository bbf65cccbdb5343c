"""What the terminal shows: progress bars, tables, JSON."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from ferboost.progress import Monitor, Tell

__all__ = ["ConsoleMonitor", "print_json", "print_table"]

# Redrawing at every step would cost more than the step.
_SECONDS_BETWEEN_UPDATES = 0.1


class ConsoleMonitor(Monitor):
    """Draws a progress bar for each stage on standard error.

    Where standard error is no terminal, a line is printed every half minute instead.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)

    def log(self, message: str) -> None:
        """Print one line above the progress bar."""
        self._console.print(message, markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, description: str) -> Iterator[Tell]:
        """Show a bar with the share done, the time left, and the details told."""
        if not self._console.is_terminal:
            yield _LinePrinter(self._console, description)
            return
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
            console=self._console,
            transient=True,
        ) as progress:
            task = progress.add_task(description, total=None, detail="")
            last = 0.0

            def tell(done: int, total: int, detail: str = "") -> None:
                nonlocal last
                now = time.monotonic()
                if done >= total or now - last > _SECONDS_BETWEEN_UPDATES:
                    last = now
                    progress.update(task, completed=done, total=total, detail=detail)

            yield tell


class _LinePrinter:
    _SECONDS = 30

    def __init__(self, console: Console, description: str) -> None:
        self._console = console
        self._description = description
        self._last = time.monotonic()

    def __call__(self, done: int, total: int, detail: str = "") -> None:
        now = time.monotonic()
        if now - self._last > self._SECONDS:
            self._last = now
            text = f"{self._description}: {done / max(total, 1):.0%} {detail}".rstrip()
            self._console.print(text, markup=False, soft_wrap=True)


def print_json(content: Any) -> None:  # Any: whatever json can encode
    """Print one JSON document on standard output, and nothing else there."""
    sys.stdout.write(json.dumps(content, indent=1, allow_nan=False) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on standard output; all columns but the first are aligned to the right."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position else "left")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False, emoji=False).print(table)
