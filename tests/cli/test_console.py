"""Progress on standard error, and tables."""

import io
import itertools
import re
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from ferboost.cli.console import ConsoleMonitor, print_table

DETAIL = "epoch 12: loss 1.234, accuracy 45.6%, held out 55.1%"


@pytest.mark.parametrize("columns", [80, 130])
def test_progress_shows_the_share_and_all_details(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")  # what makes rich take this for a terminal
    shown = io.StringIO()
    with redirect_stderr(shown), ConsoleMonitor().stage("seed 0: CNN") as tell:
        tell(1, 4, DETAIL)
        tell(4, 4, DETAIL)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue())
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", text)]
    assert max(map(len, lines)) <= columns
    assert any("100%" in line and line.endswith(DETAIL) for line in lines)


def test_what_is_printed_beside_a_bar_goes_where_it_was_meant_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown, printed = io.StringIO(), io.StringIO()
    with redirect_stderr(shown), redirect_stdout(printed), ConsoleMonitor().stage("predict"):
        sys.stdout.write("a.jpg: happy\n")
    assert printed.getvalue() == "a.jpg: happy\n"
    assert "happy" not in shown.getvalue()


def test_a_file_gets_a_line_every_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count(step=10)
    monkeypatch.setattr("ferboost.cli.console.time.monotonic", lambda: float(next(seconds)))
    written = io.StringIO()
    with redirect_stderr(written), ConsoleMonitor().stage("seed 0: CNN") as tell:
        for done in range(9):
            tell(done, 8, DETAIL)
    assert written.getvalue().splitlines() == [
        f"seed 0: CNN: {share}% {DETAIL}, about {left} s left"
        for share, left in (("38", 67), ("88", 11))
    ]


def test_without_an_end_there_is_neither_share_nor_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = itertools.count(step=40)
    monkeypatch.setattr("ferboost.cli.console.time.monotonic", lambda: float(next(seconds)))
    written = io.StringIO()
    with redirect_stderr(written), ConsoleMonitor().stage("camera") as tell:
        tell(5, 0, "20 frames/s")
    assert written.getvalue() == "camera: 20 frames/s\n"


def test_a_table_is_neither_wrapped_nor_cut() -> None:
    printed = io.StringIO()
    with redirect_stdout(printed):
        print_table("faces", ("class", "images"), (("happy", "1,234"), ("x" * 90, "5")))
    assert printed.getvalue().splitlines() == [
        "faces",
        "",
        f"class{' ' * 85}  images",
        f"{'-' * 90}  ------",
        f"happy{' ' * 85}   1,234",
        f"{'x' * 90}       5",
        "",
    ]
