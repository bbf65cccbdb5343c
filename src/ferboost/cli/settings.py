"""``ferboost settings``."""

import json as json_format
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferboost.cli.console import print_json
from ferboost.cli.data import JsonOption

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ferboost.config import Settings

__all__ = [
    "SETTINGS_EXAMPLES",
    "FileOption",
    "PresetOption",
    "SetOption",
    "choose_settings",
    "describe_settings",
    "is_given",
    "settings",
]

PresetOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Settings to start from: paper, the study's; boosted, its network out of fold with "
        "trees that correct it; fast and strong, residual networks; ensemble, three of strong; "
        "faces, a network that has learnt faces (pip install 'ferboost[faces]').",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting, such as cnn.learning_rate=3e-4; may be repeated.",
    ),
]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FILE",
        help="Settings in a TOML file, such as a study's best.toml; --set counts more.",
    ),
]

SETTINGS_EXAMPLES = """\b
Examples:
  ferboost settings
  ferboost settings --preset paper --set cnn.epochs=20 --json
"""

_HAVE_OPTIONS = {"preset", "protocol"}

_LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


@dataclass(frozen=True)
class SettingDescription:
    """A setting as ``--set`` knows it.

    Attributes
    ----------
    key : str
        Such as ``"cnn.epochs"``.
    value : object
        As JSON holds it.
    meaning : str
        One or two sentences.
    allowed : str
        What the value can be, in words.
    """

    key: str
    value: object
    meaning: str
    allowed: str


def settings(
    preset: PresetOption = "paper", changes: SetOption = None, json: JsonOption = False
) -> None:
    """List every setting: its value, its meaning and what it can be.

    The lines without indentation are in the form of --set. Some have no effect on a preset's
    architecture, and are refused there.
    """
    from ferboost.settings import load_settings

    chosen = load_settings(preset, changes or ())
    described = [s for s in describe_settings(chosen) if s.key not in _HAVE_OPTIONS]
    if json:
        print_json([asdict(setting) for setting in described])
        return
    for setting in described:
        typer.echo(f"{setting.key}={_as_text(setting.value)}")
        sentences = f"{setting.meaning} ({setting.allowed})"
        typer.echo(textwrap.indent(textwrap.fill(sentences, 76), "    "))


def choose_settings(
    context: typer.Context,
    preset: str,
    file: Path | None,
    changes: list[str] | None,
    **fixed: Any,  # Any: as for load_settings
) -> "Settings":
    """Return the settings of a preset, a file and changes; the later ones count more.

    What is `fixed` by an option of its own cannot be changed.
    """
    from ferboost.errors import SettingsError
    from ferboost.settings import load_settings
    from ferboost.settings_files import read_settings_file

    for name in fixed:
        if any(change.partition("=")[0].strip() == name for change in changes or ()):
            raise SettingsError(f"{name} is not for --set; give it by --{name}")
    if file is None:
        return load_settings(preset, changes or (), **fixed)
    named, tree = read_settings_file(file)
    if is_given(context, "preset") and named not in {None, preset}:
        raise SettingsError(f"{file} starts from the preset {named!r}; leave out --preset {preset}")
    return load_settings(named or preset, changes or (), **tree, **fixed)


def is_given(context: typer.Context, name: str) -> bool:
    """Say whether an option was typed, whatever its value."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def describe_settings(model: "BaseModel", prefix: str = "") -> Iterator[SettingDescription]:
    """Describe every field of settings, nested ones as ``SECTION.KEY``."""
    from pydantic import BaseModel

    schema = type(model).model_json_schema()["properties"]
    values = model.model_dump(mode="json")
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from describe_settings(value, f"{prefix}{name}.")
        else:
            meaning = " ".join((field.description or "").split())
            yield SettingDescription(prefix + name, values[name], meaning, _allowed(schema[name]))


def _as_text(value: object) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json_format.dumps(value)


def _allowed(schema: dict[str, Any]) -> str:  # Any: JSON schema
    if "anyOf" in schema:
        return "; or ".join(map(_allowed, schema["anyOf"]))
    if "enum" in schema:
        return "one of: " + ", ".join(schema["enum"])
    if "prefixItems" in schema:
        return f"list of {len(schema['prefixItems'])}, each {_allowed(schema['prefixItems'][0])}"
    if "items" in schema:
        return f"list, each {_allowed(schema['items'])}"
    names = {"boolean": "true or false", "integer": "whole number", "null": "none"}
    limits = [f"{words} {schema[key]:,}" for key, words in _LIMITS.items() if key in schema]
    return ", ".join((names.get(schema["type"], schema["type"]), *limits))
