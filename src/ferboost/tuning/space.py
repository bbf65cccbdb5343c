"""What is searched: settings with lists of values or ranges, and when each one counts."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from ferboost.config import CNNSettings, DataSettings, Settings, TreeSettings
from ferboost.errors import SettingsError
from ferboost.settings import change_settings
from ferboost.settings_files import flatten, nearest, nest, read_toml, setting_names

__all__ = [
    "Choices",
    "Point",
    "Range",
    "SearchSpace",
    "Value",
    "parse_space",
    "read_space",
]

#: A value of a setting, as TOML has it; lists are tuples.
Value = bool | int | float | str | tuple[int | float | str, ...]
#: One choice of a value for every setting that counts, by dotted name.
Point = dict[str, Value]

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


class SearchSpace:
    """Settings to search, each with what it can be.

    Parameters
    ----------
    parameters : mapping of str to Choices or Range
        By dotted name, such as ``"cnn.learning_rate"``.

    Attributes
    ----------
    parameters : dict of str to Choices or Range
        Checked, and in an order in which each stands after those that its condition names.

    Raises
    ------
    SettingsError
        If a name is no setting, a range is empty, a value stands there twice, or a condition can
        never hold.

    Examples
    --------
    >>> space = SearchSpace(
    ...     {
    ...         "cnn.learning_rate": Range(1e-5, 1e-1, log=True),
    ...         "cnn.optimizer": Choices(("adam", "muon")),
    ...         "cnn.weight_decay": Range(0.0, 0.1, when={"cnn.optimizer": "muon"}),
    ...     }
    ... )
    """

    def __init__(self, parameters: Mapping[str, Choices | Range]) -> None:
        if not parameters:
            raise SettingsError("the space is empty: it names no setting to search")
        for name in parameters:
            _check_name(name)
        checked = {name: _checked(name, spec) for name, spec in parameters.items()}
        self.parameters = {name: _with_when(name, checked) for name in _in_order(checked)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # as for any comparable object of mappings

    def __repr__(self) -> str:
        return f"SearchSpace({self.parameters!r})"

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return what `parse_space` makes the same space of, as JSON holds it."""
        described = {
            name: {key: value for key, value in asdict(spec).items() if value not in (None, {})}
            for name, spec in self.parameters.items()
        }
        return dict(json.loads(json.dumps(described)))  # which has lists, no tuples

    def is_active(self, name: str, point: Mapping[str, Value]) -> bool:
        """Say whether a setting counts, given the values of those before it."""
        return all(
            parent in point and point[parent] in allowed
            for parent, allowed in self.parameters[name].when.items()
        )

    @cached_property
    def searches_trees(self) -> bool:
        """Whether a setting of the trees is among those searched."""
        return any(name.startswith("trees.") for name in self.parameters)

    @cached_property
    def searches_cnn(self) -> bool:
        """Whether a setting of the CNN or the data is among those searched."""
        return any(not name.startswith("trees.") for name in self.parameters)

    def grid(self) -> tuple[Point, ...]:
        """Return every point once, the last settings changing fastest.

        Raises
        ------
        SettingsError
            If a range does not say how many values a grid takes of it.
        """
        values = {name: _grid_values(name, spec) for name, spec in self.parameters.items()}
        names = list(values)

        def expand(point: Point, depth: int) -> Iterator[Point]:
            if depth == len(names):
                yield point
            elif self.is_active(names[depth], point):
                for value in values[names[depth]]:
                    yield from expand(point | {names[depth]: value}, depth + 1)
            else:
                yield from expand(point, depth + 1)

        return tuple(expand({}, 0))

    def apply(self, settings: Settings, point: Mapping[str, Value]) -> Settings:
        """Return `settings` with the values of a point; what does not count has its default.

        Raises
        ------
        SettingsError
            If the values cannot be right, alone or together.
        """
        idle = {name: _default(name) for name in self.parameters if not self.is_active(name, point)}
        return change_settings(settings, (), nest(idle | dict(point)))

    def check(self, settings: Settings) -> None:
        """Try every listed value and both ends of every range on `settings`.

        Raises
        ------
        SettingsError
            If one of them cannot be right; the message names it.
        """
        for name, spec in self.parameters.items():
            for value in _ends(spec):
                try:
                    self.apply(settings, self._point_with(name, value))
                except SettingsError as error:
                    raise SettingsError(f"the space holds what cannot be: {error}") from error

    def _point_with(self, name: str, value: Value) -> Point:
        """Return a point in which a setting counts and has this value."""
        wanted: Point = {name: value}
        waiting = [name]
        while waiting:
            for parent, allowed in self.parameters[waiting.pop()].when.items():
                wanted.setdefault(parent, allowed[0])
                waiting.append(parent)
        point: Point = {}
        for other, spec in self.parameters.items():
            if self.is_active(other, point):
                point[other] = wanted.get(other, _ends(spec)[0])
        return point


def read_space(path: Path) -> SearchSpace:
    """Read a space from a TOML file.

    A list is what a setting can be; a table is a range, or a list with a condition::

        [cnn]
        learning_rate = { low = 1e-5, high = 1e-1, log = true, points = 5 }
        batch_size = [32, 64, 128]
        optimizer = ["adam", "muon"]
        weight_decay = { low = 0.0, high = 0.1, when = { "cnn.optimizer" = "muon" } }

    Raises
    ------
    SettingsError
        If the file cannot be read, or is not a space; the message says where and why.
    """
    tree = read_toml(path)
    try:
        return parse_space(tree)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def parse_space(tree: Mapping[str, Any]) -> SearchSpace:
    """Return a space from nested dictionaries, or from dotted names, as TOML and JSON have it.

    Raises
    ------
    SettingsError
        If it is not a space.
    """
    return SearchSpace({name: _parse(name, given) for name, given in flatten(tree).items()})


def _parse(name: str, given: object) -> Choices | Range:
    _check_name(name)
    if isinstance(given, list | tuple):
        return Choices(tuple(given))
    if not isinstance(given, Mapping):
        raise SettingsError(
            f"{name} is to be searched: give a list of values, or a range with low and high; "
            f"found {given!r}"
        )
    kind = Choices if "values" in given else Range
    known = list(kind.__dataclass_fields__)
    for key in given:
        if key not in known:
            raise SettingsError(f"{name} has no {key!r}; {nearest(str(key), known)}")
    for key in ("low", "high") if kind is Range else ():
        if key not in given:
            raise SettingsError(f"{name} has no {key}; give low and high, or a list of values")
    if not isinstance(given.get("when", {}), Mapping):
        raise SettingsError(
            f'{name}: when takes conditions, such as {{ "cnn.optimizer" = "muon" }}'
        )
    return kind(**given)


def _check_name(name: str) -> None:
    if name in _FIXED:
        raise SettingsError(f"{name} cannot be searched: {_FIXED[name]}")
    if name in _SECTIONS:
        raise SettingsError(f"{name} is a section of settings; search {name}.NAME")
    if name not in setting_names():
        searchable = [known for known in setting_names() if known not in _FIXED]
        raise SettingsError(f"no setting {name!r}; {nearest(name, searchable)}")


def _default(name: str) -> Any:  # Any: of a field
    section, _, key = name.rpartition(".")
    return _SECTIONS[section].model_fields[key].default


def _checked(name: str, spec: Choices | Range) -> Choices | Range:
    if isinstance(spec, Range):
        return _checked_range(name, spec)
    if not isinstance(spec.values, list | tuple) or not spec.values:
        raise SettingsError(f"{name} has no value to choose from")
    values = tuple(_frozen(value) for value in spec.values)
    for value in values:
        if values.count(value) > 1:
            raise SettingsError(f"{name} has the value {_plain(value)} more than once")
    return Choices(values, spec.when)


def _checked_range(name: str, spec: Range) -> Range:
    kind = _number_kind(name)
    numbers = {"low": spec.low, "high": spec.high}
    if spec.step is not None:
        numbers["step"] = spec.step
    for key, number in numbers.items():
        good = isinstance(number, int if kind is int else int | float)
        if isinstance(number, bool) or not good or not np.isfinite(number):
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


def _with_when(name: str, parameters: Mapping[str, Choices | Range]) -> Choices | Range:
    """Return a parameter whose conditions are tuples of values that can be."""
    spec = parameters[name]
    when = {}
    for parent, given in spec.when.items():
        known = parameters[parent]
        if isinstance(known, Range):
            raise SettingsError(
                f"{name}: when can name settings with a list of values, not {parent}"
            )
        frozen = _frozen(given)
        several = isinstance(frozen, tuple) and frozen not in known.values
        allowed = tuple(map(_frozen, given)) if several else (frozen,)
        for value in allowed:
            if value not in known.values:
                raise SettingsError(
                    f"{name} counts when {parent} is {_plain(value)}, which it never is; it can "
                    f"be: {', '.join(map(_plain, known.values))}"
                )
        if not allowed:
            raise SettingsError(f"{name}: when names no value of {parent}")
        when[parent] = allowed
    if isinstance(spec, Choices):
        return Choices(spec.values, when)
    return Range(spec.low, spec.high, spec.log, spec.step, spec.points, when)


def _in_order(parameters: Mapping[str, Choices | Range]) -> list[str]:
    """Return the names, each after those that its condition names."""
    ordered: list[str] = []
    while len(ordered) < len(parameters):
        ready = None
        for name, spec in parameters.items():
            for parent in spec.when:
                if parent not in parameters:
                    raise SettingsError(
                        f"{name} counts when {parent} has a value, and the space does not search "
                        f"{parent}; {nearest(parent, list(parameters))}"
                    )
            if name not in ordered and all(parent in ordered for parent in spec.when):
                ready = name
                break
        if ready is None:
            stuck = next(name for name in parameters if name not in ordered)
            raise SettingsError(f"the conditions of {stuck} go in a circle")
        ordered.append(ready)
    return ordered


def _grid_values(name: str, spec: Choices | Range) -> tuple[Value, ...]:
    if isinstance(spec, Choices):
        return spec.values
    if spec.points is None:
        step = spec.step or (1 if spec.whole and not spec.log else None)
        if step is None:
            raise SettingsError(
                f"{name} has too many values for a grid; say how many by points = N, or list them"
            )
        count = int((spec.high - spec.low) / step + 1e-9) + 1
        return tuple(type(spec.low)(spec.low + i * step) for i in range(count))
    spread = np.geomspace if spec.log else np.linspace
    values = [float(f"{value:.12g}") for value in spread(spec.low, spec.high, spec.points)]
    if spec.whole:
        return tuple(sorted({round(value) for value in values}))
    return tuple(values)


def _ends(spec: Choices | Range) -> tuple[Value, ...]:
    return spec.values if isinstance(spec, Choices) else (spec.low, spec.high)


def _frozen(value: object) -> Any:  # Any: a Value, or what the settings will refuse
    return tuple(value) if isinstance(value, list | tuple) else value


def _plain(value: Value) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)
