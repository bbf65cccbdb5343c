"""Weights and states in files: complete, plain, and refused where they are damaged."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.optim import Adam

from ferboost.cnn.checkpoint import (
    TrainingState,
    copy_weights,
    load_state,
    load_weights,
    save_state,
    save_weights,
)
from ferboost.cnn.network import FaceNetwork
from ferboost.curves import EpochRecord
from ferboost.errors import RunError, StorageError
from limits import largest_file
from tiny import cnn_settings, copy_of, new_network, same


@pytest.fixture
def network() -> FaceNetwork:
    return new_network(cnn_settings())


def state_of(network: FaceNetwork) -> TrainingState:
    record = EpochRecord(1, 0.1 + 0.2, 0.5, 1 / 3, 0.25, 1e-3)
    return TrainingState([record], 1, 1 / 3, copy_weights(network))


@pytest.fixture
def saved(network: FaceNetwork, tmp_path: Path) -> Path:
    path = tmp_path / "state.safetensors"
    save_state(path, "this one", state_of(network), network, Adam(network.parameters()))
    return path


def test_weights_survive_a_file(network: FaceNetwork, tmp_path: Path) -> None:
    save_weights(tmp_path / "weights", copy_of(network))
    other = new_network(cnn_settings(), seed=1)
    load_weights(tmp_path / "weights", other)
    assert same(copy_of(other), copy_of(network))


def test_the_same_weights_are_the_same_bytes_whatever_their_layout(
    network: FaceNetwork, tmp_path: Path
) -> None:
    save_weights(tmp_path / "first", copy_of(network))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_weights(tmp_path / "last", copy_of(network))
    assert (tmp_path / "first").read_bytes() == (tmp_path / "last").read_bytes()


def test_weights_are_readable_by_the_safetensors_library(
    network: FaceNetwork, tmp_path: Path
) -> None:
    save_weights(tmp_path / "weights", copy_of(network))
    assert same(load_file(tmp_path / "weights"), copy_of(network))


def test_weights_of_another_network_are_refused(network: FaceNetwork, tmp_path: Path) -> None:
    save_weights(tmp_path / "weights", copy_of(network))
    with pytest.raises(RunError, match="holds the weights of another network"):
        load_weights(tmp_path / "weights", new_network(cnn_settings(dense=(9, 6))))


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 100])
def test_a_file_that_holds_no_weights_is_refused_in_one_line(
    network: FaceNetwork, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "weights").write_bytes(content)
    with pytest.raises(RunError, match=r"cannot read the weights .*weights") as caught:
        load_weights(tmp_path / "weights", network)
    assert "\n" not in str(caught.value)


def test_weights_that_are_missing_are_refused(network: FaceNetwork, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot read the weights"):
        load_weights(tmp_path / "weights", network)


def test_no_state_is_none(network: FaceNetwork, tmp_path: Path) -> None:
    assert load_state(tmp_path / "none", "", network, Adam(network.parameters())) is None


def test_a_state_survives_a_file_to_the_last_bit(network: FaceNetwork, saved: Path) -> None:
    other = new_network(cnn_settings(), seed=1)
    loaded = load_state(saved, "this one", other, Adam(other.parameters()))
    assert loaded is not None
    expected = state_of(network)
    assert loaded.history == expected.history
    assert (loaded.best_epoch, loaded.best_loss) == (expected.best_epoch, expected.best_loss)
    assert same(loaded.best_weights, expected.best_weights)
    assert same(copy_of(other), copy_of(network))


@pytest.mark.parametrize(
    ("key", "value"),
    [("history", "[{}]"), ("history", "no JSON"), ("best_epoch", "two"), ("best_loss", "")],
)
def test_a_state_with_a_damaged_record_is_refused(
    network: FaceNetwork, saved: Path, key: str, value: str
) -> None:
    with safe_open(saved, framework="pt") as file:
        metadata = file.metadata()
    save_file(load_file(saved), saved, metadata | {key: value})
    with pytest.raises(RunError, match="is damaged; remove it to train this CNN anew"):
        load_state(saved, "this one", network, Adam(network.parameters()))


def test_a_full_disk_is_a_storage_error_and_the_old_state_stays(
    network: FaceNetwork, saved: Path
) -> None:
    before = saved.read_bytes()
    assert len(before) > 4096
    with (
        pytest.raises(StorageError, match="the file size limit is reached"),
        largest_file(4096),
    ):
        save_state(saved, "other", state_of(network), network, Adam(network.parameters()))
    assert saved.read_bytes() == before
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]


def test_a_copy_of_weights_does_not_follow_the_network(network: FaceNetwork) -> None:
    copied = copy_weights(network)
    network.get_parameter("fc1.weight").data.zero_()
    assert copied["fc1.weight"].any()
