"""Writing the models of a run as one ONNX file."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from ferboost.datasets import load_dataset
from ferboost.datasets.dataset import FaceDataset
from ferboost.errors import ExportError, FerboostError, SettingsError
from ferboost.evaluation.metrics import evaluate_probabilities
from ferboost.evaluation.results import Results
from ferboost.export.ensemble import build_graph
from ferboost.export.parity import Parity, check_parity
from ferboost.files import write_bytes
from ferboost.inference.model_file import (
    CHECKSUM_KEY,
    INFO_KEY,
    PRODUCER,
    ModelInfo,
    content_checksum,
    pack_hashes,
)
from ferboost.models import load_seed_model
from ferboost.pipeline import load_results
from ferboost.pipeline.evaluating import load_training_hashes
from ferboost.pipeline.examples import load_examples
from ferboost.runs import Run

__all__ = ["Export", "export_run"]

_PREPROCESSING = (
    "Input faces: uint8, (n, 48, 48), gray values from 0 to 255 of a face that fills the picture, "
    "as in FER-2013. The graph scales them itself. Output probabilities: float32, (n, classes)."
)
_LICENCE = "Software: MIT. Weights: subject to the terms of the data that they were trained on."

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
        ``"cnn"``, or the tap whose trees decide.
    seeds : sequence of int, optional
        The models of these seeds, by default of all; their probabilities are averaged.
    faces : FaceDataset, optional
        Faces on which parity is proved, all of them. By default those that the run keeps as
        examples, and up to 1,000 more of its training and validation images where the data is
        still where it was.

    Raises
    ------
    SettingsError
        If the run has no such variant or seed.
    RunError
        If the run is not finished.
    ExportError
        If the models cannot be exported, or the export computes something else.
    StorageError
        If the file cannot be written.
    """
    chosen = _checked_seeds(run, seeds)
    known = ("cnn", *run.settings.trees.taps)
    if variant not in known:
        raise SettingsError(f"{run.path} has no variant {variant!r}; it has: {', '.join(known)}")
    results = load_results(run)
    models = [load_seed_model(run, seed) for seed in chosen]
    exported = build_graph(models, variant, len(run.record.classes))
    parity = check_parity(exported, models, variant, _parity_faces(run, faces))
    info = ModelInfo(
        classes=run.record.classes,
        variant=variant,
        seeds=chosen,
        preprocessing=_PREPROCESSING,
        version=version("ferboost"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        data_fingerprint=run.record.data.fingerprint,
        protocol=run.settings.protocol,
        metrics=_metrics(results, variant, chosen),
        parity=asdict(parity),
        licence=_LICENCE,
        training_hashes=pack_hashes(load_training_hashes(run)),
    )
    content = _serialize(exported.model, info)
    write_bytes(target, content)
    return Export(target, len(content), info, parity)


def _checked_seeds(run: Run, seeds: Sequence[int] | None) -> tuple[int, ...]:
    trained = run.settings.seeds
    if not seeds:
        return trained
    for seed in seeds:
        if seed not in trained or list(seeds).count(seed) > 1:
            names = ", ".join(map(str, trained))
            raise SettingsError(f"seed {seed} is not there or given twice; {run.path} has: {names}")
    return tuple(seeds)


def _parity_faces(run: Run, faces: FaceDataset | None) -> NDArray[np.uint8]:
    if faces is not None:
        return faces.images
    examples = load_examples(run)
    found = [] if examples is None else [examples.images]
    try:
        whole = load_dataset(Path(run.record.data.path))
    except FerboostError:
        pass  # the run has moved, or its data has; the examples remain
    else:
        images = whole.images[whole.splits != "test"]
        found.append(images[:: max(1, len(images) // _PARITY_FACES)])
    if not found:
        raise ExportError(
            f"there are no faces to compare the export on: neither the examples of {run.path} nor "
            f"its data {run.record.data.path} are there; name some by --data"
        )
    return np.concatenate(found)


def _metrics(results: Results, variant: str, seeds: Sequence[int]) -> dict[str, float]:
    """Return what the exported mean scores on the run's test split, as recorded there."""
    members = [s.probabilities[variant] for s in results.seeds if s.seed in seeds]
    mean = np.asarray(np.mean(members, axis=0), dtype=np.float32)
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
