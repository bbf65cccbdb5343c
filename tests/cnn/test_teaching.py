"""Networks that teach another one, live, while it is trained."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from test_group import Alone
from torch import Tensor
from typing_extensions import override

from ferboost.cnn import training
from ferboost.cnn.augmentation import augment
from ferboost.cnn.checkpoint import TrainingState
from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.network import FaceNetwork
from ferboost.cnn.published import PublishedNetwork
from ferboost.cnn.residual import ResidualNetwork
from ferboost.cnn.training import follow, train_network
from ferboost.config import CNNSettings
from tiny import PLAIN, cnn_settings, copy_of, new_network, same

RESIDUAL: dict[str, Any] = {"architecture": "residual", "dense": (64, 7), "mirror": True}


def train_taught(
    train: LabelledImages,
    held_out: LabelledImages,
    settings: CNNSettings,
    *teachers: FaceNetwork,
    state_path: Path | None = None,
) -> tuple[FaceNetwork, TrainingState]:
    network = decided(new_network(settings))
    state = train_network(
        network, train, held_out, settings, PLAIN, seed=0, teachers=teachers,
        state_path=state_path,
    )  # fmt: skip
    return network, state


def decided(network: FaceNetwork) -> FaceNetwork:
    """Let a new network be sure of what it says."""
    network.get_parameter("output.weight").data.mul_(20)
    return network


def taught(share: float = 0.5, **changes: Any) -> CNNSettings:
    return cnn_settings(teachers=("run",), taught=share, **changes)


def log_shares(network: FaceNetwork, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return log probabilities of what the network says of one view."""
    own = copy.deepcopy(network).eval()
    if isinstance(own, ResidualNetwork):
        own.mirror = False
    with torch.inference_mode():
        logits = own(torch.from_numpy(images)).double()
    shares: NDArray[np.float64] = logits.log_softmax(dim=1).numpy()
    return shares


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_loss_has_a_share_of_what_teachers_say_on_average(
    train: LabelledImages, validation: LabelledImages, share: float
) -> None:
    # Steps that move nothing: all images are judged by the same weights, with no dropout.
    settings = taught(share, epochs=1, dropout=0, l2=0, learning_rate=1e-12)
    teachers = [
        decided(new_network(own, seed=7)) for own in (cnn_settings(), cnn_settings(**RESIDUAL))
    ]
    network, state = train_taught(train, validation, settings, *teachers)
    said = np.mean([np.exp(log_shares(own, train.images)) for own in teachers], axis=0)
    own = log_shares(network, train.images)
    by_labels = -own[np.arange(len(own)), train.labels].mean()
    by_teachers = -(said * own).sum(axis=1).mean()
    expected = (1 - share) * by_labels + share * by_teachers
    assert state.history[0].train_loss == pytest.approx(expected, rel=1e-5)
    assert by_labels != pytest.approx(by_teachers, rel=1e-3)


class Watching(PublishedNetwork):
    """A teacher that notes what it is shown."""

    shown: list[Tensor]

    @override
    def forward(self, images: Tensor) -> Tensor:
        self.shown.append(images.clone())
        return super().forward(images)

    def __deepcopy__(self, _memo: object) -> "Watching":
        return self


def test_teachers_see_the_images_as_they_are_augmented_and_learn_nothing(
    train: LabelledImages, validation: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    augmented = []

    def noted(*arguments: Any) -> Tensor:
        augmented.append(augment(*arguments))
        return augmented[-1]

    monkeypatch.setattr("ferboost.cnn.training.augment", noted)
    teacher = Watching(cnn_settings(), 3)
    teacher.shown = []
    before = copy_of(teacher)
    train_taught(train, validation, taught(augmentation="strong"), teacher)
    assert len(teacher.shown) == len(augmented) == 2 * 3
    assert all(map(torch.equal, teacher.shown, augmented))
    assert not teacher.training
    assert same(copy_of(teacher), before)


def test_who_is_taught_alone_learns_what_the_teacher_knows(
    train: LabelledImages, validation: LabelledImages
) -> None:
    apt = {"filters": (8, 16), "epochs": 12, "learning_rate": 4e-3, "dropout": 0.0}
    teacher, _ = train_taught(train, validation, cnn_settings(**apt))
    wrong = LabelledImages(train.images, (train.labels + 1) % 3)
    network, _ = train_taught(wrong, validation, taught(1.0, keep="last", **apt), teacher)
    agree = log_shares(network, validation.images).argmax(1) == log_shares(
        teacher, validation.images
    ).argmax(1)
    assert agree.mean() > 0.6  # by chance 1/3, with a spread of 0.12 over 15 images


def test_a_taught_training_that_goes_on_ends_the_same(
    train: LabelledImages, validation: LabelledImages, tmp_path: Path
) -> None:
    settings = taught(epochs=3, augmentation="gentle")
    teacher = new_network(cnn_settings(**RESIDUAL), seed=5)
    whole, _ = train_taught(train, validation, settings, teacher)
    state = tmp_path / "state"
    shorter = settings.model_copy(update={"epochs": 2})
    train_taught(train, validation, shorter, teacher, state_path=state)
    resumed, _ = train_taught(train, validation, settings, teacher, state_path=state)
    assert same(copy_of(whole), copy_of(resumed))
    other = new_network(cnn_settings(**RESIDUAL), seed=6)
    assert not same(copy_of(whole), copy_of(train_taught(train, validation, settings, other)[0]))


def test_other_processes_of_a_training_have_the_same_teachers(
    train: LabelledImages, validation: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, group = taught(epochs=1), Alone()
    teachers = [new_network(cnn_settings(**RESIDUAL), seed=5), new_network(cnn_settings(), seed=6)]
    monkeypatch.setattr(training, "current_group", lambda: group)
    train_taught(train, validation, settings, *teachers)
    followed: list[dict[str, Any]] = []
    monkeypatch.setattr(training, "train_network", lambda *_, **named: followed.append(named))
    follow(group)
    for sent, own in zip(followed[0]["teachers"], teachers, strict=True):
        assert sent.settings == own.settings
        assert same(copy_of(sent), copy_of(own))


def test_teachers_are_not_asked_of_shrunk_images() -> None:
    with pytest.raises(ValueError, match="teachers know images of 48 x 48"):
        taught(shrunk=0.5, architecture="residual", dense=(64, 7))
