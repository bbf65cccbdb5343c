"""What is kept in a run as JSON is read again, or named where it is damaged."""

from pathlib import Path
from typing import Any

import pytest

from ferboost.errors import RunError
from ferboost.pipeline.kept import read_kept


def read(content: Any) -> int:
    return int(content["number"])


def test_what_is_there_is_read_and_what_is_not_is_none(tmp_path: Path) -> None:
    assert read_kept(tmp_path / "a.json", read, "ferboost x") is None
    (tmp_path / "a.json").write_text('{"number": 7}')
    assert read_kept(tmp_path / "a.json", read, "ferboost x") == 7


@pytest.mark.parametrize(
    "text", ["", "[", "[]", "{}", '{"number": "x"}', '{"number": null}', "\xff"]
)
def test_what_is_damaged_is_named_with_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text, "latin-1")
    with pytest.raises(RunError, match=r"a.json is damaged .*; remove it and run: ferboost x"):
        read_kept(tmp_path / "a.json", read, "ferboost x")
