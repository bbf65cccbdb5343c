"""How a group of processes parts a batch; together they are tried in tests/cli/test_torchrun.py."""

import os

import pytest

from ferboost.cnn.group import Group, current_group, group_errors, training_group
from ferboost.errors import GroupError


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
        with training_group(lambda _: pytest.fail("follows nobody")) as leads:
            assert leads
            assert current_group() == Group(0, 1)


def test_only_what_means_a_lost_process_is_called_so() -> None:
    with pytest.raises(GroupError, match="another process"), group_errors():
        raise RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer")
    with pytest.raises(RuntimeError, match="can't allocate memory"), group_errors():
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
