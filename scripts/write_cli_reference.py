"""Write docs/cli.md: the help of every command, and every setting."""

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import typer
from typer.main import get_command

from ferboost.cli import app
from ferboost.cli.settings import settings

TARGET = Path(__file__).parents[1] / "docs" / "cli.md"

_INTRODUCTION = """\
# Command line

Written by `scripts/write_cli_reference.py` from the commands themselves; a test compares.

Results go to standard output, progress to standard error. `--json` prints one JSON document and
nothing else. An error is one line on standard error that begins with `ferboost: error:`. Exit
codes: 0 done, 1 failed, 2 wrong command, option or setting, 130 interrupted.
"""


def cli_reference() -> str:
    """Return the whole reference as Markdown, the same on every terminal."""
    listing = io.StringIO()
    with redirect_stdout(listing):
        settings()
    sections = [_INTRODUCTION]
    sections += [f"## {name}\n\n{_block(text)}" for name, text in _help_pages()]
    sections.append(
        f"## Settings\n\nWhat `ferboost settings` prints.\n\n{_block(listing.getvalue())}"
    )
    return "\n".join(sections)


def _help_pages() -> Iterator[tuple[str, str]]:
    root = get_command(app)
    waiting = [("ferboost", root)]
    while waiting:
        name, command = waiting.pop(0)
        context = typer.Context(command, info_name=name, terminal_width=80)
        yield name, command.get_help(context)
        children = getattr(command, "commands", {})
        waiting[:0] = [(f"{name} {child}", children[child]) for child in children]


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"


if __name__ == "__main__":
    TARGET.write_text(cli_reference(), "utf-8")
