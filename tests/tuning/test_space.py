"""Spaces as data: what they hold, and what is refused."""

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from ferboost.cli.tuning import TUNE_EXAMPLES
from ferboost.config import Settings
from ferboost.errors import SettingsError
from ferboost.presets import PRESETS
from ferboost.settings import load_settings
from ferboost.tuning import Choices, Range, SearchSpace, parse_space, read_space

TOML = """
[cnn]
weight_decay = { low = 0.0, high = 0.1, points = 2, when = { "cnn.optimizer" = "muon" } }
learning_rate = { low = 1e-5, high = 1e-1, log = true, points = 5 }
optimizer = ["adam", "muon"]
filters = [[16, 32], [32, 64, 64]]

[trees]
max_depth = { low = 2, high = 8, step = 2 }
"""


def test_a_space_reads_alike_from_toml_json_and_python(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text(TOML, "utf-8")
    space = read_space(file)
    assert space == SearchSpace(
        {
            "cnn.weight_decay": Range(0.0, 0.1, points=2, when={"cnn.optimizer": "muon"}),
            "cnn.learning_rate": Range(1e-5, 1e-1, log=True, points=5),
            "cnn.optimizer": Choices(("adam", "muon")),
            "cnn.filters": Choices(((16, 32), (32, 64, 64))),
            "trees.max_depth": Range(2, 8, step=2),
        }
    )
    assert parse_space(space.to_dict()) == space


def test_a_setting_stands_after_those_that_its_condition_names(tmp_path: Path) -> None:
    names = list(
        parse_space(
            {
                "cnn": {
                    "mirror": {"values": [True], "when": {"cnn.architecture": "residual"}},
                    "architecture": ["published", "residual"],
                }
            }
        ).parameters
    )
    assert names == ["cnn.architecture", "cnn.mirror"]


def test_a_grid_has_every_point_once_and_conditions_hold(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text(TOML, "utf-8")
    points = read_space(file).grid()
    assert len(points) == 5 * (1 + 2) * 2 * 4
    assert len({tuple(sorted(point.items())) for point in points}) == len(points)
    for point in points:
        assert ("cnn.weight_decay" in point) == (point["cnn.optimizer"] == "muon")
    assert {point["cnn.learning_rate"] for point in points} == {1e-5, 1e-4, 1e-3, 1e-2, 1e-1}
    assert {point["trees.max_depth"] for point in points} == {2, 4, 6, 8}


def test_the_grid_of_the_study_has_125_points() -> None:
    powers = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
    space = parse_space(
        {"cnn": {"l2": powers, "learning_rate": powers, "batch_size": [8, 16, 32, 64, 128]}}
    )
    assert len(space.grid()) == 125
    assert space.grid()[1] == {
        "cnn.l2": 1e-5, "cnn.learning_rate": 1e-5, "cnn.batch_size": 16
    }  # fmt: skip


def test_a_condition_on_a_condition_holds_where_both_do() -> None:
    space = parse_space(
        {
            "cnn.architecture": ["published", "residual"],
            "cnn.optimizer": {"values": ["adam", "muon"], "when": {"cnn.architecture": "residual"}},
            "cnn.weight_decay": {
                "low": 0.0, "high": 0.1, "points": 2, "when": {"cnn.optimizer": ["muon"]}
            },
        }
    )  # fmt: skip
    assert [len(point) for point in space.grid()] == [1, 2, 3, 3]


def test_a_list_is_a_value_in_a_condition_where_it_can_be() -> None:
    filters = [[8, 8], [4, 4]]
    for wanted in ([8, 8], [[8, 8]]):
        space = parse_space(
            {
                "cnn.filters": filters,
                "cnn.dropout": {
                    "low": 0,
                    "high": 0.5,
                    "points": 3,
                    "when": {"cnn.filters": wanted},
                },
            }
        )
        assert len(space.grid()) == 4


def test_the_values_of_a_point_become_settings() -> None:
    space = parse_space({"cnn.patience": ["none", 3], "cnn.dense": [[8, 6]], "trees.gamma": [0.5]})
    settings = space.apply(
        Settings(), {"cnn.patience": "none", "cnn.dense": (8, 6), "trees.gamma": 0.5}
    )
    assert (settings.cnn.patience, settings.cnn.dense, settings.trees.gamma) == (None, (8, 6), 0.5)
    space.check(Settings())


def test_what_does_not_count_has_its_default() -> None:
    space = parse_space(
        {
            "cnn.optimizer": ["adam", "muon"],
            "cnn.weight_decay": {"values": [0.1], "when": {"cnn.optimizer": "muon"}},
        }
    )
    fast = load_settings("fast")
    assert space.apply(fast, {"cnn.optimizer": "adam"}).cnn.weight_decay == 0
    assert space.apply(fast, {"cnn.optimizer": "muon", "cnn.weight_decay": 0.1}) != fast


GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"
IN_GUIDE = re.search(
    r"```toml\n(\[cnn\]\nlearning_rate = \{ low.*?)```", GUIDE.read_text("utf-8"), re.DOTALL
)
IN_HELP = TUNE_EXAMPLES[TUNE_EXAMPLES.index("  [cnn]") : TUNE_EXAMPLES.rindex("\n\n")]


@pytest.mark.parametrize("preset", PRESETS)
def test_the_documented_space_goes_with_every_preset(preset: str, tmp_path: Path) -> None:
    assert IN_GUIDE is not None
    for text in (IN_GUIDE[1], dedent(IN_HELP)):
        file = tmp_path / "space.toml"
        file.write_text(text, "utf-8")
        space = read_space(file)
        assert "cnn.weight_decay" in space.parameters
        space.check(load_settings(preset))


def test_a_whole_number_is_none_of_a_setting_of_fractions() -> None:
    spec = parse_space({"cnn.dropout": {"low": 0, "high": 1, "points": 3}}).parameters[
        "cnn.dropout"
    ]
    assert isinstance(spec, Range)
    assert not spec.whole


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, "the space is empty"),
        ({"cnn.learning_rat": [1]}, r"no setting 'cnn.learning_rat'; did you mean cnn.learning_rate"),
        ({"cn": {"epochs": [1]}}, "no setting 'cn'"),
        ({"cnn": [1]}, "cnn is a section"),
        ({"cnn.epochs": 3}, "cnn.epochs is to be searched: give a list"),
        ({"cnn.epochs": []}, "cnn.epochs has no value"),
        ({"cnn.epochs": [3, 3]}, "cnn.epochs has the value 3 more than once"),
        ({"cnn.epochs": {"low": 3}}, "cnn.epochs has no high"),
        ({"cnn.epochs": {"low": 3, "hihg": 4}}, "cnn.epochs has no 'hihg'; did you mean high"),
        ({"cnn.epochs": {"low": 3, "high": 3}}, "empty range: low 3 is not below high 3"),
        ({"cnn.dropout": {"low": 0.5, "high": 0.1}}, "empty range: low 0.5 is not below high 0.1"),
        ({"cnn.epochs": {"low": 1.5, "high": 3}}, "low must be a whole number, found 1.5"),
        ({"cnn.l2": {"low": "a", "high": 3}}, "low must be a number, found 'a'"),
        ({"cnn.l2": {"low": True, "high": 3}}, "low must be a number, found True"),
        ({"cnn.l2": {"low": 0, "high": 1, "log": True}}, "a logarithmic range begins above 0"),
        ({"cnn.l2": {"low": 0, "high": 1, "log": 1}}, "log must be true or false"),
        ({"cnn.epochs": {"low": 1, "high": 9, "step": 0}}, "step must be above 0"),
        ({"cnn.epochs": {"low": 1, "high": 9, "points": 1}}, "points must be a whole number of at"),
        ({"cnn.epochs": {"low": 1, "high": 9, "step": 2, "points": 2}}, "a step or points, not both"),
        ({"cnn.pooling": {"low": 1, "high": 9}}, "cnn.pooling is no number"),
        ({"preset": ["paper"]}, "preset cannot be searched"),
        ({"seeds": [[1]]}, "seeds cannot be searched"),
        ({"protocol": ["paper"]}, "protocol cannot be searched: a study chooses on validation"),
        ({"cnn.teachers": [["runs/1"], ["runs/2"]]}, "trains its CNNs without teachers"),
        ({"trees.stacked": [["runs/1"], ["runs/2"]]}, "make a run that stacks them"),
        ({"data.validation_fraction": [0.1]}, "the same validation images"),
        ({"cnn.epochs": {"values": [1], "when": 1}}, "when takes conditions"),
        (
            {"cnn.epochs": {"values": [1], "when": {"cnn.optimiser": "muon"}}, "cnn.optimizer": ["muon"]},
            "does not search cnn.optimiser; did you mean cnn.optimizer",
        ),
        (
            {"cnn.epochs": {"values": [1], "when": {"cnn.optimizer": "sgd"}}, "cnn.optimizer": ["muon"]},
            "which it never is; it can be: muon",
        ),
        (
            {"cnn.epochs": {"values": [1], "when": {"cnn.l2": 1}}, "cnn.l2": {"low": 1, "high": 2}},
            "not cnn.l2",
        ),
        (
            {
                "cnn.epochs": {"values": [1], "when": {"cnn.dense": [8, 8]}},
                "cnn.dense": {"values": [[8, 8]], "when": {"cnn.epochs": 1}},
            },
            "go in a circle",
        ),
    ],
)  # fmt: skip
def test_what_is_no_space_is_refused_in_one_line(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        parse_space(tree)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"cnn.dropout": [0.1, 1.5]}, "setting cnn.dropout cannot be 1.5"),
        ({"cnn.dropout": {"low": -1, "high": 0.5}}, "setting cnn.dropout cannot be -1"),
        ({"cnn.pooling": ["max", "median"]}, "setting cnn.pooling cannot be 'median'"),
        ({"trees.taps": [["fc1"], ["fc3"]]}, "there is no 'fc3'"),
        ({"cnn.weight_decay": [0.1]}, "cnn.weight_decay has no effect"),
    ],
)
def test_values_that_the_settings_refuse_are_named(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_space(tree).check(load_settings())


def test_a_grid_of_a_range_without_points_says_what_to_do() -> None:
    space = parse_space({"cnn.l2": {"low": 1e-5, "high": 1, "log": True}})
    with pytest.raises(SettingsError, match="points = N"):
        space.grid()


@pytest.mark.parametrize("content", ["cnn = ", "\x00"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "space.toml"
    with pytest.raises(SettingsError, match="there is no file"):
        read_space(file)
    file.write_text(content, "utf-8")
    with pytest.raises(SettingsError, match=r"space\.toml is not TOML"):
        read_space(file)
    file.write_text("[cnn]\nepoch = [1]\n", "utf-8")
    with pytest.raises(SettingsError, match=r"space\.toml: no setting 'cnn\.epoch'"):
        read_space(file)


@pytest.mark.parametrize(
    "space",
    [
        {"trees.rounds": {"low": 1, "high": 900_000}},
        {name: {"low": 1, "high": 1000} for name in ("trees.rounds", "cnn.epochs", "cnn.patience")},
    ],
)
def test_a_grid_that_no_memory_holds_is_refused(space: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"100,000 points"):
        parse_space(space).grid()


def test_a_limit_beyond_all_numbers_is_refused() -> None:
    with pytest.raises(SettingsError, match="high must be a whole number"):
        parse_space({"trees.rounds": {"low": 1, "high": 10**400}})
