"""What is searched: settings with lists of values or ranges, and when each one counts."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from ferboost.config import Settings
from ferboost.errors import SettingsError
from ferboost.settings import change_settings
from ferboost.settings_files import flatten, nearest, nest, read_toml
from ferboost.tuning.dimensions import (
    MOST_POINTS,
    Choices,
    Range,
    Value,
    check_dimension,
    check_name,
    default_of,
    ends_of,
    freeze,
    grid_values,
    plain_value,
)

__all__ = ["Point", "SearchSpace", "parse_space", "read_space"]

#: One choice of a value for every setting that counts, by dotted name.
Point = dict[str, Value]


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
            check_name(name)
        checked = {name: check_dimension(name, spec) for name, spec in parameters.items()}
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
            If a range does not say how many values a grid takes of it, or these are too many.
        """
        values = {name: grid_values(name, spec) for name, spec in self.parameters.items()}
        names = list(values)

        def expand(point: Point, depth: int) -> Iterator[Point]:
            if depth == len(names):
                yield point
            elif self.is_active(names[depth], point):
                for value in values[names[depth]]:
                    yield from expand(point | {names[depth]: value}, depth + 1)
            else:
                yield from expand(point, depth + 1)

        points = tuple(islice(expand({}, 0), MOST_POINTS + 1))
        if len(points) > MOST_POINTS:
            raise SettingsError(
                f"the space has more than {MOST_POINTS:,} points, the most that a grid can have; "
                "give fewer values, or take another --sampler"
            )
        return points

    def apply(self, settings: Settings, point: Mapping[str, Value]) -> Settings:
        """Return `settings` with the values of a point; what does not count has its default.

        Raises
        ------
        SettingsError
            If the values cannot be right, alone or together.
        """
        idle = {
            name: default_of(name) for name in self.parameters if not self.is_active(name, point)
        }
        return change_settings(settings, (), nest(idle | dict(point)))

    def check(self, settings: Settings) -> None:
        """Try every listed value and both ends of every range on `settings`.

        Raises
        ------
        SettingsError
            If one of them cannot be right; the message names it.
        """
        for name, spec in self.parameters.items():
            for value in ends_of(spec):
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
                point[other] = wanted.get(other, ends_of(spec)[0])
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
    check_name(name)
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
        frozen = freeze(given)
        several = isinstance(frozen, tuple) and frozen not in known.values
        allowed = tuple(map(freeze, given)) if several else (frozen,)
        for value in allowed:
            if value not in known.values:
                raise SettingsError(
                    f"{name} counts when {parent} is {plain_value(value)}, which it never is; it "
                    f"can be: {', '.join(map(plain_value, known.values))}"
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
