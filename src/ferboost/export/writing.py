"""Writing the models of a run as one ONNX file."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import combinations, product, starmap
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from ferboost.datasets import load_dataset
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.splitting import cut_as
from ferboost.errors import ExportError, FerboostError, SettingsError
from ferboost.evaluation.conformal import fit_conformal
from ferboost.evaluation.metrics import evaluate_probabilities
from ferboost.evaluation.results import Results
from ferboost.evaluation.scaling import Scaling, fit_shown_scaling
from ferboost.export.ensemble import build_graph
from ferboost.export.graph import WeightFormat
from ferboost.export.parity import Parity, check_parity, measure_loss
from ferboost.export.quantizing import quantize
from ferboost.files import write_bytes
from ferboost.inference.model_file import (
    CHECKSUM_KEY,
    INFO_KEY,
    PRODUCER,
    ModelInfo,
    content_checksum,
    pack_hashes,
)
from ferboost.inference.sets import SetThresholds
from ferboost.models import SeedModel, load_seed_model, members_of
from ferboost.pipeline import load_calibration, load_results
from ferboost.pipeline.calibrating import why_uncalibrated
from ferboost.pipeline.drifting import find_trait_limits
from ferboost.pipeline.evaluating import load_training_hashes
from ferboost.pipeline.examples import load_examples
from ferboost.progress import Tell
from ferboost.runs import Run
from ferboost.variants import CNN, require_variant

__all__ = ["Export", "ExportedCalibration", "export_run"]

#: How exported probabilities are scaled.
ExportedCalibration = Literal["temperature", "vector", "none"]


_PREPROCESSING = (
    "Input faces: uint8, (n, 48, 48), gray values from 0 to 255 of a face that fills the picture, "
    "as in FER-2013. The graph scales them itself. Output probabilities: float32, (n, classes)."
)
_LICENCE = "Software: MIT. Weights: subject to the terms of the data that they were trained on."

# Every whole percent: sets of any coverage from a small table.
_COVERAGES = tuple(percent / 100 for percent in range(50, 100))

_STEPS = 4
# Faces beside the run's examples on which parity is proved. Each of them takes some milliseconds.
_PARITY_FACES = 1000


@dataclass(frozen=True)
class Export:
    """A written model file.

    Attributes
    ----------
    path : Path
    size : int
        Bytes.
    info : ModelInfo
        What the file says of itself.
    parity : Parity
    """

    path: Path
    size: int
    info: ModelInfo
    parity: Parity


def export_run(
    run: Run,
    target: Path,
    variant: str = "cnn",
    seeds: Sequence[int] | None = None,
    faces: FaceDataset | None = None,
    *,
    beside: Sequence[Run] = (),
    calibration: ExportedCalibration | None = None,
    weight_format: WeightFormat = "float32",
    tell: Tell | None = None,
) -> Export:
    """Write one variant of a finished run as an ONNX file that needs nothing else.

    Nothing is written unless the file computes what the run's models do, see
    `ferboost.export.parity.check_parity`.

    Parameters
    ----------
    run : Run
    target : Path
        The file; one that is there is replaced.
    variant : str
        ``"cnn"``, or the trees that decide, such as ``"fc1"`` and ``"fc1 residual"``.
    seeds : sequence of int, optional
        The models of these seeds, by default of all; their probabilities are averaged.
    faces : FaceDataset, optional
        Faces on which parity is proved, all of them. By default those that the run keeps as
        examples, and up to 1,000 more of its training and validation images where the data is
        still where it was.
    beside : sequence of Run, optional
        Other runs of the same data, such as with another network, all of whose seeds are averaged
        with those of `run`.
    calibration : {"temperature", "vector", "none"}, optional
        How the probabilities are scaled, fitted on the run's validation images. By default
        temperature where the run is calibrated. Left out where these do not show that it helps, see
        `ferboost.evaluation.scaling.fit_shown_scaling`.
    weight_format : {"float32", "float16", "int8"}
        What the weights of the network are kept in; with int8 it also computes in 8 bits, several
        times as fast. Parity is proved with float32; what less makes different is measured on the
        same faces, which int8 takes the ranges of its layers from, and recorded.
    tell : callable, optional
        Called with (done, total, what is done next) before every step.

    Raises
    ------
    SettingsError
        If a run has no such variant or seed, or is not calibrated where that is asked for; or the
        runs are of other data, or a variant is the mean of more models in one of them.
    RunError
        If a run is not finished.
    ExportError
        If the models cannot be exported, or the export computes something else.
    StorageError
        If the file cannot be written.
    """
    say = tell or (lambda _done, _total, _detail: None)
    say(0, _STEPS, "load the models")
    parts = [_load_part(run, variant, _checked_seeds(run, seeds))]
    parts += [_load_part(own, variant, own.settings.seeds) for own in beside]
    for one, other in combinations(parts, 2):
        _require_alike(one, other, variant)
    classes = run.record.classes
    method, scaling, sets = _calibrate(parts, variant, calibration)
    models = [model for part in parts for model in part.models]
    data = _data_of(run)
    compared = _parity_faces(run, data) if faces is None else faces.images
    say(1, _STEPS, f"compare file and models on {len(compared):,} faces")
    exported = build_graph(models, variant, len(classes), scaling)
    parity = check_parity(exported, models, variant, compared, scaling)
    say(2, _STEPS, f"weights in {weight_format}")
    written, loss = exported.model, None
    if weight_format == "float16":
        written = build_graph(models, variant, len(classes), scaling, weight_format).model
    elif weight_format == "int8":
        written = quantize(exported.model, compared)
    if written is not exported.model:
        loss = measure_loss(exported.model, written, compared)
    say(3, _STEPS, "what faces it knows")
    info = ModelInfo(
        classes=classes,
        variant=variant,
        seeds=tuple(seed for part in parts for seed in part.seeds),
        preprocessing=_PREPROCESSING,
        version=version("ferboost"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        data_fingerprint=run.record.data.fingerprint,
        protocol=run.settings.protocol,
        metrics=_metrics(parts, variant, scaling),
        parity=asdict(parity),
        licence=_LICENCE,
        training_hashes=pack_hashes(
            np.unique(np.concatenate([load_training_hashes(part.run) for part in parts]))
        ),
        calibration=method,
        weight_format=weight_format,
        weight_loss={} if loss is None else asdict(loss),
        sets=sets,
        limits=find_trait_limits(run, data),
        runs=len(parts),
    )
    content = _serialize(written, info)
    write_bytes(target, content)
    say(_STEPS, _STEPS, "")
    return Export(target, len(content), info, parity)


@dataclass(frozen=True, eq=False)
class _Part:
    """What one run gives to a file."""

    run: Run
    seeds: tuple[int, ...]
    results: Results
    models: tuple[SeedModel, ...]


def _load_part(run: Run, variant: str, seeds: tuple[int, ...]) -> _Part:
    results = load_results(run)
    require_variant(run.path, variant, results.variants)
    return _Part(run, seeds, results, tuple(load_seed_model(run, seed) for seed in seeds))


def _require_alike(first: _Part, other: _Part, variant: str) -> None:
    """Refuse runs whose models cannot be averaged."""
    both = f"{first.run.path} and {other.run.path}"
    if first.run.path.resolve() == other.run.path.resolve():
        raise SettingsError(f"{first.run.path} is given twice; name each run once")
    ours, theirs = first.run.record, other.run.record
    if (ours.data.fingerprint, ours.classes) != (theirs.data.fingerprint, theirs.classes):
        raise SettingsError(f"{both} are of other data, and only runs of the same are averaged")
    if ours.settings.protocol != theirs.settings.protocol:
        raise SettingsError(f"{both} have other protocols; average runs of one")
    if first.results.images != other.results.images:
        raise SettingsError(f"{both} have cut off other test images; average runs of one split")
    if variant == CNN and any(starmap(_same_network, product(first.models, other.models))):
        raise SettingsError(f"{both} have the same CNN, which would count twice; name one of them")
    counts = [len(members_of(part.models[:1], variant)) for part in (first, other)]
    if counts[0] != counts[1]:
        raise SettingsError(
            f"for each seed, {variant!r} averages {counts[0]} CNNs in {first.run.path} and "
            f"{counts[1]} in {other.run.path}; take a variant that is alike in both, such as cnn"
        )


def _same_network(a: SeedModel, b: SeedModel) -> bool:
    ours, theirs = a.network.state_dict(), b.network.state_dict()
    return ours.keys() == theirs.keys() and all(
        torch.equal(ours[name], theirs[name]) for name in ours
    )


def _checked_seeds(run: Run, seeds: Sequence[int] | None) -> tuple[int, ...]:
    trained = run.settings.seeds
    if not seeds:
        return trained
    for seed in seeds:
        if seed not in trained or list(seeds).count(seed) > 1:
            names = ", ".join(map(str, trained))
            raise SettingsError(f"seed {seed} is not there or given twice; {run.path} has: {names}")
    return tuple(seeds)


def _calibrate(
    parts: Sequence[_Part], variant: str, method: ExportedCalibration | None
) -> tuple[ExportedCalibration, Scaling | None, SetThresholds | None]:
    """Return how the mean of some seeds is scaled, and the thresholds of its sets."""
    counted = []
    for part in parts:
        calibration, path = load_calibration(part.run), part.run.path
        if calibration is None:
            if method in {None, "none"}:
                return "none", None, None
            raise SettingsError(f"{path} is {why_uncalibrated(part.run)}")
        if any(variant not in calibration.probabilities.get(seed, {}) for seed in part.seeds):
            raise SettingsError(
                f"the calibration of {path} lacks {variant!r}; run: ferboost calibrate {path} DATA"
            )
        counted.append(calibration.counted(variant, part.seeds))
    if not _are_alike([own for own, _ in counted]):
        # Validation images come first, and images that were judged out of fold, if any, last.
        validation = [sum(part.run.record.data.counts["validation"]) for part in parts]
        pairs = zip(counted, validation, strict=True)
        counted = [(own[:count], shares[:count]) for (own, shares), count in pairs]
    if not _are_alike([own for own, _ in counted]):
        if method == "none":
            return "none", None, None
        raise SettingsError(
            f"{variant!r} is calibrated on other images in each of these runs; average runs of one "
            "data.validation_fraction and trees.features, or take --calibration none"
        )
    labels, weights = counted[0][0], [len(part.seeds) for part in parts]
    members = [own for _, own in counted]
    shares = np.average(members, axis=0, weights=weights).astype(np.float32)
    scaling = None
    method = method or "temperature"
    if method != "none":
        scaling = fit_shown_scaling(shares, labels, method)
        method, scaling = ("none", None) if scaling.changes_nothing else (scaling.method, scaling)
    if scaling is not None:
        shares = scaling.apply(shares)
    overall, by_class = (
        [
            np.maximum(0, 1 - np.array(sets.thresholds)).tolist()
            for sets in (
                fit_conformal(shares, labels, coverage, by_class=own) for coverage in _COVERAGES
            )
        ]
        for own in (False, True)
    )
    thresholds = SetThresholds(
        _COVERAGES, tuple(row[0] for row in overall), tuple(map(tuple, by_class))
    )
    return method, scaling, thresholds


def _data_of(run: Run) -> FaceDataset | None:
    """Return a run's data where it still is; None where the run has moved, or its data has."""
    try:
        found = load_dataset(Path(run.record.data.path))
    except FerboostError:
        return None
    return found if found.fingerprint == run.record.data.fingerprint else None


def _parity_faces(run: Run, data: FaceDataset | None) -> NDArray[np.uint8]:
    examples = load_examples(run)
    found = [] if examples is None else [examples.images]
    if data is not None:
        known = cut_as(run.settings, data)
        own = np.flatnonzero(known.splits != "test")
        spread = np.linspace(0, len(own) - 1, min(len(own), _PARITY_FACES)).round()
        found.append(known.images[own[spread.astype(np.intp)]])
    if not found:
        raise ExportError(
            f"there are no faces to compare the export on: neither the examples of {run.path} nor "
            f"its data {run.record.data.path} are there; name some by --data"
        )
    return np.concatenate(found)


def _are_alike(rows: Sequence[NDArray[np.int64]]) -> bool:
    return all(np.array_equal(rows[0], own) for own in rows)


def _metrics(parts: Sequence[_Part], variant: str, scaling: Scaling | None) -> dict[str, float]:
    """Return what the exported mean scores on the runs' test split, as recorded there."""
    results = parts[0].results
    members = [
        seed.probabilities[variant]
        for part in parts
        for seed in part.results.seeds
        if seed.seed in part.seeds
    ]
    mean = np.asarray(np.mean(members, axis=0), dtype=np.float32)
    if scaling is not None:
        mean = scaling.apply(mean)
    measured = evaluate_probabilities(mean, results.labels, results.classes, results.clean)
    names = ("n", "accuracy", "n_clean", "accuracy_clean", "balanced_accuracy", "macro_f1")
    metrics = {name: getattr(measured, name) for name in (*names, "log_loss", "ece")}
    return {name: value for name, value in metrics.items() if value is not None}


def _serialize(model: onnx.ModelProto, info: ModelInfo) -> bytes:
    model.producer_name = PRODUCER
    model.producer_version = info.version
    model.doc_string = info.preprocessing
    model.metadata_props.add(key=INFO_KEY, value=info.to_json())
    checksum = content_checksum(model.SerializeToString())
    model.metadata_props.add(key=CHECKSUM_KEY, value=checksum)
    return bytes(model.SerializeToString())
