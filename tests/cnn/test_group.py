"""How a group of processes parts a batch; together they are tried in tests/cli/test_torchrun.py."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from ferboost.cnn import training
from ferboost.cnn.group import Group, current_group, group_errors, training_group
from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.training import follow, train_network
from ferboost.errors import GroupError, RunError
from tiny import PLAIN, cnn_settings, faces, labelled, new_network


@pytest.mark.parametrize(("size", "count"), [(1, 5), (2, 16), (2, 5), (3, 128), (8, 13)])
def test_every_image_is_in_one_part_and_parts_are_alike(size: int, count: int) -> None:
    parts = [Group(rank, size).part(count) for rank in range(size)]
    assert [k for part, _ in parts for k in range(count)[part]] == list(range(count))
    lengths = [own for _, own in parts]
    assert lengths == [len(range(count)[part]) for part, _ in parts]
    assert max(lengths) - min(lengths) <= 1


def test_whoever_gets_no_image_counts_none() -> None:
    parts = [Group(rank, 4).part(2) for rank in range(4)]
    assert sum(own for _, own in parts) == 2
    for part, own in parts:
        assert len(range(2)[part]) == 1
        assert own in (0, 1)


def test_a_process_that_torchrun_has_not_started_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (None, "1"):
        if size is None:
            monkeypatch.delenv("WORLD_SIZE", raising=False)
        else:
            monkeypatch.setitem(os.environ, "WORLD_SIZE", size)
        with training_group(lambda _: pytest.fail("follows nobody")):
            assert current_group() == Group(0, 1)


def test_only_what_means_a_lost_process_is_called_so() -> None:
    with pytest.raises(GroupError, match="another process"), group_errors():
        raise RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer")
    with pytest.raises(RuntimeError, match="can't allocate memory"), group_errors():
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")


class Alone(Group):
    """A group whose other process is not there: what it would be sent is kept."""

    def __init__(self, others_epochs: int = 0) -> None:
        super().__init__(rank=0, size=2)
        sent: list[Any] = []
        object.__setattr__(self, "sent", sent)  # frozen
        object.__setattr__(self, "others_epochs", others_epochs)

    def share(self, network: nn.Module) -> nn.Module:
        return network

    def sum(self, values: Sequence[float]) -> list[float]:
        return [value + self.others_epochs for value in values]  # type: ignore[attr-defined]

    def average(self, networks: object) -> None:
        pass

    def send(self, header: dict[str, Any], arrays: Sequence[NDArray[Any]]) -> None:
        self.sent.append((header, list(arrays)))  # type: ignore[attr-defined]

    def receive(self) -> Any:
        return self.sent.pop() if self.sent else None  # type: ignore[attr-defined]


@pytest.mark.parametrize("believes", [False, True])
def test_the_others_train_what_the_first_one_trains(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, believes: bool
) -> None:
    plain, validation = labelled(faces()), labelled(faces(), "test")
    beliefs = np.eye(3)[plain.labels].astype(np.float32)
    train = LabelledImages(plain.images, plain.labels, beliefs if believes else None)
    settings = cnn_settings(epochs=1, filters=(2, 4))
    group, path = Alone(), tmp_path / "state.safetensors"
    monkeypatch.setattr(training, "current_group", lambda: group)
    train_network(
        new_network(settings), train, validation, settings, PLAIN, seed=3, state_path=path,
        identity="this",
    )  # fmt: skip
    called: list[Any] = []
    monkeypatch.setattr(training, "train_network", lambda *a, **k: called.append((a, k)))
    follow(group)
    ((network, own, judge, of_settings, precision), named) = called[0]
    assert of_settings == settings
    assert precision == PLAIN
    assert named == {"seed": 3, "state_path": path, "identity": "this", "teachers": ()}
    assert network.output.out_features == 3
    np.testing.assert_array_equal(own.images, train.images)
    np.testing.assert_array_equal(own.labels, train.labels)
    np.testing.assert_array_equal(judge.images, validation.images)
    np.testing.assert_array_equal(judge.labels, validation.labels)
    assert (own.beliefs is not None) == believes
    if believes:
        np.testing.assert_array_equal(own.beliefs, beliefs)


def test_a_state_that_the_others_cannot_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings, train = cnn_settings(epochs=1), labelled(faces())
    path = tmp_path / "state.safetensors"
    train_network(
        new_network(settings), train, train, settings, PLAIN, seed=0, state_path=path
    )  # fmt: skip
    monkeypatch.setattr(training, "current_group", lambda: Alone(others_epochs=0))
    with pytest.raises(RunError, match="a disk that all machines"):
        train_network(new_network(settings), train, train, settings, PLAIN, seed=0, state_path=path)
