"""A study: a directory that says what is searched, on which data, and holds what was found."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from ferboost.config import taps_of
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.doubts import prepare_training
from ferboost.errors import RunError, SettingsError
from ferboost.files import write_json, write_text
from ferboost.pipeline.execution import describe_data
from ferboost.pipeline.same_data import require_same_data, require_same_doubts, require_same_votes
from ferboost.runs import DataRecord, Run, describe_environment, read_record, refuse_existing
from ferboost.settings import load_settings
from ferboost.settings_files import difference, nest, to_toml
from ferboost.tuning.outcomes import (
    Outcome,
    best_outcome,
    pareto_front,
    read_outcomes,
)
from ferboost.tuning.plans import StudyPlan
from ferboost.tuning.space import SearchSpace, parse_space
from ferboost.tuning.wording import describe_costs

if TYPE_CHECKING:
    from ferboost.tuning.database import Database

__all__ = [
    "Study",
    "StudyRecord",
    "resume_study",
    "start_study",
]

_RECORD = "study.json"


class StudyRecord(BaseModel):
    """How a study was started; the content of ``study.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: StudyPlan
    classes: tuple[str, ...]
    data: DataRecord
    networks: dict[str, str]
    """SHA-256 of the networks of the run, by seed and fold."""
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

    def write_front(self, outcomes: tuple[Outcome, ...]) -> None:
        """Write the settings of every trial of the front as TOML, and remove those of others."""
        front = pareto_front(outcomes, self.plan.objective, self.plan.costs)
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
        # Said also where it is the default, which votes on the command line would change.
        votes = {
            name: section.votes
            for name, section in (("cnn.votes", settings.cnn), ("trees.votes", settings.trees))
            if name in self.space.parameters
        }
        if self.plan.run is not None:
            return difference(settings, Run.open(Path(self.plan.run)).settings) | votes
        changed = difference(settings, load_settings(settings.preset))
        counts = (
            name
            for name in changed
            if name not in {"protocol", "seeds"}
            and (self.space.searches_trees or not name.startswith("trees."))
        )
        found = {"preset": settings.preset} | {name: changed[name] for name in counts} | votes
        if not self.space.searches_trees and not _go_together(found):
            # The preset's trees grow on layers of another architecture.
            found["trees.taps"] = list(taps_of(settings.cnn.architecture))
        return found

    def write_best(self, best: Outcome, tried: int) -> None:
        """Write the settings of the best of so many trials as TOML."""
        seeds = len(self.plan.settings.seeds)
        value, models = best.value(self.plan.objective), f"{seeds} seed{'s' * (seeds > 1)}"
        text = (
            f"The best of {tried} trials so far of the study {self.name}: trial "
            f"{best.number},\n{self.plan.objective} {value:.4f} on the validation images (mean of "
            f"{models}).\nIt was chosen on them, and that flatters."
        )
        write_text(self.best_path, to_toml(self.best_settings(best), text))


def _go_together(values: Mapping[str, Any]) -> bool:  # Any: values of settings
    tree = nest({name: value for name, value in values.items() if name != "preset"})
    try:
        load_settings(values["preset"], (), **tree)
    except SettingsError:
        return False
    return True


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
    SettingsError
        If votes are to be learnt and the data has none, or has some that nothing learns.
    RunError
        If something is at `path`, the data or its doubted labels are not those of the run, or the
        study in the database is another one.
    StorageError
        If the directory cannot be written.
    """
    refuse_existing(path, "--resume")
    _require_votes(dataset, plan)
    prepared = prepare_training(dataset, plan.settings.data, validation=True)
    networks: dict[str, str] = {}
    if plan.run is not None:
        run = Run.open(Path(plan.run))
        require_same_data(dataset, run.record.data, run.path)
        require_same_doubts(prepared, run.record.data, run.path)
        networks = _hash_networks(run, plan)
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
        If it is none, of another version of ferboost, of other data or votes, or the networks of
        its run have changed: its trials would not be comparable. If it is not in the database.
    """
    study = Study.open(path)
    made, here = study.record.environment["ferboost"], version("ferboost")
    if made != here:
        raise RunError(
            f"{path} was started with ferboost {made}, and this is {here}: their trials are not "
            "comparable; go on with that version, or start a new study"
        )
    require_same_data(dataset, study.record.data, path)
    if _learns_votes(study.plan):
        require_same_votes(dataset, study.record.data, path)
    if study.plan.run is not None and _hash_networks(
        Run.open(Path(study.plan.run)), study.plan
    ) != (study.record.networks):
        raise RunError(
            f"the CNNs of {study.plan.run} have changed since {path} was started; restore them, or "
            "start a new study"
        )
    if (database is None) != (study.record.storage is None):
        there = study.record.storage or f"{study.journal}, and not in a database"
        raise RunError(f"the trials of {path} are in {there}; go on with them there")
    if database is not None:
        database.agree(study.name, study.record, resumed=True)
    return study


def _learns_votes(plan: StudyPlan) -> bool:
    if {"cnn.votes", "trees.votes"} & plan.space.keys() or plan.settings.trees.votes:
        return True
    return bool(plan.settings.cnn.votes) and plan.run is None


def _require_votes(dataset: FaceDataset, plan: StudyPlan) -> None:
    searched = {"cnn.votes", "trees.votes"} & plan.space.keys()
    if dataset.votes is None and (searched or plan.settings.trees.votes):
        name = next(iter(sorted(searched)), "trees.votes")
        raise SettingsError(
            f"{name} takes FER+ votes, and there are none; give them by --votes fer2013new.csv"
        )
    if dataset.votes is not None and not _learns_votes(plan):
        raise SettingsError(
            "nothing of this study learns the votes; set or search cnn.votes or trees.votes, or "
            "leave them out"
        )


def _hash_networks(run: Run, plan: StudyPlan) -> dict[str, str]:
    """Return the hashes of the CNNs that trees grow on, by seed and, out of fold, also by fold."""
    from ferboost.models import fold_path, network_path

    trees = plan.settings.trees
    folders = {}
    for seed in run.settings.seeds:
        folders[str(seed)] = run.seed_path(seed)
        for fold in range(trees.folds if trees.features == "out-of-fold" else 0):
            folders[f"{seed}, fold {fold + 1}"] = fold_path(run.seed_path(seed), fold)
    hashes = {}
    for name, folder in folders.items():
        file = network_path(folder)
        if not file.is_file():
            raise run.unfinished(f"seed {name} has no trained CNN")
        hashes[name] = sha256(file.read_bytes()).hexdigest()
    return hashes
