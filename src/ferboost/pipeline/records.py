"""What a run writes down of the training of its CNNs, read again."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ferboost.cnn.precision import Precision
from ferboost.curves import EpochRecord
from ferboost.errors import RunError
from ferboost.files import write_text
from ferboost.models import TRAIN_ACCURACY
from ferboost.runs import Run

__all__ = [
    "CNN_FILES",
    "CURVES",
    "PRECISION",
    "CurvesRecord",
    "read_curves",
    "read_precision",
    "read_train_accuracy",
    "write_curves",
]

#: What the trained CNN of a seed consists of; the network last, since it says "finished".
CNN_FILES = ("metrics.csv", "cnn.json", "network.safetensors")

#: The names of files: learning curves, and what it is trained in.
CURVES = "cnn.json"
PRECISION = "precision.json"


@dataclass(frozen=True)
class CurvesRecord:
    """How the training of a CNN went; the content of its ``cnn.json``.

    Attributes
    ----------
    best_epoch : int
        The epoch whose weights were kept, from 1.
    history : tuple of EpochRecord
    """

    best_epoch: int
    history: tuple[EpochRecord, ...]


def read_curves(run: Run, seed: int) -> CurvesRecord:
    """Read how the training of a seed's CNN went.

    Raises
    ------
    RunError
        If it is not finished, or its record is damaged.
    """
    content = _read_record(run, seed, CURVES)
    try:
        history = tuple(EpochRecord(**record) for record in content["history"])
        return CurvesRecord(content["best_epoch"], history)
    except (KeyError, TypeError) as error:
        raise _damaged(run.seed_path(seed) / CURVES, error) from error


def read_train_accuracy(run: Run, seed: int) -> dict[str, float]:
    """Read the accuracy, 0 to 1, of each variant on the CNN's training images.

    Raises
    ------
    RunError
        If the seed is not finished, or its record is damaged.
    """
    content = _read_record(run, seed, TRAIN_ACCURACY)
    try:
        return {variant: float(accuracy) for variant, accuracy in content.items()}
    except (TypeError, ValueError) as error:
        raise _damaged(run.seed_path(seed) / TRAIN_ACCURACY, error) from error


def read_precision(run: Run) -> Precision:
    """Read how the CNNs of a run are trained.

    Raises
    ------
    RunError
        If the record is missing or damaged.
    """
    file = run.path / PRECISION
    try:
        return Precision(**_read_json(file))
    except TypeError as error:
        raise _damaged(file, error) from error


def _read_record(run: Run, seed: int, name: str) -> dict[str, Any]:  # Any: JSON values
    file = run.seed_path(seed) / name
    if not file.exists():
        raise run.unfinished(f"seed {seed}")
    return _read_json(file)


def _read_json(file: Path) -> dict[str, Any]:  # Any: JSON values
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise _damaged(file, error) from error
    if not isinstance(content, dict):
        raise _damaged(file, "no JSON object")
    return content


def _damaged(file: Path, reason: object) -> RunError:
    return RunError(f"{file} is damaged ({reason}); restore the run")


def write_curves(path: Path, history: Sequence[EpochRecord]) -> None:
    """Write learning curves as CSV, one row an epoch."""
    rows = [",".join(asdict(history[0]))]
    rows += [",".join(f"{value:.6g}" for value in asdict(record).values()) for record in history]
    write_text(path, "\n".join(rows) + "\n")
