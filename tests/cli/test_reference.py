"""docs/cli.md is what the commands say."""

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "write_cli_reference.py"


@pytest.mark.parametrize("columns", ["60", "200"])
def test_the_reference_is_up_to_date_whatever_the_terminal(
    columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("FORCE_COLOR", "1")
    script = runpy.run_path(str(SCRIPT))
    written = script["TARGET"].read_text("utf-8")
    assert script["cli_reference"]() == written, f"run: python {SCRIPT}"
    assert "\x1b" not in written
    for command in ("train", "data generate", "settings"):
        assert f"\n## ferboost {command}\n" in written
