"""What is said where a package is missing."""

import sys
import tomllib
from pathlib import Path

import pytest

from ferboost.errors import MissingExtraError
from ferboost.extras import needed_for, what_brings

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("av", "av"),
        ("captum", "captum"),
        ("lightgbm", "lightgbm"),
        ("optuna", "optuna"),
        ("psycopg", "psycopg"),
        ("ray", "ray"),
        ("sklearn", "scikit-learn"),
        ("sqlalchemy", "sqlalchemy"),
        ("torch", "torch"),
        ("uvicorn", "uvicorn"),
    ],
)
def test_what_is_to_be_installed_brings_the_package(module: str, package: str) -> None:
    extras = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    install = what_brings(module)
    assert install is not None
    named = install.removeprefix("'ferboost[").removesuffix("]'").split(",")
    assert any(line.startswith(package) for name in named for line in extras[name])


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError) as caught, needed_for("video"):
        __import__("av")
    assert str(caught.value) == (
        "video needs the package av, which is not installed; install it: pip install "
        "'ferboost[video]'"
    )


def test_a_package_that_nothing_brings_is_no_business_of_an_extra() -> None:
    with pytest.raises(ModuleNotFoundError), needed_for("everything"):
        __import__("no_such_package_at_all")
