"""What is computed on a GPU is what a processor computes; skipped where there is none."""

import numpy as np
import pytest
import torch

from ferboost import features
from ferboost.cnn import stepping
from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.precision import Precision
from ferboost.cnn.training import train_network
from ferboost.config import CNNSettings
from ferboost.curves import EpochRecord
from tiny import PLAIN, cnn_settings, faces, labelled, new_network

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

ON_GPU = Precision("cuda", "float32", channels_last=True, reason="fixed by the test")
RESIDUAL = {"architecture": "residual", "optimizer": "muon", "learning_rate": 0.02}


@pytest.fixture(scope="module")
def train() -> LabelledImages:
    return labelled(faces())


def history(
    train: LabelledImages, settings: CNNSettings, precision: Precision
) -> list[EpochRecord]:
    network, held_out = new_network(settings), labelled(faces(), "test")
    teachers = [new_network(cnn_settings(), seed=3)] if settings.teachers else []
    return train_network(
        network, train, held_out, settings, precision, seed=0, teachers=teachers
    ).history


@pytest.mark.parametrize(
    "changes", [{}, RESIDUAL, {"votes": 1.0, "averaging": 0.9}, {"teachers": ("run",)}]
)
def test_recorded_steps_learn_what_single_ones_do(
    train: LabelledImages, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = cnn_settings(**({"epochs": 4, "augmentation": "gentle"} | changes))
    recorded = history(train, settings, ON_GPU)
    monkeypatch.setattr(stepping, "_FIRST_STEPS", 10**9)
    single = history(train, settings, ON_GPU)
    for one, other in zip(recorded, single, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-3)
        assert one.validation_loss == pytest.approx(other.validation_loss, rel=1e-3)


def test_an_epoch_is_that_of_a_processor_but_for_rounding(train: LabelledImages) -> None:
    settings = cnn_settings(epochs=1, dropout=0.0, augmentation="strong")
    (on_gpu,), (plain,) = (history(train, settings, where) for where in (ON_GPU, PLAIN))
    assert on_gpu.train_loss == pytest.approx(plain.train_loss, rel=1e-2)


def test_taps_are_those_of_a_processor(
    train: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = new_network(cnn_settings())
    on_gpu = features.tap_features(network, train.images, ["fc1", "logits"])
    assert next(network.parameters()).device.type == "cpu"  # where it was
    monkeypatch.setattr(features, "choose_device", lambda: "cpu")
    for tap, plain in features.tap_features(network, train.images, ["fc1", "logits"]).items():
        np.testing.assert_allclose(on_gpu[tap], plain, rtol=1e-4, atol=1e-4)
