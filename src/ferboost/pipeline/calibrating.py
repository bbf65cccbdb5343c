"""Calibrating a run on its validation images, and keeping what came out."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.array_files import read_arrays, write_arrays
from ferboost.datasets.dataset import FaceDataset
from ferboost.errors import DataError, RunError
from ferboost.evaluation.scaling import SCALING_METHODS, Scaling, ScalingMethod
from ferboost.evaluation.trust import RunCalibration, fit_calibration
from ferboost.features import group_features
from ferboost.files import write_json
from ferboost.models import SeedModel, load_seed_model
from ferboost.pipeline.evaluating import require_finished
from ferboost.pipeline.unseen import load_unseen, unseen_path
from ferboost.progress import Monitor, part_of
from ferboost.runs import Run
from ferboost.seen_images import watched_images
from ferboost.variants import groups_of, is_distance

__all__ = [
    "calibrate_run",
    "load_calibration",
    "why_uncalibrated",
]

#: By variant and method.
_Scalings = Mapping[str, Mapping[ScalingMethod, Scaling]]

_VALIDATION = "validation-predictions.npz"
_SCALINGS = "calibration.json"
_GROWN_ON = "grown on"


def calibrate_run(run: Run, validation: FaceDataset, monitor: Monitor) -> RunCalibration:
    """Fit temperature and vector scaling for every seed and variant, and keep them in the run.

    ``validation-predictions.npz`` holds the predictions, from which sets of any coverage can be
    made, and ``calibration.json`` the scalings; the latter is written last.

    Parameters
    ----------
    run : Run
        Of the protocol ``"clean"``, its models finished.
    validation : FaceDataset
        The run's own: no CNN was trained on it. Held-out trees grew on four fifths of it, and are
        calibrated on the last one. Where out-of-fold trees correct one CNN, the training images
        count as well, as the CNNs of folds, and trees grown on the other folds, judge them.
    monitor : Monitor

    Raises
    ------
    RunError
        If the run is of the protocol ``"paper"``, or is not finished.
    StorageError
        If the run cannot be written.
    """
    if run.settings.protocol == "paper":
        raise RunError(f"{run.path}: {why_uncalibrated(run)}")
    require_finished(run)
    known = validation.with_classes(run.record.classes)
    probabilities = {}
    with monitor.stage("calibrate") as tell:
        for done, seed in enumerate(run.settings.seeds):
            part = part_of(tell, done, len(run.settings.seeds), f"seed {seed}")
            model = load_seed_model(run, seed)
            distances = _distances_without_itself(run, model, known)
            probabilities[seed] = model.probabilities(known.images, distances, part)
        labels, probabilities = _with_unseen(run, known.labels, probabilities)
        calibration = fit_calibration(labels, probabilities, _grown_on(run, validation))
    arrays: dict[str, NDArray[np.generic]] = {"labels": labels}
    if run.settings.trees.features == "held-out":
        arrays[_GROWN_ON] = calibration.grown_on
    for seed, variants in probabilities.items():
        arrays |= {f"{seed}/{variant}": shares for variant, shares in variants.items()}
    write_arrays(run.path / _VALIDATION, arrays)
    write_json(run.path / _SCALINGS, _describe(calibration))
    return calibration


def load_calibration(run: Run) -> RunCalibration | None:
    """Read what `calibrate_run` kept; None where the run was never calibrated.

    Raises
    ------
    RunError
        If a file is damaged.
    """
    path = run.path / _SCALINGS
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_bytes())
        arrays = read_arrays(run.path / _VALIDATION)
        seeds = {int(seed): _read_scalings(own) for seed, own in content["seeds"].items()}
        probabilities = {
            seed: {variant: arrays[f"{seed}/{variant}"] for variant in own}
            for seed, own in seeds.items()
        }
        ensemble = _read_scalings(content["mean of seeds"])
        labels, grown_on = arrays["labels"], np.zeros(len(arrays["labels"]), dtype=np.bool_)
        if run.settings.trees.features == "held-out":
            grown_on = arrays[_GROWN_ON]
        return RunCalibration(labels, probabilities, grown_on, seeds, ensemble)
    except (OSError, ValueError, TypeError, AttributeError, KeyError, DataError) as error:
        raise RunError(
            f"{path} or {_VALIDATION} beside it is damaged ({error}); remove both and run: "
            f"ferboost calibrate {run.path} DATA"
        ) from error


def _with_unseen(
    run: Run, labels: NDArray[np.int64], probabilities: dict[int, dict[str, NDArray[np.float32]]]
) -> tuple[NDArray[np.int64], dict[int, dict[str, NDArray[np.float32]]]]:
    """Add training images that were judged out of fold, where every seed has them."""
    unseen = {seed: load_unseen(run.seed_path(seed)) for seed in probabilities}
    complete = {
        seed: own
        for seed, own in unseen.items()
        if own is not None and own[1].keys() >= probabilities[seed].keys()
    }
    if len(complete) < len(probabilities):
        return labels, probabilities
    joined = {
        seed: {v: np.concatenate([own, complete[seed][1][v]]) for v, own in variants.items()}
        for seed, variants in probabilities.items()
    }
    first, _ = next(iter(complete.values()))  # all seeds have the same folds
    for seed, (own, _) in complete.items():
        if not np.array_equal(own, first):
            raise RunError(
                f"{unseen_path(run.seed_path(seed))} is of the images in another order than that "
                "of the first seed; train anew"
            )
    return np.concatenate([labels, first]), joined


def _distances_without_itself(
    run: Run, model: SeedModel, validation: FaceDataset
) -> dict[str, NDArray[np.float32]]:
    """Return distances to class centres, where these are means of the validation images.

    Each image is left out of its own centre, as in training: it would tell its class.
    """
    groups = {g for tap in run.settings.trees.taps for g in groups_of(tap) if is_distance(g)}
    if run.settings.trees.features != "in-sample" or not groups:
        return {}
    return group_features(model.source, validation.images, groups, validation.labels)


def _grown_on(run: Run, validation: FaceDataset) -> NDArray[np.bool_] | None:
    """Say on which validation images the trees of a run grew; None for none."""
    if run.settings.trees.features != "held-out":
        return None
    return ~watched_images(validation.labels, validation.hashes)


def why_uncalibrated(run: Run) -> str:
    """Return the sentence that says why a run has no calibration, and what to do."""
    if run.settings.protocol == "paper":
        return (
            "not calibrated: the published protocol holds out nothing but the test images, and a "
            "calibration fitted on the images that are counted flatters itself; "
            "train with --protocol clean"
        )
    return f"not calibrated yet; run: ferboost calibrate {run.path} DATA"


def _describe(calibration: RunCalibration) -> dict[str, object]:
    seeds = calibration.scalings.items()
    return {
        "images": len(calibration.labels),
        "seeds": {str(seed): _describe_scalings(own) for seed, own in seeds},
        "mean of seeds": _describe_scalings(calibration.ensemble),
    }


def _describe_scalings(scalings: _Scalings) -> dict[str, dict[str, object]]:
    return {
        variant: {method: scaling.to_dict() for method, scaling in own.items()}
        for variant, own in scalings.items()
    }


def _read_scalings(content: Mapping[str, Mapping[str, dict[str, Any]]]) -> _Scalings:  # Any: JSON
    return {
        variant: {method: Scaling.from_dict(own[method]) for method in SCALING_METHODS}
        for variant, own in content.items()
    }
