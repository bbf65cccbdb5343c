"""Reading settings: presets, ``--set KEY=VALUE``, and what is wrong with them in one line."""

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ferboost.config import Settings
from ferboost.errors import SettingsError
from ferboost.presets import PRESETS

__all__ = ["CAN_BE_NONE", "change_settings", "load_settings", "parse_settings"]


def _names_that_can_be_none() -> Iterator[str]:
    for section, settings in Settings():
        if isinstance(settings, BaseModel):
            for name, field in type(settings).model_fields.items():
                if type(None) in get_args(field.annotation):
                    yield f"{section}.{name}"


#: Settings by dotted name for which the text "none" stands for None.
CAN_BE_NONE = frozenset(_names_that_can_be_none())


def load_settings(
    preset: str = "paper",
    overrides: Sequence[str] = (),
    **fixed: Any,  # Any: checked by pydantic against the fields of Settings
) -> Settings:
    """Return the settings of a preset with changes.

    Parameters
    ----------
    preset : str
        A key of `ferboost.presets.PRESETS`.
    overrides : sequence of str
        ``"cnn.learning_rate=3e-4"`` and the like. Values are TOML; what is not TOML is text.
    **fixed
        Top-level fields of `Settings`, such as ``protocol`` and ``seeds``.

    Raises
    ------
    SettingsError
        If the preset, a key or a value cannot be right; the message names it.
    """
    if preset not in PRESETS:
        raise SettingsError(f"no preset {preset!r}; there are: {', '.join(PRESETS)}")
    tree: dict[str, Any] = {"preset": preset}
    _merge(tree, PRESETS[preset])
    _merge(tree, fixed)
    for override in overrides:
        _merge(tree, _parse_override(override))
    return parse_settings(tree)


def change_settings(
    settings: Settings, overrides: Sequence[str], changes: Mapping[str, Any]
) -> Settings:
    """Return `settings` with changes, given as for ``--set`` and as nested mappings.

    Raises
    ------
    SettingsError
        If a key is unknown or a value cannot be right.
    """
    tree = settings.model_dump(mode="json")
    _merge(tree, changes)
    for override in overrides:
        _merge(tree, _parse_override(override))
    return parse_settings(tree)


def parse_settings(tree: Mapping[str, Any]) -> Settings:
    """Return `Settings` from nested dictionaries, as read from a run directory.

    Raises
    ------
    SettingsError
        If a key is unknown or a value cannot be right.
    """
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error


def _merge(target: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = dict(value) if isinstance(value, Mapping) else value


def _parse_override(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise SettingsError(f"--set takes KEY=VALUE, such as cnn.epochs=20; found {text!r}")
    if parts[0] == "preset":
        raise SettingsError("--set cannot change the preset; choose one with --preset")
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    except (ValueError, RecursionError) as error:  # thousands of digits or brackets
        raise SettingsError(f"--set {key.strip()}: the value is too long to be read") from error
    if parsed == "none" and ".".join(parts) in CAN_BE_NONE:
        parsed = None
    for part in reversed(parts):
        parsed = {part: parsed}
    return dict(parsed)


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        section: Any = Settings
        for part in first["loc"][:-1]:
            section = type(section().__getattribute__(str(part)))
        known = list(section.model_fields)
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
        return f"no setting {key!r}; {hint}"
    if first["type"] == "value_error" and isinstance(first["input"], Mapping):
        return str(first["ctx"]["error"])  # of settings that do not go together
    message = first["msg"].removeprefix("Value error, ")
    problem = message[0].lower() + message[1:]
    return f"setting {key} cannot be {first['input']!r}: {problem}"
