"""Evaluating the models of a run, and keeping what came out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.array_files import read_arrays, write_arrays
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.splitting import draw_faces
from ferboost.errors import DataError, RunError
from ferboost.evaluation.results import PredictTime, Results, SeedResults
from ferboost.files import atomic_path
from ferboost.models import load_seed_model
from ferboost.pipeline.records import read_curves, read_train_accuracy
from ferboost.pipeline.timing import time_predictions
from ferboost.progress import Monitor, Tell, part_of
from ferboost.runs import Run
from ferboost.variants import require_variant

__all__ = [
    "UnseenFaces",
    "draw_unseen",
    "evaluate_run",
    "has_results",
    "has_training_hashes",
    "load_results",
    "load_training_hashes",
    "require_finished",
    "save_results",
    "save_training_hashes",
]


def evaluate_run(
    run: Run,
    evaluated: FaceDataset,
    monitor: Monitor,
    *,
    variants: Sequence[str] | None = None,
    timed: bool = True,
) -> Results:
    """Evaluate every variant and seed of a run on labelled images, and time their predictions.

    Parameters
    ----------
    run : Run
    evaluated : FaceDataset
        All of its images are used. Its classes must be among the run's.
    monitor : Monitor
    variants : sequence of str, optional
        Which of them; all by default.
    timed : bool
        Whether predictions are timed, several times each; else their times are NaN.

    Raises
    ------
    DataError
        If the images have a class that the run does not know.
    RunError
        If the run is not finished.
    SettingsError
        If the run has no such variant.
    """
    known = evaluated.with_classes(run.record.classes)
    require_finished(run)
    clean = ~np.isin(known.hashes, load_training_hashes(run))
    seeds = []
    with monitor.stage("evaluate") as tell:
        for done, seed in enumerate(run.settings.seeds):
            part = part_of(tell, done, len(run.settings.seeds), f"seed {seed}")
            seeds.append(_evaluate_seed(run, seed, known, part, variants, timed=timed))
    return Results(run.record.classes, known.labels, clean, tuple(seeds), known.order_fingerprint)


def require_finished(run: Run) -> None:
    """Refuse a run whose models are not all finished.

    Raises
    ------
    RunError
        If a CNN or trees are missing.
    """
    for seed in run.settings.seeds:
        read_train_accuracy(run, seed)


def _evaluate_seed(
    run: Run,
    seed: int,
    evaluated: FaceDataset,
    tell: Tell,
    variants: Sequence[str] | None,
    *,
    timed: bool,
) -> SeedResults:
    curves = read_curves(run, seed)
    model = load_seed_model(run, seed)
    for variant in variants or ():
        require_variant(run.path, variant, model.variants)
    wanted = tuple(variants or model.variants)
    predicting, timing = (part_of(tell, half, 2, "") for half in range(2))
    return SeedResults(
        seed=seed,
        history=curves.history,
        best_epoch=curves.best_epoch,
        probabilities=model.probabilities(
            evaluated.images, tell=predicting if timed else tell, variants=wanted
        ),
        train_accuracy=read_train_accuracy(run, seed),
        predict_times=(
            time_predictions(model, evaluated.images, wanted, timing)
            if timed
            else dict.fromkeys(wanted, PredictTime(nan, nan, nan))
        ),
    )


def save_training_hashes(run: Run, hashes: NDArray[np.bytes_]) -> None:
    """Keep the hashes of the images that the models are made with (see `hash_images`)."""
    with atomic_path(_hashes_path(run)) as temporary, temporary.open("wb") as stream:
        np.save(stream, hashes)


def has_training_hashes(run: Run) -> bool:
    """Say whether `save_training_hashes` has been called for the run."""
    return _hashes_path(run).exists()


def load_training_hashes(run: Run) -> NDArray[np.bytes_]:
    """Read the hashes that `save_training_hashes` kept.

    Raises
    ------
    RunError
        If they are missing or damaged.
    """
    try:
        with _hashes_path(run).open("rb") as stream:
            hashes: NDArray[np.bytes_] = np.load(stream, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise RunError(f"cannot read {_hashes_path(run)} ({error}); restore the run") from error
    return hashes


@dataclass(frozen=True)
class UnseenFaces:
    """Faces that a run is judged on without those that it knows.

    Attributes
    ----------
    drawn : FaceDataset
    source : str
        What a table calls them, such as ``"test faces of fer2013.zip"``.
    left_out : int
        How many of them were copies of images that the run was made with.
    """

    drawn: FaceDataset
    source: str
    left_out: int


def draw_unseen(run: Run, evaluated: FaceDataset, count: int) -> UnseenFaces:
    """Draw about `count` images, of each class in proportion, that a run was not made with.

    Raises
    ------
    RunError
        If the run does not say which images it was made with.
    DataError
        If none is left, or they have other classes.
    """
    known = evaluated.with_classes(run.record.classes)
    learnt = np.isin(known.hashes, load_training_hashes(run))
    if learnt.all():
        raise DataError(
            f"{run.path} was made with all {len(known):,} of these images of {known.source}; "
            "choose others by --split, or give other data"
        )
    drawn = draw_faces(known.select(~learnt), count)
    return UnseenFaces(drawn, _name_faces(evaluated), int(learnt.sum()))


def _name_faces(evaluated: FaceDataset) -> str:
    (split, *others) = evaluated.split_counts()
    kind = f"{split} faces" if not others and split != "train" else "faces"
    return f"{kind} of {Path(evaluated.source).name or 'the data'}"


def _hashes_path(run: Run) -> Path:
    return run.path / "training-hashes.npy"


def save_results(run: Run, results: Results) -> None:
    """Keep the results of a run on its test split in ``predictions.npz``."""
    arrays: dict[str, NDArray[np.generic]] = {"labels": results.labels}
    if results.clean is not None:
        arrays["clean"] = results.clean
    if results.images is not None:
        arrays["images"] = np.array(results.images)
    for seed in results.seeds:
        for variant, probabilities in seed.probabilities.items():
            time = seed.predict_times[variant]
            arrays[f"{seed.seed}/{variant}"] = probabilities
            arrays[f"{seed.seed}/{variant}/seconds"] = np.array([time.cnn, time.trees, time.whole])
    write_arrays(_results_path(run), arrays)


def has_results(run: Run) -> bool:
    """Say whether `save_results` has been called for the run."""
    return _results_path(run).exists()


def load_results(run: Run) -> Results:
    """Read the results that `save_results` kept.

    Raises
    ------
    RunError
        If the run is not finished, or its file is damaged.
    """
    path = _results_path(run)
    if not path.exists():
        raise run.unfinished()
    try:
        arrays = read_arrays(path)
        seeds = tuple(_load_seed(run, seed, arrays) for seed in run.settings.seeds)
        images = str(arrays["images"]) if "images" in arrays else None
        return Results(run.record.classes, arrays["labels"], arrays.get("clean"), seeds, images)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(
            f"{path} is damaged ({error}); remove it and go on with: "
            f"ferboost train --resume {run.path}"
        ) from error


def _load_seed(run: Run, seed: int, arrays: Mapping[str, NDArray[Any]]) -> SeedResults:
    curves = read_curves(run, seed)
    train_accuracy = read_train_accuracy(run, seed)
    return SeedResults(
        seed=seed,
        history=curves.history,
        best_epoch=curves.best_epoch,
        probabilities={v: arrays[f"{seed}/{v}"] for v in train_accuracy},
        train_accuracy=train_accuracy,
        predict_times={
            v: PredictTime(*map(float, arrays[f"{seed}/{v}/seconds"])) for v in train_accuracy
        },
    )


def _results_path(run: Run) -> Path:
    return run.path / "predictions.npz"
