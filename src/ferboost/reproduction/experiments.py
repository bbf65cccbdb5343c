"""Every search of the published study: what varies, what is fixed, and what the authors found."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from ferboost.config import Settings
from ferboost.published import published, published_grid
from ferboost.settings import change_settings
from ferboost.settings_files import nest
from ferboost.tuning.dimensions import Value
from ferboost.tuning.space import Point, SearchSpace, parse_space

__all__ = ["EXPERIMENTS", "GRID", "Experiment", "find_experiment"]

#: The study's section, and how its searches share out a budget.
Kind = Literal["layers", "trees", "data", "grid"]

_STUDY = published()
_SWEEPS = _STUDY["sweeps"]


@dataclass(frozen=True)
class Experiment:
    """One search of the study.

    Attributes
    ----------
    key : str
        What it is called on the command line and in the folder.
    title : str
        What varies, as a heading.
    where : str
        The study's figures or table.
    kind : {"layers", "trees", "data", "grid"}
        ``"trees"`` grow on the CNNs of a run, the others train a CNN for each point.
    values : mapping of str to sequence
        What the settings are tried with, by dotted name; all are combined.
    fixed : mapping of str to Value
        Settings that differ from the study's network.
    chosen : mapping of str to Value
        What the authors chose, or found best; empty where they say nothing.
    printed_best : mapping of str to Value
        What they print as best, where that is another point.
    printed : mapping of tuple to float
        The accuracies that they print, in percent, by the values in the order of `values`.
    claim : str
        What they say, as a sentence; empty where they say nothing.
    note : str
        What a reader has to know about it.
    """

    key: str
    title: str
    where: str
    kind: Kind
    values: Mapping[str, tuple[Value, ...]]
    fixed: Mapping[str, Value] = field(default_factory=dict)
    chosen: Point = field(default_factory=dict)
    printed_best: Point = field(default_factory=dict)
    printed: Mapping[tuple[Any, ...], float] = field(default_factory=dict)
    claim: str = ""
    note: str = ""

    @cached_property
    def space(self) -> SearchSpace:
        """What is searched, as `tune` takes it."""
        return parse_space({name: list(values) for name, values in self.values.items()})

    def printed_at(self, point: Mapping[str, Value]) -> float | None:
        """Return what the authors print for a point, in percent; None where they print nothing."""
        return self.printed.get(tuple(point[name] for name in self.values))

    def applied(self, settings: Settings, point: Mapping[str, Value]) -> Settings:
        """Return `settings` with what is fixed here, and the values of a point.

        Raises
        ------
        SettingsError
            If the values cannot be right together.
        """
        return change_settings(settings, (), nest({**self.fixed, **point}))

    def thinned(self, step: int) -> "Experiment":
        """Return it with only every `step`-th value of every setting.

        The last values stay, and those of `chosen` and `printed_best`: without them, nothing that
        the authors say could be tested.
        """
        values = {}
        for name, every in self.values.items():
            kept = {*every[::-1][::step], self.chosen.get(name), self.printed_best.get(name)}
            values[name] = tuple(value for value in every if value in kept)
        return self.with_values(values)

    def with_values(self, values: Mapping[str, tuple[Value, ...]]) -> "Experiment":
        """Return it with other values of its settings."""
        return replace(self, values=values)


def find_experiment(key: str) -> Experiment:
    """Return the experiment of this key."""
    return next(experiment for experiment in EXPERIMENTS if experiment.key == key)


def _sweep(
    key: str, title: str, where: str, name: str, *, values: list[Any], chosen: Any, **more: Any
) -> Experiment:  # Any: values of one setting, and fields of an experiment
    tried = tuple(tuple(value) if isinstance(value, list) else value for value in values)
    at = {name: tuple(chosen) if isinstance(chosen, list) else chosen}
    return Experiment(
        key, title, where, "layers", {name: tried} | more.pop("also", {}), chosen=at, **more
    )


def _table(number: int, key: str, setting: str, title: str) -> Experiment:
    name = key.replace("_", " ").replace("boosting rounds", "number of rounds")
    table = _STUDY["xgboost_tuning"][key]
    values, accuracies = table["values"], table["accuracy"]
    best = values[accuracies.index(max(accuracies))]
    spread = max(accuracies) - min(accuracies)
    return Experiment(
        key=f"table-{number}",
        title=title,
        where=f"table {number}",
        kind="trees",
        values={setting: tuple(values)},
        chosen={setting: best},
        printed={(value,): accuracy for value, accuracy in zip(values, accuracies, strict=True)},
        claim=(
            f"{_article(key)} {name} of {best:g} is best, and the values differ by {spread:.1f} "
            "points"
        ),
        note=(
            f"Trees on fc1. The authors trained a CNN anew for each table; this one's scored "
            f"{table['cnn']:.2f} %."
        ),
    )


def _article(key: str) -> str:
    return "an" if key == "eta" else "a"


def _filters(first: int, layers: int = 3) -> list[int]:
    """Return the study's widths: n, 2n, 2n."""
    return [first, 2 * first, 2 * first][:layers]


def _grid_point(key: str) -> Point:
    found = _STUDY["grid_search"][key]
    return {f"cnn.{name}": found[name] for name in ("learning_rate", "l2", "batch_size")}


GRID = Experiment(
    key="grid",
    title="Learning rate, L2 and batch size together",
    where="figures 8, 9 and 30",
    kind="grid",
    values={
        "cnn.learning_rate": tuple(sorted(_STUDY["grid_search"]["learning_rate"])),
        "cnn.l2": tuple(sorted(_STUDY["grid_search"]["l2"])),
        "cnn.batch_size": tuple(_STUDY["grid_search"]["batch_size"]),
    },
    chosen=_grid_point("best_accuracy"),
    printed_best=_grid_point("best_as_printed"),
    printed=dict(published_grid().items()),
    claim="the best point is learning rate 1e-5, L2 1e-4, batch size 128, with 59.6 %",
    note=(
        "The study names two axes the wrong way round: its array, read right, has its best point "
        "at learning rate 1e-4 and L2 1e-5."
    ),
)

EXPERIMENTS: tuple[Experiment, ...] = (
    _table(2, "max_depth", "trees.max_depth", "Depth of the trees"),
    _table(3, "eta", "trees.learning_rate", "Learning rate of the trees (eta)"),
    _table(4, "boosting_rounds", "trees.rounds", "Boosting rounds"),
    _table(5, "lambda", "trees.reg_lambda", "L2 on the leaves (lambda)"),
    _table(6, "gamma", "trees.gamma", "Least gain of a split (gamma)"),
    _sweep(
        "conv-layers",
        "Convolutional layers",
        "figures 10 and 11",
        "cnn.filters",
        values=[_filters(32, layers) for layers in _SWEEPS["conv_layers"]["values"]],
        chosen=_filters(32, _SWEEPS["conv_layers"]["chosen"]),
        also={"cnn.dropout": (0.0, _STUDY["cnn"]["dropout"])},
        claim="three convolutional layers are best, with dropout and without",
    ),
    _sweep(
        "filters",
        "Filters of the layers (n, 2n, 2n)",
        "figures 12 and 13",
        "cnn.filters",
        values=[_filters(n) for n in _SWEEPS["filters"]["values"]],
        chosen=_filters(_SWEEPS["filters"]["chosen"]),
        claim="32, 64 and 64 filters are best",
    ),
    _sweep(
        "kernel-size",
        "Side of the kernels",
        "figures 14 and 15",
        "cnn.kernel_size",
        values=_SWEEPS["kernel_size"]["values"],
        chosen=_SWEEPS["kernel_size"]["chosen"],
        also={"cnn.padding": ("valid", "zero")},
        claim="kernels of 3 x 3 are best, with zero padding and without",
    ),
    _sweep(
        "dropout",
        "Dropout",
        "figures 16 and 17",
        "cnn.dropout",
        values=_SWEEPS["dropout"]["values"],
        chosen=_SWEEPS["dropout"]["chosen"],
        claim="a dropout of 0.4 is best",
    ),
    _sweep(
        "pool-size",
        "Side of the pooling window",
        "figures 18 and 19",
        "cnn.pool_size",
        values=_SWEEPS["pool_size"]["values"],
        chosen=_SWEEPS["pool_size"]["chosen"],
        fixed={"cnn.padding": "zero"},
        claim="pooling windows of 2 x 2 are best",
    ),
    _sweep(
        "stride",
        "Stride",
        "in the authors' code, left out of the report",
        "cnn.stride",
        values=_SWEEPS["stride"]["values"],
        chosen=1,
        note="Three layers of stride 2 and pooling leave nothing of 48 x 48 pixels.",
    ),
    _sweep(
        "fc1",
        "Width of the first dense layer",
        "figures 20 and 21",
        "cnn.dense",
        values=[[width, 7] for width in _SWEEPS["fc1"]["values"]],
        chosen=[_SWEEPS["fc1"]["chosen"], 7],
        claim="64 units of fc1 are best",
    ),
    _sweep(
        "fc2",
        "Width of the second dense layer",
        "figures 22 and 23",
        "cnn.dense",
        values=[[64, width] for width in _SWEEPS["fc2"]["values"]],
        chosen=[64, _SWEEPS["fc2"]["chosen"]],
        claim="7 units of fc2 are best",
    ),
    Experiment(
        key="augmentation",
        title="Augmentation and equal classes",
        where="section 3.2",
        kind="data",
        values={"cnn.augmentation": ("none", "published"), "data.balance": (False, True)},
        chosen={"cnn.augmentation": "none", "data.balance": False},
        claim="augmentation and equal classes made the result worse, so they were dropped",
    ),
    GRID,
)
