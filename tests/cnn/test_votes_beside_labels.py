"""Votes that a network learns beside the labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ferboost.cnn.checkpoint import TrainingState
from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.network import FaceNetwork
from ferboost.cnn.training import train_network
from ferboost.config import CNNSettings
from tiny import PLAIN, cnn_settings, faces, labelled, new_network, same

COLUMNS = 5


@pytest.fixture(scope="module")
def train() -> LabelledImages:
    data = labelled(faces())
    votes = np.eye(COLUMNS, dtype=np.float32)[data.labels + 1]
    return replace(data, votes=votes)


def trained(
    train: LabelledImages, settings: CNNSettings, state_path: Path | None = None
) -> tuple[FaceNetwork, TrainingState]:
    network = new_network(settings)
    held_out = labelled(faces(), "test")
    state = train_network(
        network, train, held_out, settings, PLAIN, seed=0, state_path=state_path, identity="it"
    )
    return network, state


@pytest.mark.parametrize("architecture", ["published", "residual"])
def test_the_network_ends_with_an_output_for_each_class(
    train: LabelledImages, architecture: str
) -> None:
    changes = {"dense": (64, 7)} if architecture == "residual" else {}
    settings = cnn_settings(architecture=architecture, votes=1.0, averaging=0.9, **changes)
    network, state = trained(train, settings)
    assert network.eval()(torch.zeros(2, 48, 48)).shape == (2, 3)
    assert same(network.state_dict(), state.best_weights)


def test_votes_change_what_is_learned(train: LabelledImages) -> None:
    settings = cnn_settings(votes=1.0)
    with_votes, _ = trained(train, settings)
    without, _ = trained(replace(train, votes=None), settings)
    assert not same(with_votes.state_dict(), without.state_dict())


def test_images_without_votes_are_learned_by_their_labels_alone(train: LabelledImages) -> None:
    settings = cnn_settings(votes=1.0, epochs=1)
    nobody, _ = trained(replace(train, votes=np.zeros_like(train.votes)), settings)
    without, _ = trained(replace(train, votes=None), settings)
    for name, weights in without.state_dict().items():
        torch.testing.assert_close(nobody.state_dict()[name], weights, rtol=1e-3, atol=1e-4)


def test_votes_teach_what_labels_do_not_say(train: LabelledImages) -> None:
    settings = cnn_settings(votes=3.0, epochs=12, learning_rate=3e-3, dropout=0.0)
    blind = replace(train, labels=np.zeros_like(train.labels))  # all of one class
    told, _ = trained(blind, settings)
    untold, _ = trained(replace(blind, votes=None), settings)
    images = torch.from_numpy(train.images)
    spread = []
    for network in (told, untold):
        network.eval()
        with torch.inference_mode():
            values = network.taps(images)["fc1"].numpy()
        means = np.stack([values[train.labels == label].mean(axis=0) for label in range(3)])
        spread.append(means.std(axis=0).mean() / values.std(axis=0).mean())
    assert spread[0] > 1.2 * spread[1]


def test_a_training_that_goes_on_ends_the_same(train: LabelledImages, tmp_path: Path) -> None:
    settings = cnn_settings(votes=0.5, epochs=3)
    whole, _ = trained(train, settings)
    state = tmp_path / "state.safetensors"
    trained(train, settings.model_copy(update={"epochs": 2}), state)
    resumed, _ = trained(train, settings, state)
    assert same(whole.state_dict(), resumed.state_dict())


def test_a_selection_has_the_votes_of_its_images(train: LabelledImages) -> None:
    assert train.votes is not None
    picked = train.select(np.array([3, 1])).votes
    assert picked is not None
    np.testing.assert_array_equal(picked, train.votes[[3, 1]])
