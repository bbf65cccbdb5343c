"""Help, version, start-up, missing packages, and the ways in which output can be cut off."""

import json
import os
from importlib.metadata import version
from pathlib import Path

import pytest
from shell import Trained, ferboost, ferboost_process, process

from ferboost.cli.application import app
from ferboost.config import TAPS
from ferboost.presets import PRESETS

COMMANDS = (
    "train",
    "boost",
    "tune",
    "reproduce",
    "evaluate",
    "calibrate",
    "robustness",
    "explain",
    "labels",
    "drift",
    "compare",
    "export",
    "predict",
    "serve",
    "page",
    "report",
    "card",
    "settings",
    "demo",
    "data info",
    "data check",
    "data convert",
    "data generate",
)
HEAVY = ("torch", "xgboost", "sklearn", "scipy", "matplotlib", "numpy", "pydantic", "rich")


def test_help_imports_nothing_heavy() -> None:
    says_what_is_loaded = (
        "import atexit, sys\n"
        f"heavy = {HEAVY}\n"
        "atexit.register(lambda: print('loaded:', [m for m in heavy if m in sys.modules]))"
    )
    outcome = ferboost_process("--help", before=says_what_is_loaded)
    assert outcome.code == 0
    assert outcome.out.endswith("loaded: []\n")


def test_no_command_shows_the_help() -> None:
    for arguments in ((), ("data",)):
        outcome = ferboost(*arguments)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out == ferboost(*arguments, "--help").out


def test_help_lists_every_command_in_full() -> None:
    listed = ferboost("--help").out + ferboost("data", "--help").out
    for command in COMMANDS:
        assert f"\n  {command.rpartition(' ')[2]} " in listed
    assert "..." not in listed.replace("[ARGS]...", "")
    assert len(app.registered_commands) == sum(" " not in command for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_of_at_most_80_columns(command: str) -> None:
    outcome = ferboost(*command.split(), "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"Usage: ferboost {command} ")
    assert max(map(len, outcome.out.splitlines())) <= 80


def test_help_names_the_presets_the_protocols_the_taps_and_where_the_settings_are() -> None:
    text = " ".join(ferboost("train", "--help").out.split())
    for word in (*PRESETS, "clean", "paper", "ferboost settings"):
        assert word in text
    for command in ("boost", "export", "predict"):
        text = ferboost(command, "--help").out
        assert all(tap in text for tap in TAPS)


def test_version_is_that_of_the_package() -> None:
    outcome = ferboost("--version")
    assert (outcome.code, outcome.out) == (0, f"ferboost {version('ferboost')}\n")


def without(module: str) -> str:
    return (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {module!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )


@pytest.mark.parametrize("module", ["torch", "xgboost", "matplotlib"])
def test_a_missing_package_is_one_line_that_says_what_to_install(
    module: str, trained: Trained, workplace: Path
) -> None:
    outcome = ferboost_process("train", trained.faces, before=without(module))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"ferboost: error: this needs {module}; run: pip install 'ferboost[train]'\n"
    )
    assert not list(workplace.iterdir())


@pytest.mark.parametrize("module", ["fastapi", "httptools", "python_multipart", "uvicorn"])
def test_a_missing_package_that_serves_is_named(module: str) -> None:
    outcome = ferboost_process("serve", "--port", 0, before=without(module))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"ferboost: error: this needs {module}; run: pip install 'ferboost[serve]'\n"
    )


def test_a_data_set_is_described_without_the_packages_that_train(trained: Trained) -> None:
    for module in ("torch", "xgboost", "sklearn", "scipy", "matplotlib"):
        assert ferboost_process("data", "info", trained.faces, before=without(module)).code == 0


def test_a_missing_package_that_reads_parquet_is_named(workplace: Path) -> None:
    Path("faces.parquet").write_bytes(b"")
    outcome = ferboost_process("data", "info", "faces.parquet", before=without("pyarrow"))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("ferboost: error: ")
    assert "pip install 'ferboost[train]'" in outcome.err


def test_a_reader_that_leaves_early_causes_no_complaint() -> None:
    with process("settings") as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.close()
        assert started.stderr.read() == ""
        assert started.wait() == 1


def test_a_full_disk_behind_the_output_is_an_error() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    in_full = "import os, sys; sys.stdout = open('/dev/full', 'w')"
    outcome = ferboost_process("settings", before=in_full)
    assert outcome.code == 1
    assert outcome.err.startswith("ferboost: error: cannot write the output: ")
    assert outcome.err.count("\n") == 1


def test_names_that_the_terminal_cannot_show_are_escaped(trained: Trained) -> None:
    name = os.fsdecode(b"smile\xff.txt")
    outcome = ferboost("data", "info", name)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("ferboost: error: ")
    in_ascii = "import sys; sys.stdout.reconfigure(encoding='ascii')"
    assert ferboost_process("train", "--help", before=in_ascii).code == 0


def test_json_alone_is_printed_on_standard_output(trained: Trained) -> None:
    for arguments in (
        ("settings",),
        ("data", "info", trained.faces),
        ("data", "check", trained.faces),
        ("evaluate", trained.run, trained.faces),
        ("compare", trained.run, trained.faces),
    ):
        outcome = ferboost(*arguments, "--json")
        assert outcome.code == 0
        assert outcome.err == ""
        assert json.loads(outcome.out)
