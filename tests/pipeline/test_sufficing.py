"""Data that leave the trees without a class are refused before anything is trained."""

from pathlib import Path

import numpy as np
import pytest

from ferboost.datasets.dataset import FaceDataset
from ferboost.errors import DataError
from ferboost.pipeline import start_run
from tiny import faces, run_settings

DATASET = faces()


def without_sad(dataset: FaceDataset, left: int) -> FaceDataset:
    """Return the data with a few training images of the second class."""
    sad = np.flatnonzero((dataset.labels == 1) & (dataset.splits == "train"))
    kept = np.ones(len(dataset), bool)
    kept[sad[left:]] = False
    return dataset.select(kept)


def test_too_few_validation_images_to_be_parted(tmp_path: Path) -> None:
    settings = run_settings(trees={"features": "held-out"}, data={"validation_fraction": 0.05})
    with pytest.raises(DataError, match="3 validation images are too few to grow trees on some"):
        start_run(tmp_path / "run", DATASET, settings, "tests")
    assert not (tmp_path / "run").exists()


def test_a_class_that_held_out_trees_would_lack_is_named(tmp_path: Path) -> None:
    settings = run_settings(trees={"features": "held-out"}, data={"validation_fraction": 0.4})
    few = without_sad(DATASET, 1)
    with pytest.raises(DataError, match="leaves 0 images of the class 'sad' among the validation"):
        start_run(tmp_path / "run", few, settings, "tests")
    assert not (tmp_path / "run").exists()


def test_a_class_without_images_enough_for_its_centre_is_named(tmp_path: Path) -> None:
    trees = {"features": "in-sample", "taps": ("fc1", "fc1-centres")}
    settings = run_settings(trees=trees, data={"validation_fraction": 0.1})
    with pytest.raises(DataError, match="leaves 0 images of the class 'sad' among the held-out"):
        start_run(tmp_path / "run", without_sad(DATASET, 2), settings, "tests")


def test_a_class_with_fewer_images_than_folds_is_named(tmp_path: Path) -> None:
    settings = run_settings(trees={"features": "out-of-fold", "folds": 5})
    with pytest.raises(DataError, match="class 'sad' has 3 different training images, too few"):
        start_run(tmp_path / "run", without_sad(DATASET, 3), settings, "tests")


def test_a_fold_that_doubts_leave_without_a_class_is_named(tmp_path: Path) -> None:
    few = without_sad(DATASET, 6)
    sad = few.names[(few.labels == 1) & (few.splits == "train")]
    doubts = tmp_path / "doubts.csv"
    doubts.write_text("image\n" + "\n".join(sad[1:]) + "\n")
    settings = run_settings(
        trees={"features": "out-of-fold", "folds": 2},
        data={"doubts": str(doubts), "doubted": "drop", "validation_fraction": 0.07},
    )
    with pytest.raises(DataError, match=r"leaves 0 images of the class 'sad' in fold \d of 2"):
        start_run(tmp_path / "run", few, settings, "tests")
