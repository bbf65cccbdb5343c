"""What a study does, checked to go together."""

from collections.abc import Sequence
from itertools import product
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ferboost.config import Settings, TreeSettings
from ferboost.errors import SettingsError
from ferboost.pipeline.execution import require_packages, with_whole_paths
from ferboost.runs import Run
from ferboost.settings import change_settings
from ferboost.tuning.dimensions import Choices
from ferboost.tuning.outcomes import Cost, Objective
from ferboost.tuning.space import SearchSpace
from ferboost.variants import CNN, tree_variants

__all__ = ["Pruner", "Sampler", "StudyPlan", "plan_study", "variant_of"]

Sampler = Literal["grid", "random", "tpe"]
Pruner = Literal["none", "halving", "hyperband"]


class StudyPlan(BaseModel):
    """What a study does; see `plan_study`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: Settings
    """What every point starts from; every point is tried with each of its seeds."""
    space: dict[str, Any]  # Any: as `parse_space` takes it
    sampler: Sampler
    pruner: Pruner
    objective: Objective
    costs: tuple[Cost, ...] = ()
    """What else is to be small; the trials that no other beats are the front."""
    trials: int | None
    """How many there are in the end; None for a grid, of which all points are tried."""
    run: str | None
    """Absolute path of the run whose CNNs the trees grow on; None where CNNs are trained."""


def plan_study(
    space: SearchSpace,
    settings: Settings,
    *,
    sampler: Sampler = "tpe",
    trials: int | None = None,
    pruner: Pruner = "none",
    objective: Objective = "accuracy",
    costs: Sequence[Cost] = (),
    run: Run | None = None,
) -> StudyPlan:
    """Check that everything of a study goes together.

    Parameters
    ----------
    space : SearchSpace
    settings : Settings
        What every point starts from; its seeds are what every point is tried with.
    sampler : {"grid", "random", "tpe"}
        All points of a grid, each once; points drawn at random; or by the tree-structured Parzen
        estimator (Bergstra et al., 2011; multivariate, Falkner et al., 2018).
    trials : int, optional
        How many there are in the end. A grid has one for each of its points.
    pruner : {"none", "halving", "hyperband"}
        What stops trainings early, by the validation loss of their epochs: asynchronous successive
        halving (Li et al., 2020), or Hyperband (Li et al., 2018).
    objective : {"accuracy", "log_loss"}
        What is optimised on the validation images.
    costs : sequence of {"size", "time"}
        What else is to be small: the bytes of the weights and trees, or the milliseconds for each
        face of a batch, on the machine of the trial.
    run : Run, optional
        Where only trees are searched: the run whose CNNs they grow on. `settings` are its own, but
        for the trees.

    Raises
    ------
    SettingsError
        If something cannot be.
    """
    if settings.protocol != "clean":
        raise SettingsError(
            "a study chooses on validation images, never on test images; use the protocol clean"
        )
    if sampler != "grid" and trials is None:
        raise SettingsError(f"the sampler {sampler} does not end by itself; say how many trials")
    require_packages(settings, trains=run is None)
    settings = with_whole_paths(settings)
    _check_run(run, space, settings, pruner)
    _check_learnt(space)
    if len(set(costs)) < len(costs):
        raise SettingsError(f"{costs[0]} is given twice; what is to be small is named once")
    if costs and pruner != "none":
        raise SettingsError(
            "a pruner stops trainings by one objective, and the study has several; use none"
        )
    if not space.searches_trees:  # the trees are left out, and must fit any architecture
        settings = settings.model_copy(update={"trees": TreeSettings(taps=("output",))})
    space.check(settings)
    if sampler == "grid":
        points = space.grid()
        if trials is not None:
            raise SettingsError(
                f"the grid has {len(points)} points, and all are tried; leave the trials out"
            )
        for point in points:
            try:
                tried = space.apply(settings, point)
            except SettingsError:
                continue  # its trial says so
            variant_of(tried, space)
    else:
        _check_kinds(settings, space)
    return StudyPlan(
        settings=settings,
        space=space.to_dict(),
        sampler=sampler,
        pruner=pruner,
        objective=objective,
        costs=tuple(costs),
        trials=trials,
        run=None if run is None else str(run.path.resolve()),
    )


def _check_kinds(settings: Settings, space: SearchSpace) -> None:
    """Refuse points that would have trees of several kinds."""
    searched = {name: space.parameters.get(f"trees.{name}") for name in ("taps", "mode")}
    choices = {name: found.values for name, found in searched.items() if isinstance(found, Choices)}
    for values in product(*choices.values()):
        trees = dict(zip(choices, values, strict=True))
        variant_of(change_settings(settings, (), {"trees": trees}), space)


def _check_learnt(space: SearchSpace) -> None:
    """Refuse points that are not judged or made alike."""
    for name in ("features", "folds"):
        if f"trees.{name}" in space.parameters:
            raise SettingsError(
                f"trees.{name} decides which images a point is judged on, or which CNNs it takes, "
                "so its values cannot be compared in a study; give one by --set, or compare them "
                "by train"
            )
    doubted = space.parameters.get("data.doubted")
    if isinstance(doubted, Choices) and "distil" in doubted.values:
        raise SettingsError(
            "data.doubted=distil reads other columns than the rest; give it by --set for all "
            "points, or compare it by train"
        )


def _check_run(run: Run | None, space: SearchSpace, settings: Settings, pruner: Pruner) -> None:
    """Refuse what cannot be with the CNNs of a run, or without."""
    if run is not None and space.searches_cnn:
        stranger = next(name for name in space.parameters if not name.startswith("trees."))
        raise SettingsError(
            f"on the CNNs of a run only trees.* can be searched, found {stranger}; leave out --run"
        )
    if run is not None and pruner != "none":
        raise SettingsError("a pruner stops CNNs, and on those of a run only trees grow")
    if space.searches_trees and settings.trees.features == "out-of-fold":
        _check_folds(run, settings.trees)
    if run is None and settings.cnn.teachers:
        raise SettingsError(
            "a study trains its CNNs without teachers; leave out cnn.teachers, or search the trees "
            "of a run that was taught, by --run"
        )
    stacked = () if run is None else run.settings.trees.stacked
    if space.searches_trees and settings.trees.stacked != stacked:
        found = "a study of CNNs" if run is None else f"the run {run.path}"
        raise SettingsError(
            f"{found} does not have the CNNs that trees.stacked names; make a run that stacks "
            "them, and search its trees by --run"
        )


def _check_folds(run: Run | None, trees: TreeSettings) -> None:
    """Refuse trees out of fold where there are no CNNs without these folds."""
    if run is None:
        raise SettingsError(
            "trees.features=out-of-fold trains a CNN for each fold; search on a run that has them, "
            "by --run, or with in-sample or held-out features"
        )
    theirs = run.settings.trees
    if theirs.features != "out-of-fold" or theirs.folds != trees.folds:
        found = theirs.folds if theirs.features == "out-of-fold" else "no"
        raise SettingsError(
            f"{run.path} has {found} CNNs of folds, and trees.folds={trees.folds} needs as many; "
            "train a run out of fold, or search with --set trees.features=held-out"
        )


def variant_of(settings: Settings, space: SearchSpace) -> str:
    """Return what is judged at a point: the CNN, or the trees where those are searched.

    Raises
    ------
    SettingsError
        If there are trees of several kinds.
    """
    if not space.searches_trees:
        return CNN
    trees = settings.trees
    variants = tree_variants(trees.taps, trees.mode)
    if len(variants) > 1:
        raise SettingsError(
            f"trees of one kind are tried at a time, and these settings have {len(variants)} "
            f"({', '.join(variants)}); choose one, as by --set 'trees.taps=[\"{trees.taps[0]}\"]' "
            "and trees.mode"
        )
    return variants[0]
