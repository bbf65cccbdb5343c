"""Images are judged by CNNs that have not seen them."""

from pathlib import Path

import numpy as np
import pytest

from ferboost.datasets.splitting import FOLD_SEED, number_folds
from ferboost.errors import DataError
from ferboost.models import load_seed_model
from ferboost.pipeline.labelling import predict_unseen
from ferboost.progress import Monitor
from tiny import faces, finish, run_settings

DATASET = faces()


def test_without_folds_the_training_images_are_left_out(tmp_path: Path) -> None:
    run, _ = finish(tmp_path / "run", DATASET, run_settings({"epochs": 1}))
    unseen = predict_unseen(run, DATASET, Monitor())
    assert set(unseen.images.splits.tolist()) == {"validation", "test"}
    assert len(unseen.images) + unseen.left_out == len(DATASET)
    expected = load_seed_model(run, 0).probabilities_of(unseen.images.images, "cnn")
    np.testing.assert_allclose(unseen.probabilities, expected, atol=1e-6)
    with pytest.raises(DataError, match="was trained on every image"):
        predict_unseen(run, DATASET.split("train"), Monitor())
    others = faces(4, seed=9)
    assert predict_unseen(run, others, Monitor()).left_out == 0


def test_with_folds_each_training_image_is_judged_by_the_cnn_without_it(tmp_path: Path) -> None:
    trees = {"taps": ("fc1",), "features": "out-of-fold", "folds": 2}
    run, _ = finish(tmp_path / "run", DATASET, run_settings({"epochs": 1}, trees))
    unseen = predict_unseen(run, DATASET, Monitor())
    assert (len(unseen.images), unseen.left_out) == (len(DATASET), 0)
    train = unseen.images.splits == "train"
    own = unseen.images.select(train)
    folds = number_folds(own.labels, own.hashes, 2, FOLD_SEED)
    model = load_seed_model(run, 0)
    for fold in (0, 1):
        expected = model.folds[fold].probabilities_of(own.images[folds == fold], "cnn")
        np.testing.assert_allclose(unseen.probabilities[train][folds == fold], expected, atol=1e-6)
