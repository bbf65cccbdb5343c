"""A study: a directory that says what is searched, on which data, and holds what was found."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from ferboost.config import Settings, TreeSettings, load_settings
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.doubts import prepare_training
from ferboost.errors import RunError, SettingsError
from ferboost.files import write_json, write_text
from ferboost.pipeline.execution import describe_data, with_whole_paths
from ferboost.pipeline.same_data import require_same_data, require_same_doubts
from ferboost.runs import DataRecord, Run, describe_environment, read_record, refuse_existing
from ferboost.settings_files import difference, to_toml
from ferboost.tuning.outcomes import (
    Cost,
    Objective,
    Outcome,
    best_outcome,
    pareto_front,
    read_outcomes,
)
from ferboost.tuning.space import SearchSpace, parse_space
from ferboost.tuning.wording import describe_costs
from ferboost.variants import CNN, tree_variants

if TYPE_CHECKING:
    from ferboost.tuning.database import Database

__all__ = [
    "Pruner",
    "Sampler",
    "Study",
    "StudyPlan",
    "StudyRecord",
    "plan_study",
    "resume_study",
    "start_study",
    "variant_of",
]

Sampler = Literal["grid", "random", "tpe"]
Pruner = Literal["none", "halving", "hyperband"]

_RECORD = "study.json"


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


class StudyRecord(BaseModel):
    """How a study was started; the content of ``study.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: StudyPlan
    classes: tuple[str, ...]
    data: DataRecord
    networks: dict[str, str]
    """SHA-256 of the networks of the run, by seed."""
    environment: dict[str, str]
    """Versions of the packages, and the machine."""
    command: str
    """What repeats the study."""
    created: str
    """Date and time in UTC, ISO 8601."""
    storage: str | None = None
    """The database that the study is in, without any password; None where it is in a journal."""


class Study:
    """A study directory.

    Parameters
    ----------
    path : Path
    record : StudyRecord
        Use `start_study`, `resume_study` and `Study.open`, which check it.
    """

    def __init__(self, path: Path, record: StudyRecord) -> None:
        self.path = path
        self.record = record

    @classmethod
    def open(cls, path: Path) -> "Study":
        """Open a study directory.

        Raises
        ------
        RunError
            If `path` is none, or its ``study.json`` cannot be understood.
        """
        return cls(path, read_record(path, _RECORD, StudyRecord, "a study directory"))

    @property
    def name(self) -> str:
        """The name of the directory, and of the study in a database."""
        return self.path.resolve().name

    @property
    def plan(self) -> StudyPlan:
        """What the study does."""
        return self.record.plan

    @cached_property
    def space(self) -> SearchSpace:
        """What is searched."""
        return parse_space(self.plan.space)

    @property
    def journal(self) -> Path:
        """Optuna's journal: every trial that was asked for, and how it ended."""
        return self.path / "journal.log"

    @property
    def trials_path(self) -> Path:
        """The folder with a file for each trial that is over."""
        return self.path / "trials"

    @property
    def best_path(self) -> Path:
        """The best settings, as ``--settings`` takes them."""
        return self.path / "best.toml"

    def outcomes(self) -> tuple[Outcome, ...]:
        """Read the trials that are over, by number.

        Raises
        ------
        RunError
            If a file of one is damaged.
        """
        return read_outcomes(self.trials_path)

    def best(self) -> Outcome | None:
        """Return the best trial that is done; None where none is."""
        return best_outcome(self.outcomes(), self.plan.objective)

    def front(self) -> tuple[Outcome, ...]:
        """Return the trials that no other beats in the objective and the costs of the study."""
        return pareto_front(self.outcomes(), self.plan.objective, self.plan.costs)

    def front_path(self, outcome: Outcome) -> Path:
        """Return the settings of a trial of the front, as ``--settings`` takes them."""
        return self.path / "front" / f"trial-{outcome.number:05}.toml"

    def write_front(self) -> None:
        """Write the settings of every trial of the front as TOML, and remove those of others."""
        front = self.front()
        files = {self.front_path(outcome): outcome for outcome in front}
        for file, outcome in files.items():
            if not file.exists():
                words = ", ".join(describe_costs(outcome, self.plan.objective, self.plan.costs))
                text = (
                    f"Trial {outcome.number} of the study {self.name}: {words},\non the validation "
                    "images. No other trial beats it. It was chosen on them, and that flatters."
                )
                write_text(file, to_toml(self.best_settings(outcome), text))
        for file in (self.path / "front").glob("trial-*.toml"):
            if file not in files:
                file.unlink()

    def best_settings(self, best: Outcome) -> dict[str, Any]:  # Any: values of settings
        """Return by dotted name what differs from the preset, or from the run, at a trial's point.

        Raises
        ------
        SettingsError
            If the values do not go together.
        RunError
            If the run that the trees grow on is gone.
        """
        settings = self.space.apply(self.plan.settings, best.point)
        if self.plan.run is not None:
            return difference(settings, Run.open(Path(self.plan.run)).settings)
        changed = difference(settings, load_settings(settings.preset))
        counts = (
            name
            for name in changed
            if name not in {"protocol", "seeds"}
            and (self.space.searches_trees or not name.startswith("trees."))
        )
        return {"preset": settings.preset} | {name: changed[name] for name in counts}

    def write_best(self, best: Outcome) -> None:
        """Write the best settings as TOML."""
        tried, seeds = len(self.outcomes()), len(self.plan.settings.seeds)
        value, models = best.value(self.plan.objective), f"{seeds} seed{'s' * (seeds > 1)}"
        text = (
            f"The best of {tried} trials so far of the study {self.name}: trial "
            f"{best.number},\n{self.plan.objective} {value:.4f} on the validation images (mean of "
            f"{models}).\nIt was chosen on them, and that flatters."
        )
        write_text(self.best_path, to_toml(self.best_settings(best), text))


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
    settings = with_whole_paths(settings)
    _check_run(run, space, settings, pruner)
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
        variant_of(settings, space)
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


def _check_run(run: Run | None, space: SearchSpace, settings: Settings, pruner: Pruner) -> None:
    """Refuse what cannot be with the CNNs of a run, or without."""
    if run is not None and space.searches_cnn:
        stranger = next(name for name in space.parameters if not name.startswith("trees."))
        raise SettingsError(
            f"on the CNNs of a run only trees.* can be searched, found {stranger}; leave out --run"
        )
    if run is not None and pruner != "none":
        raise SettingsError("a pruner stops CNNs, and on those of a run only trees grow")
    stacked = () if run is None else run.settings.trees.stacked
    if space.searches_trees and settings.trees.stacked != stacked:
        found = "a study of CNNs" if run is None else f"the run {run.path}"
        raise SettingsError(
            f"{found} does not have the CNNs that trees.stacked names; make a run that stacks "
            "them, and search its trees by --run"
        )


def variant_of(settings: Settings, space: SearchSpace) -> str:
    """Return what is judged at a point: the CNN, or the trees where those are searched.

    Raises
    ------
    SettingsError
        If there are trees of several kinds, or they need CNNs of folds.
    """
    if not space.searches_trees:
        return CNN
    trees = settings.trees
    if trees.features == "out-of-fold":
        raise SettingsError(
            "trees.features=out-of-fold trains a CNN for each fold; search with in-sample or "
            "held-out features, and train the best settings out of fold"
        )
    if trees.votes or "trees.votes" in space.parameters:
        raise SettingsError("a study has no votes; leave trees.votes at 0, and set it by train")
    variants = tree_variants(trees.taps, trees.mode)
    if len(variants) > 1 and "trees.taps" not in space.parameters:
        raise SettingsError(
            f"trees of one kind are searched at a time, and the settings have {len(variants)} "
            f"({', '.join(variants)}); choose one, as by --set 'trees.taps=[\"{trees.taps[0]}\"]' "
            "and trees.mode"
        )
    return variants[0]


def start_study(
    path: Path,
    dataset: FaceDataset,
    plan: StudyPlan,
    command: str,
    database: "Database | None" = None,
) -> Study:
    """Make a study directory.

    Parameters
    ----------
    path : Path
        Must not exist, or be an empty folder.
    dataset : FaceDataset
        As loaded.
    plan : StudyPlan
    command : str
        What repeats the study.
    database : Database, optional
        Where the trials are written down for several machines. If a study of that name is there,
        it is joined.

    Raises
    ------
    DataError
        If the data leaves no validation images.
    RunError
        If something is at `path`, the data or its doubted labels are not those of the run, or the
        study in the database is another one.
    StorageError
        If the directory cannot be written.
    """
    refuse_existing(path, "--resume")
    prepared = prepare_training(dataset, plan.settings.data, validation=True)
    networks: dict[str, str] = {}
    if plan.run is not None:
        run = Run.open(Path(plan.run))
        require_same_data(dataset, run.record.data, run.path)
        require_same_doubts(prepared, run.record.data, run.path)
        networks = _hash_networks(run)
    record = StudyRecord(
        plan=plan,
        classes=dataset.classes,
        data=describe_data(dataset, prepared),
        networks=networks,
        environment=describe_environment(),
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        storage=None if database is None else database.name,
    )
    if database is not None:
        database.agree(path.resolve().name, record, resumed=False)
    write_json(path / _RECORD, record.model_dump(mode="json"))
    return Study(path, record)


def resume_study(path: Path, dataset: FaceDataset, database: "Database | None" = None) -> Study:
    """Open a study to go on with it.

    Parameters
    ----------
    path : Path
    dataset : FaceDataset
        What it was started with.
    database : Database, optional
        Where it is, if it is in one; it may have moved since.

    Raises
    ------
    RunError
        If it is none, of another version of ferboost, of other data, or the networks of its run
        have changed: its trials would not be comparable. If it is not in the database.
    """
    study = Study.open(path)
    made, here = study.record.environment["ferboost"], version("ferboost")
    if made != here:
        raise RunError(
            f"{path} was started with ferboost {made}, and this is {here}: their trials are not "
            "comparable; go on with that version, or start a new study"
        )
    require_same_data(dataset, study.record.data, path)
    if study.plan.run is not None and _hash_networks(Run.open(Path(study.plan.run))) != (
        study.record.networks
    ):
        raise RunError(f"the CNNs of {study.plan.run} have changed since {path} was started")
    if (database is None) != (study.record.storage is None):
        there = study.record.storage or f"{study.journal}, and not in a database"
        raise RunError(f"the trials of {path} are in {there}; go on with them there")
    if database is not None:
        database.agree(study.name, study.record, resumed=True)
    return study


def _hash_networks(run: Run) -> dict[str, str]:
    from ferboost.models import network_path

    hashes = {}
    for seed in run.settings.seeds:
        file = network_path(run.seed_path(seed))
        if not file.is_file():
            raise run.unfinished(f"seed {seed} has no trained CNN")
        hashes[str(seed)] = sha256(file.read_bytes()).hexdigest()
    return hashes
