"""Settings in TOML files."""

from pathlib import Path

import pytest

from ferboost.config import Settings
from ferboost.errors import SettingsError
from ferboost.settings import load_settings
from ferboost.settings_files import (
    difference,
    flatten,
    nest,
    read_settings_file,
    setting_names,
    to_toml,
)


def test_names_are_those_of_the_settings() -> None:
    assert {"preset", "cnn.learning_rate", "trees.max_depth", "data.balance"} <= set(
        setting_names()
    )
    values = flatten(Settings().model_dump())
    assert flatten(nest(values)) == values


def test_what_differs_is_written_and_read_again(tmp_path: Path) -> None:
    overrides = ["cnn.learning_rate=1e-5", "cnn.patience=none", "data.balance=true"]
    overrides += ["trees.early_stopping=none", 'trees.taps=["pooled"]', "cnn.blocks=[1,2]"]
    chosen = load_settings("strong", overrides)
    values = difference(chosen, load_settings("strong"))
    assert set(values) == {
        "cnn.learning_rate", "data.balance", "trees.early_stopping", "cnn.blocks"
    }  # fmt: skip
    file = tmp_path / "best.toml"
    file.write_text(to_toml({"preset": "strong", **values}, "Found.\nBy a test."), "utf-8")
    assert file.read_text("utf-8").startswith("# Found.\n# By a test.\npreset = ")
    preset, changes = read_settings_file(file)
    assert preset == "strong"
    assert load_settings(preset, (), **changes) == chosen


def test_any_letter_is_written_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "best.toml"
    path.write_text(to_toml({"data.doubts": "\U0001f600/ä.csv"}, "Found."), "utf-8")
    assert read_settings_file(path)[1] == {"data": {"doubts": "\U0001f600/ä.csv"}}


def test_what_can_be_none_is_so_in_a_file_and_on_the_command_line() -> None:
    names = [name for name, value in flatten(Settings().model_dump()).items() if value is None]
    assert names == ["data.doubts", "cnn.patience", "trees.early_stopping"]
    for name in names:
        assert flatten(nest({name: "none"})) == {name: None}
        assert flatten(load_settings(overrides=[f"{name}=none"]).model_dump())[name] is None
    assert nest({"trees.class_weights": "none"}) == {"trees": {"class_weights": "none"}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("seeds = [1]", "seeds is not for a file; give it by --seeds"),
        ("protocol = 'paper'", "give it by --protocol"),
        ("preset = 'big'", "no preset 'big'"),
        ("preset = ['fast']", r"no preset \['fast'\]; there are: "),
        ("[cnn]\nepoch = 3", r"no setting 'cnn\.epoch'; did you mean cnn\.epochs"),
        ("overrides = 3", "no setting 'overrides'"),
        ("cnn = 3", "no setting 'cnn'"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(content, "utf-8")
    with pytest.raises(SettingsError, match=message) as caught:
        read_settings_file(file)
    assert str(caught.value).startswith(str(file))
