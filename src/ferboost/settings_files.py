"""Settings by their dotted names, and in TOML files."""

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferboost.config import Settings
from ferboost.errors import SettingsError
from ferboost.presets import PRESETS
from ferboost.settings import CAN_BE_NONE

__all__ = [
    "difference",
    "flatten",
    "nearest",
    "nest",
    "read_settings_file",
    "read_toml",
    "setting_names",
    "to_toml",
]

#: What the command line has options for, and a file of settings must not hold.
_OPTIONS = ("protocol", "seeds")


def setting_names() -> tuple[str, ...]:
    """Return every setting as ``--set`` names it, such as ``"cnn.learning_rate"``."""
    return tuple(flatten(Settings().model_dump()))


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by dotted name: ``{"cnn.epochs": 9}`` of ``{"cnn": {"epochs": 9}}``.

    Only the sections of `Settings` are entered, whatever else is a mapping stays one.
    """
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and not prefix and key in _SECTIONS:
            flat |= flatten(value, f"{key}.")
        else:
            flat[prefix + key] = value
    return flat


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by dotted name as nested dictionaries; the text "none" becomes None."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        section, _, key = name.rpartition(".")
        parsed = None if value == "none" and name in CAN_BE_NONE else value
        (tree.setdefault(section, {}) if section else tree)[key] = parsed
    return tree


def difference(settings: Settings, other: Settings) -> dict[str, Any]:
    """Return by dotted name the values of `settings` that differ from those of `other`."""
    values, others = (flatten(s.model_dump(mode="json")) for s in (settings, other))
    return {name: value for name, value in values.items() if value != others[name]}


def nearest(name: str, known: Sequence[str]) -> str:
    """Return a hint at the name that was meant."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    SettingsError
        If there is no such file, or it is not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"there is no file {path}; check the path") from error
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    except (ValueError, RecursionError) as error:  # thousands of digits or brackets
        raise SettingsError(f"{path} has a value that is too long to be read") from error


def read_settings_file(path: Path) -> tuple[str | None, dict[str, Any]]:
    """Read a TOML file of settings, such as the best ones that a study found.

    Returns
    -------
    preset : str or None
        What the file starts from, where it says so.
    changes : dict
        The other settings, nested; their values are checked where they are put together.

    Raises
    ------
    SettingsError
        If the file cannot be read, or holds a name that is no setting or is an option.
    """
    values = flatten(read_toml(path))
    names = setting_names()
    for name in values:
        if name in _OPTIONS:
            raise SettingsError(f"{path}: {name} is not for a file; give it by --{name}")
        if name not in names:
            raise SettingsError(f"{path}: no setting {name!r}; {nearest(name, names)}")
    preset = values.pop("preset", None)
    if preset is not None and not (isinstance(preset, str) and preset in PRESETS):
        raise SettingsError(f"{path}: no preset {preset!r}; there are: {', '.join(PRESETS)}")
    return preset, nest(values)


def to_toml(values: Mapping[str, Any], comment: str) -> str:
    """Return settings by dotted name as TOML that `read_settings_file` reads."""
    lines = [f"# {line}" for line in comment.splitlines()]
    section = ""
    for name, value in sorted(values.items(), key=lambda item: "." in item[0]):
        own, _, key = name.rpartition(".")
        if own != section:
            lines += ["", f"[{own}]"]
            section = own
        # JSON's numbers, texts, lists and truth values are TOML's, but for the one it lacks.
        text = json.dumps("none" if value is None else value, ensure_ascii=False)
        lines.append(f"{key} = {text}")
    return "\n".join(lines) + "\n"


_SECTIONS = tuple(name for name, value in Settings() if hasattr(value, "model_fields_set"))
