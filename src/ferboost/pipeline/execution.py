"""Starting, executing and resuming a run."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ferboost.cnn.network import build_network
from ferboost.cnn.recognition_weights import read_recognition_weights
from ferboost.config import Settings
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.doubts import prepare_training
from ferboost.errors import SettingsError
from ferboost.evaluation.results import Results
from ferboost.extras import needed_for
from ferboost.files import atomic_folder, copy_file
from ferboost.models import ROLES, borrowed_record_path, fold_path, load_seed_model
from ferboost.pipeline.borrowing import copy_borrowed, find_borrowed, has_borrowed
from ferboost.pipeline.calibrating import calibrate_run, load_calibration
from ferboost.pipeline.changing import save_changed_faces
from ferboost.pipeline.drifting import save_trait_limits
from ferboost.pipeline.evaluating import (
    evaluate_run,
    has_results,
    has_training_hashes,
    load_results,
    save_results,
    save_training_hashes,
)
from ferboost.pipeline.examples import save_examples
from ferboost.pipeline.memorising import measure_memorised
from ferboost.pipeline.records import CNN_FILES, PRECISION
from ferboost.pipeline.same_data import (
    require_same_data,
    require_same_doubts,
    require_same_order,
    require_same_votes,
)
from ferboost.pipeline.sufficing import require_images_for_trees
from ferboost.pipeline.training import SeedTraining
from ferboost.progress import Monitor
from ferboost.runs import DataRecord, Run, RunRecord, describe_environment, refuse_existing
from ferboost.settings import change_settings

__all__ = [
    "branch_run",
    "describe_data",
    "execute_run",
    "resume_run",
    "start_run",
    "with_whole_paths",
]


def describe_data(dataset: FaceDataset, prepared: FaceDataset) -> DataRecord:
    """Return the record of a data set as read, and with its splits cut."""
    return DataRecord(
        path=str(Path(dataset.source).resolve()),
        fingerprint=dataset.fingerprint,
        order=dataset.order_fingerprint,
        votes=str(Path(dataset.votes_source).resolve()) if dataset.votes_source else None,
        votes_fingerprint=dataset.votes_fingerprint,
        counts=prepared.split_counts(),
        notes=prepared.notes,
    )


def with_whole_paths(settings: Settings) -> Settings:
    """Return settings whose other runs and doubted labels are found from any folder."""
    stacked = [str(Path(name).resolve()) for name in settings.trees.stacked]
    teachers = [str(Path(name).resolve()) for name in settings.cnn.teachers]
    doubts = None if settings.data.doubts is None else str(Path(settings.data.doubts).resolve())
    changes = {
        "trees": {"stacked": stacked},
        "cnn": {"teachers": teachers},
        "data": {"doubts": doubts},
    }
    return change_settings(settings, (), changes)


def require_packages(settings: Settings, *, trains: bool = True) -> None:
    """Let a package that only some settings need be missed now, not after hours of training.

    Parameters
    ----------
    settings : Settings
    trains : bool
        Whether CNNs are trained, too.

    Raises
    ------
    MissingExtraError
        If one is missing.
    ModelError
        If the weights that a package brings are others than those that are known.
    """
    if "lightgbm" in settings.trees.baselines:
        with needed_for("trees.baselines=lightgbm"):
            import lightgbm  # noqa: F401
    if trains and settings.cnn.weights == "faces":
        read_recognition_weights()


def start_run(
    path: Path, dataset: FaceDataset, settings: Settings, command: str
) -> tuple[Run, FaceDataset]:
    """Check that the data and the settings fit, and make the run directory.

    Parameters
    ----------
    path : Path
        Must not exist, or be an empty folder.
    dataset : FaceDataset
        As loaded.
    settings : Settings
    command : str
        What repeats the run.

    Returns
    -------
    run : Run
    prepared : FaceDataset
        With every split that the run needs.

    Raises
    ------
    SettingsError, DataError, RunError, StorageError
        Nothing has been written then.
    """
    require_packages(settings)
    settings = with_whole_paths(settings)
    borrowed = find_borrowed(settings, dataset)
    run, prepared = _begin(path, dataset, settings, command)
    copy_borrowed(run, borrowed)
    return run, prepared


def _begin(
    path: Path, dataset: FaceDataset, settings: Settings, command: str
) -> tuple[Run, FaceDataset]:
    """Make the run directory, without other runs' CNNs."""
    if settings.trees.votes and dataset.votes is None:
        raise SettingsError(
            f"trees.votes={settings.trees.votes:g} takes FER+ votes, and there are none; give them "
            "by --votes fer2013new.csv"
        )
    prepared = _prepare(dataset, settings)
    build_network(settings.cnn, len(dataset.classes))  # refuses impossible shapes
    require_images_for_trees(prepared, settings)
    record = RunRecord(
        settings=settings,
        classes=dataset.classes,
        data=describe_data(dataset, prepared),
        environment=describe_environment(),
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Run.create(path, record), prepared


def resume_run(path: Path, dataset: FaceDataset) -> tuple[Run, FaceDataset]:
    """Open a run to go on with it, given the data set that it was started with.

    Raises
    ------
    RunError
        If `path` is no run directory, or the data set has changed since, be it in its order alone.
    """
    run = Run.open(path)
    require_same_data(dataset, run.record.data, path)
    require_same_order(dataset, run.record.data, path)
    prepared = _prepare(dataset, run.settings)
    require_same_doubts(prepared, run.record.data, path)
    if run.settings.trees.votes or run.settings.cnn.votes:
        require_same_votes(dataset, run.record.data, path)
    _borrow_missing(run, dataset)  # as where it was killed while they were copied
    return run, prepared


def _borrow_missing(run: Run, dataset: FaceDataset) -> None:
    missing = [role for role in ROLES if not has_borrowed(run, role)]
    copy_borrowed(run, find_borrowed(run.settings, dataset, missing))


def branch_run(
    origin: Run, path: Path, dataset: FaceDataset, settings: Settings, command: str
) -> tuple[Run, FaceDataset]:
    """Make a new run with the trained CNNs of `origin` and other trees.

    Parameters
    ----------
    origin : Run
        All of its CNNs must be trained.
    path, dataset, settings, command
        As for `start_run`; the settings may differ from the origin's in ``trees`` only.

    Raises
    ------
    SettingsError
        If other settings than those of the trees differ.
    RunError
        If a CNN is missing, or the data set or its doubted labels have changed.
    """
    if settings.model_copy(update={"trees": origin.settings.trees}) != origin.settings:
        raise SettingsError("a run branches off with other trees only; start a new one by train")
    require_packages(settings, trains=False)
    for seed in settings.seeds:
        load_seed_model(origin, seed)
    require_same_data(dataset, origin.record.data, origin.path)
    if settings.cnn.votes:  # the new run says what its CNNs have learnt
        require_same_votes(dataset, origin.record.data, origin.path)
    refuse_existing(path)
    with atomic_folder(path) as folder:  # a branch without its CNNs would train them anew
        run, prepared = _begin(folder, dataset, with_whole_paths(settings), command)
        require_same_doubts(prepared, origin.record.data, origin.path)
        copy_file(origin.path / PRECISION, folder / PRECISION)
        for seed in settings.seeds:
            _copy_cnns(origin, run, seed)
        taught_by = borrowed_record_path(origin, "teacher")
        if taught_by.exists():
            copy_file(taught_by, borrowed_record_path(run, "teacher"))
        _borrow_missing(run, dataset)
    return Run(path, run.record), prepared


def execute_run(run: Run, prepared: FaceDataset, monitor: Monitor) -> Results:
    """Do what is left of a run, and return its results on the test split.

    Parameters
    ----------
    run : Run
    prepared : FaceDataset
        From `start_run` or `resume_run`.
    monitor : Monitor

    Raises
    ------
    RunError
        If another process works on the run, or a file of it is damaged.
    StorageError
        If the disk is full. What is finished stays; the run can be resumed.
    """
    with run.lock():
        if not has_training_hashes(run):
            used = prepared.hashes[prepared.splits != "test"]
            save_training_hashes(run, np.unique(used))
        # The test split is not looked at before all models are finished, unless the published
        # protocol is asked for, which selects on it.
        held_out = prepared.split(run.settings.held_out)
        train = prepared.split("train")
        save_examples(run, train)
        save_trait_limits(run, train)
        seeds = [SeedTraining(run, s, train, held_out, monitor) for s in run.settings.seeds]
        evaluated = has_results(run) and all(seed.is_finished for seed in seeds)
        for seed in seeds:
            seed.finish()
        if run.settings.protocol == "clean" and load_calibration(run) is None:
            calibrate_run(run, held_out, monitor)
        if run.settings.protocol == "clean":
            measure_memorised(run, train, held_out, monitor)
        if evaluated:
            return load_results(run)
        test = prepared.split("test")
        results = evaluate_run(run, test, monitor)
        save_changed_faces(run, results, test.images)
        save_results(run, results)  # last: it says that the test images are done with
    return results


def _copy_cnns(origin: Run, run: Run, seed: int) -> None:
    """Copy the CNN of a seed, and those without a fold where both runs have the same folds."""
    ours, theirs = run.seed_path(seed), origin.seed_path(seed)
    folders = [(theirs, ours)]
    before, after = origin.settings.trees, run.settings.trees
    if before.features == after.features == "out-of-fold" and before.folds == after.folds:
        folders += [(fold_path(theirs, f), fold_path(ours, f)) for f in range(after.folds)]
    for source, target in folders:
        for name in CNN_FILES:
            if (source / CNN_FILES[-1]).exists():
                copy_file(source / name, target / name)


def _prepare(dataset: FaceDataset, settings: Settings) -> FaceDataset:
    return prepare_training(dataset, settings.data, validation=settings.protocol == "clean")
