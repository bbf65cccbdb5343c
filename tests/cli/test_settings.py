"""``ferboost settings``."""

import json

from shell import ferboost

from ferboost.config import Settings
from ferboost.settings import load_settings


def listed(*arguments: str) -> dict[str, dict[str, object]]:
    rows = json.loads(ferboost("settings", *arguments, "--json").out)
    return {row.pop("key"): row for row in rows}


def keys(tree: dict[str, object], prefix: str = "") -> list[str]:
    return [
        name
        for key, value in tree.items()
        for name in (keys(value, f"{key}.") if isinstance(value, dict) else [prefix + key])
    ]


def test_every_setting_without_an_option_is_listed_with_a_meaning() -> None:
    settings = listed()
    assert ["preset", "protocol", *settings] == keys(Settings().model_dump(mode="json"))
    for row in settings.values():
        assert str(row["meaning"]).endswith((".", ")"))
        assert row["allowed"]


def test_what_is_listed_can_be_set() -> None:
    lines = [line for line in ferboost("settings").out.splitlines() if not line.startswith(" ")]
    assert len(lines) == len(listed())
    assert load_settings(overrides=lines) == load_settings()


def test_changes_show() -> None:
    settings = listed("--set", "cnn.epochs=7", "--set", "cnn.patience=3")
    assert (settings["cnn.epochs"]["value"], settings["cnn.patience"]["value"]) == (7, 3)


def test_what_a_setting_can_be_is_in_words() -> None:
    allowed = {key: row["allowed"] for key, row in listed().items()}
    assert allowed["cnn.epochs"] == "whole number, at least 1, at most 1,000,000"
    assert allowed["cnn.dropout"] == "number, at least 0, below 1"
    assert allowed["cnn.patience"] == "whole number, at least 1, at most 1,000,000; or none"
    assert allowed["cnn.pooling"] == "one of: max, average, none"
    words = "list of 2, each whole number, at least 1, at most 1,000,000"
    assert allowed["cnn.dense"] == words
    assert allowed["data.balance"] == "true or false"


def test_lines_have_at_most_80_columns() -> None:
    assert max(map(len, ferboost("settings").out.splitlines())) <= 80
