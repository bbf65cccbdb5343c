"""Faces, networks and runs that are small enough to be trained many times."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.network import FaceNetwork, build_network
from ferboost.cnn.precision import Precision
from ferboost.config import CNNSettings, Settings
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.synthetic import generate_faces
from ferboost.emotions import FERPLUS_COLUMNS
from ferboost.evaluation import scaling
from ferboost.evaluation.results import Results
from ferboost.files import write_json
from ferboost.pipeline import execute_run, start_run
from ferboost.progress import Monitor
from ferboost.runs import Run
from ferboost.settings import parse_settings

PLAIN = Precision("cpu", "float32", channels_last=False, reason="fixed by the test")
PLAIN_LAST = Precision("cpu", "float32", channels_last=True, reason="fixed by the test")
ROUNDED_LAST = Precision("cpu", "bfloat16", channels_last=True, reason="fixed by the test")


def faces(count_per_class: int = 20, seed: int = 1) -> FaceDataset:
    """Draw faces of three emotions that are easy to tell apart; a quarter is for the test."""
    drawn = generate_faces(count_per_class, test_fraction=0.25, seed=seed)
    classes = ("happy", "sad", "surprised")
    chosen = np.isin(np.array(drawn.classes)[drawn.labels], classes)
    return drawn.select(chosen).with_classes(classes)


def labelled(dataset: FaceDataset, split: str = "train") -> LabelledImages:
    """Return one split as the training loop takes it."""
    part = dataset.split(split)
    return LabelledImages(part.images, part.labels)


def cnn_settings(**changes: Any) -> CNNSettings:
    """Return settings of a network that is trained in moments."""
    small = {"filters": (4, 4), "dense": (8, 6), "batch_size": 16, "epochs": 2}
    return CNNSettings(**(small | changes))


def new_network(settings: CNNSettings, classes: int = 3, seed: int = 0) -> FaceNetwork:
    """Return a network whose first weights depend on the seed only."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_network(settings, classes)


def copy_of(network: FaceNetwork) -> dict[str, Tensor]:
    """Return the weights as they are now."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Say whether all weights are equal to the last bit."""
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


def run_settings(
    cnn: dict[str, Any] | None = None, trees: dict[str, Any] | None = None, **changes: Any
) -> Settings:
    """Return settings of a run that takes a second."""
    small_cnn = cnn_settings(**(cnn or {})).model_dump()
    small_trees = {"taps": ("fc1", "pixels"), "rounds": 2, "max_depth": 3} | (trees or {})
    return parse_settings({"cnn": small_cnn, "trees": small_trees, **changes})


def begin(path: Path, dataset: FaceDataset, settings: Settings) -> tuple[Run, FaceDataset]:
    """Start a run in a precision that is not measured, as two runs may come to different ones."""
    run, prepared = start_run(path, dataset, settings, "tests")
    write_json(path / "precision.json", PLAIN.to_dict())
    return run, prepared


def finish(path: Path, dataset: FaceDataset, settings: Settings) -> tuple[Run, Results]:
    """Start a run and execute it."""
    run, prepared = begin(path, dataset, settings)
    return run, execute_run(run, prepared, Monitor())


@contextmanager
def every_scaling_is_kept() -> Iterator[None]:
    """Take what a few images say of a scaling for shown."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scaling, "_are_shown", lambda _gains: True)
        yield


def models_of(run: Run) -> dict[str, str]:
    """Return the SHA-256 of every network and tree file of a run."""
    return {
        str(file.relative_to(run.path)): sha256(file.read_bytes()).hexdigest()
        for seed in run.settings.seeds
        for file in sorted(run.seed_path(seed).iterdir())
        if file.suffix in {".safetensors", ".ubj"}
    }


def voted(dataset: FaceDataset, seed: int = 0) -> FaceDataset:
    """Return faces with six votes for their label and four for any of the classes."""
    columns = [list(FERPLUS_COLUMNS.values()).index(name) for name in dataset.classes]
    random = np.random.default_rng(seed)
    votes = np.zeros((len(dataset), len(FERPLUS_COLUMNS)), dtype=np.uint8)
    for row, label in enumerate(dataset.labels):
        votes[row, columns[label]] += 6
        for other in random.choice(columns, 4):
            votes[row, other] += 1
    return replace(dataset, votes=votes)
