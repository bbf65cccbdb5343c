"""Arrays in npz files: written whole, read without unpickling, and damage is one kind of error."""

from pathlib import Path

import numpy as np
import pytest

from ferboost.array_files import read_arrays, write_arrays

ARRAYS = {"0/cnn": np.arange(6, dtype=np.float32).reshape(2, 3), "labels": np.array([1, 0])}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.npz"
    write_arrays(path, ARRAYS)
    found = read_arrays(path)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert list(path.parent.iterdir()) == [path]


def test_no_object_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with path.open("wb") as stream:
        np.savez(stream, evil=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_arrays(path)


def test_damage_anywhere_is_a_value_error(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_arrays(path, ARRAYS)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="."):
            read_arrays(path)
    random = np.random.default_rng(0)
    for _ in range(200):
        changed = bytearray(whole)
        changed[random.integers(len(whole))] ^= int(random.integers(1, 256))
        path.write_bytes(changed)
        try:
            read_arrays(path)
        except ValueError:
            continue
    with pytest.raises(ValueError, match="No such file"):
        read_arrays(tmp_path / "none.npz")
