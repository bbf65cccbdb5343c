"""What one setting can be: a list of values, or a range of numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import BaseModel

from ferboost.config import CNNSettings, DataSettings, TreeSettings
from ferboost.errors import SettingsError
from ferboost.settings_files import nearest, setting_names

__all__ = [
    "MOST_POINTS",
    "Choices",
    "Range",
    "Value",
    "check_dimension",
    "check_name",
    "default_of",
    "ends_of",
    "freeze",
    "grid_values",
    "plain_value",
]

#: A value of a setting, as TOML has it; lists are tuples.
Value = bool | int | float | str | tuple[int | float | str, ...]

_SECTIONS: dict[str, type[BaseModel]] = {
    "data": DataSettings,
    "cnn": CNNSettings,
    "trees": TreeSettings,
}
_FIXED = {
    "preset": "it is chosen by --preset",
    "protocol": "a study chooses on validation images only",
    "seeds": "every point is tried with the same ones; give their number by --seeds",
    "number_format": "a study has one; give it by --set",
    "data.validation_fraction": "all points are compared on the same validation images",
    "data.test_fraction": "all points are compared on the same validation images",
    "trees.stacked": "make a run that stacks them, and search its trees by --run",
    "cnn.teachers": "a study trains its CNNs without teachers; compare these by train",
    "cnn.taught": "a study trains its CNNs without teachers; compare these by train",
    "data.doubts": "a study has one file of them; give it by --set, and search data.doubted",
}


#: Of a grid, which is held in memory.
MOST_POINTS = 100_000
_LARGEST = 1e300


@dataclass(frozen=True)
class Choices:
    """A list of values to choose from.

    Attributes
    ----------
    values : tuple
        Numbers, texts, truth values or tuples of these, each once.
    when : mapping of str to Value or tuple of Value
        Settings of the space, by dotted name, and the value, or one of several, that each must
        have for this one to be set at all.
    """

    values: tuple[Value, ...]
    when: Mapping[str, Any] = field(default_factory=dict)  # Any: a value, or a list of them


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, both included: whole ones for a setting of whole numbers.

    Attributes
    ----------
    low, high : int or float
    log : bool
        Whether equal ratios count alike, instead of equal differences; from above 0 on.
    step : int or float, optional
        Only `low` and multiples of this above it.
    points : int, optional
        How many values a grid takes, evenly spread; whole numbers with a step of 1 need none.
    when : mapping of str to Value or tuple of Value
        As for `Choices`.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    points: int | None = None
    when: Mapping[str, Any] = field(default_factory=dict)  # Any: a value, or a list of them

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return isinstance(self.low, int)


def check_dimension(name: str, spec: Choices | Range) -> Choices | Range:
    """Return what a setting can be, with values of its kind; refuse what cannot be."""
    if isinstance(spec, Range):
        return _checked_range(name, spec)
    if not isinstance(spec.values, list | tuple) or not spec.values:
        raise SettingsError(f"{name} has no value to choose from")
    values = tuple(freeze(value) for value in spec.values)
    for value in values:
        if values.count(value) > 1:
            raise SettingsError(f"{name} has the value {plain_value(value)} more than once")
    return Choices(values, spec.when)


def _checked_range(name: str, spec: Range) -> Range:
    kind = _number_kind(name)
    numbers = {"low": spec.low, "high": spec.high}
    if spec.step is not None:
        numbers["step"] = spec.step
    for key, number in numbers.items():
        good = isinstance(number, int if kind is int else int | float)
        if isinstance(number, bool) or not good or not -_LARGEST < number < _LARGEST:
            wanted = "a whole number" if kind is int else "a number"
            raise SettingsError(f"{name}: {key} must be {wanted}, found {number!r}")
        numbers[key] = kind(number)
    low, high = numbers["low"], numbers["high"]
    if low >= high:
        raise SettingsError(f"{name} has an empty range: low {low} is not below high {high}")
    if not isinstance(spec.log, bool):
        raise SettingsError(f"{name}: log must be true or false, found {spec.log!r}")
    if spec.log and (low <= 0 or spec.step is not None):
        raise SettingsError(f"{name}: a logarithmic range begins above 0 and has no step")
    if spec.step is not None and not 0 < numbers["step"] <= high - low:
        raise SettingsError(f"{name}: step must be above 0 and fit into the range")
    if spec.step is not None:
        high = kind(low + int((high - low) / numbers["step"] + 1e-9) * numbers["step"])
    points = spec.points
    if points is not None and spec.step is not None:
        raise SettingsError(f"{name}: a range has a step or points, not both")
    if points is not None and (type(points) is not int or points < 2):
        raise SettingsError(
            f"{name}: points must be a whole number of at least 2, found {points!r}"
        )
    return Range(low, high, spec.log, numbers.get("step"), points, spec.when)


def _number_kind(name: str) -> type[int] | type[float]:
    """Return what numbers a setting takes."""
    section, _, key = name.rpartition(".")
    schema = _SECTIONS[section].model_json_schema()["properties"][key]
    kinds = {part.get("type") for part in (schema, *schema.get("anyOf", ()))}
    if not kinds & {"integer", "number"}:
        raise SettingsError(f"{name} is no number, so it has no range; give a list of values")
    return int if "integer" in kinds else float


def check_name(name: str) -> None:
    """Refuse a name that is no setting, or one that is not searched."""
    if name in _FIXED:
        raise SettingsError(f"{name} cannot be searched: {_FIXED[name]}")
    if name in _SECTIONS:
        raise SettingsError(f"{name} is a section of settings; search {name}.NAME")
    if name not in setting_names():
        searchable = [known for known in setting_names() if known not in _FIXED]
        raise SettingsError(f"no setting {name!r}; {nearest(name, searchable)}")


def default_of(name: str) -> Any:  # Any: of a field
    """Return the default of a setting."""
    section, _, key = name.rpartition(".")
    return _SECTIONS[section].model_fields[key].default


def grid_values(name: str, spec: Choices | Range) -> tuple[Value, ...]:
    """Return the values of a setting that a grid tries."""
    if isinstance(spec, Choices):
        return spec.values
    if spec.points is None:
        step = spec.step or (1 if spec.whole and not spec.log else None)
        if step is None:
            raise SettingsError(
                f"{name} has too many values for a grid; say how many by points = N, or list them"
            )
        count = int((spec.high - spec.low) / step + 1e-9) + 1
        if count > MOST_POINTS:
            raise SettingsError(
                f"{name} has {count:,} values, and a grid at most {MOST_POINTS:,} points; say how "
                "many by points = N, or take another --sampler"
            )
        return tuple(type(spec.low)(spec.low + i * step) for i in range(count))
    spread = np.geomspace if spec.log else np.linspace
    values = [float(f"{value:.12g}") for value in spread(spec.low, spec.high, spec.points)]
    if spec.whole:
        return tuple(sorted({round(value) for value in values}))
    return tuple(values)


def ends_of(spec: Choices | Range) -> tuple[Value, ...]:
    """Return the values that are tried to see whether others go with them."""
    return spec.values if isinstance(spec, Choices) else (spec.low, spec.high)


def freeze(value: object) -> Any:  # Any: a Value, or what the settings will refuse
    """Return a value with tuples in place of lists."""
    return tuple(value) if isinstance(value, list | tuple) else value


def plain_value(value: Value) -> str:
    """Return a value as it is written in messages."""
    return str(list(value)) if isinstance(value, tuple) else str(value)
