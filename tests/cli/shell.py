"""Running the command line in this process and in processes of its own."""

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from ferboost.cli import main
from ferboost.emotions import FERPLUS_COLUMNS

#: A network and trees that are trained in a second.
SMALL = (
    "--set=number_format=float32",
    "--set=cnn.epochs=2",
    "--set=cnn.filters=[4,4]",
    "--set=cnn.dense=[8,7]",
    "--set=trees.rounds=2",
    '--set=trees.taps=["fc1","pixels"]',
)


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Trained:
    """A finished run of two seeds, the data that it was made of, and what the command said."""

    run: Path
    faces: Path
    outcome: Outcome


def ferboost(*arguments: object) -> Outcome:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["ferboost", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
    return Outcome(int(stop.value.code or 0), out.getvalue(), err.getvalue())


@contextmanager
def process(*arguments: object, before: str = "") -> Iterator["subprocess.Popen[str]"]:
    """Run a command in a process of its own, after the Python code `before`."""
    program = f"{before}\nfrom ferboost.cli import main\nmain()"
    with subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8", "OMP_NUM_THREADS": "1"},
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def ferboost_process(*arguments: object, before: str = "") -> Outcome:
    """Run a command in a process of its own, after the Python code `before`, to its end."""
    with process(*arguments, before=before) as started:
        out, err = started.communicate()
    return Outcome(started.returncode, out, err)


def vote_for_labels(faces: Path, votes: Path) -> None:
    """Write FER+ votes, six of 16 for the label, for a zip of folders of faces."""
    columns = tuple(FERPLUS_COLUMNS)
    rows = [("Usage", "Image name", *columns)]
    with zipfile.ZipFile(faces) as archive:
        for name in sorted(archive.namelist()):
            given = [FERPLUS_COLUMNS[c] == Path(name).parent.name for c in columns]
            rows.append(("", Path(name).name, *(str(1 + 5 * own) for own in given)))
    votes.write_text("\n".join(map(",".join, rows)))
