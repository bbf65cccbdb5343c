import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from samples import png, published, write_folder, write_zip

from ferboost.datasets import cache, load_dataset, loading
from ferboost.datasets.cache import cache_path, read_cache, write_cache
from ferboost.errors import DataError


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list of what was decoded rather than read from the cache."""
    paths: list[Path] = []
    real = loading._read

    def read(path: Path, progress: Callable[[int, int], None]) -> object:
        paths.append(path)
        return real(path, progress)

    monkeypatch.setattr(loading, "_read", read)
    return paths


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    return write_zip(tmp_path / "faces.zip", published() | {"README": b"x"})


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_data_set_is_decoded_once(faces: Path, decoded: list[Path]) -> None:
    first, second = load_dataset(faces), load_dataset(faces)
    assert decoded == [faces]
    assert second.fingerprint == first.fingerprint
    assert second.names.tolist() == first.names.tolist()
    assert (second.source, second.notes) == (first.source, first.notes)
    assert len(second.notes) == 1


def test_the_cache_can_be_left_aside(faces: Path, decoded: list[Path], cache_folder: Path) -> None:
    load_dataset(faces, cache=False)
    assert not cache_folder.exists()


def test_a_changed_file_is_decoded_again(faces: Path, decoded: list[Path]) -> None:
    load_dataset(faces)
    write_zip(faces, published() | {"train/happy/new.png": png(99)})
    assert len(load_dataset(faces)) == 22


def test_a_change_that_keeps_size_and_date_is_noticed(faces: Path, decoded: list[Path]) -> None:
    load_dataset(faces)
    before = faces.stat()
    content = faces.read_bytes()
    faces.write_bytes(content.replace(b"train/happy", b"train/angry"))
    os.utime(faces, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert faces.stat().st_size == before.st_size
    assert load_dataset(faces).counts("train").tolist()[0] == 4


@pytest.mark.parametrize("change", ["add", "change", "remove", "rename"])
def test_a_changed_folder_is_decoded_again(
    tmp_path: Path, decoded: list[Path], change: str
) -> None:
    faces = write_folder(tmp_path / "faces", published())
    image = faces / "train/happy/face0-happy.png"
    load_dataset(faces)
    load_dataset(faces)
    assert len(decoded) == 1
    if change == "add":
        image.with_name("new.png").write_bytes(png(99))
    elif change == "change":
        image.write_bytes(png(99))
    elif change == "remove":
        image.unlink()
    else:
        image.rename(image.with_name("other.png"))
    load_dataset(faces)
    assert len(decoded) == 2


def test_two_copies_do_not_share_a_cache(faces: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.zip"
    copy.write_bytes(faces.read_bytes())
    assert cache_path(copy) != cache_path(faces)


def test_a_relative_path_is_the_same_file(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(faces.parent)
    assert cache_path(Path(faces.name)) == cache_path(faces)


def test_names_that_are_not_unicode_are_no_trouble(tmp_path: Path, decoded: list[Path]) -> None:
    faces = write_folder(tmp_path / "faces", published())
    (faces / "train/happy" / os.fsdecode(b"caf\xe9.png")).write_bytes(png(3))
    load_dataset(faces)
    assert len(load_dataset(faces)) == 22
    assert len(decoded) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"text",
        lambda _: b"\x80\x04K\x01.",  # a pickle
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(content[5000:5008], bytes(8)),
        lambda content: content.replace(b"images.npy", b"imagen.npy"),
        lambda content: content.replace(b"'shape': (21,", b"'shape': (99,"),
    ],
    ids=["empty", "text", "pickle", "truncated", "flipped", "misnamed", "misshapen"],
)
def test_a_damaged_cache_is_rebuilt(
    faces: Path, decoded: list[Path], damage: Callable[[bytes], bytes]
) -> None:
    first = load_dataset(faces)
    place = cache_path(faces)
    healthy = place.read_bytes()
    place.write_bytes(damage(healthy))
    assert place.read_bytes() != healthy
    assert load_dataset(faces).fingerprint == first.fingerprint
    assert len(decoded) == 2
    assert read_cache(place, "x") is not None


def test_a_cache_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "evil.npz"
    np.savez(path, images=np.array([{}], dtype=object))
    assert read_cache(path, "x") is None


def test_a_cache_that_cannot_be_written_does_not_stop_loading(
    faces: Path, cache_folder: Path, decoded: list[Path]
) -> None:
    cache_folder.write_bytes(b"a file where the folder should be")
    assert len(load_dataset(faces)) == 21
    assert len(load_dataset(faces)) == 21
    assert len(decoded) == 2


@pytest.mark.parametrize("failure", [OSError(28, "No space left"), OSError(5, "I/O error")])
def test_a_full_disk_does_not_stop_loading(
    faces: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch, failure: OSError
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise failure

    monkeypatch.setattr(np, "savez", fail)
    assert len(load_dataset(faces)) == 21
    assert files_in(cache_folder) == []


def test_a_cache_that_is_read_only_is_used(
    faces: Path, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_dataset(faces)

    def refuse(*_args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", refuse)
    load_dataset(faces)
    assert len(decoded) == 1


def test_nothing_is_kept_of_a_data_set_that_is_refused(tmp_path: Path, cache_folder: Path) -> None:
    faces = write_folder(tmp_path / "faces", {"happy/1.png": png(), "sad/2.png": b"text"})
    with pytest.raises(DataError):
        load_dataset(faces)
    assert files_in(cache_folder) == []


def test_the_oldest_are_forgotten(
    tmp_path: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load_dataset(faces, cache=False)
    places = [tmp_path / "kept" / f"{i}.npz" for i in range(3)]
    write_cache(places[0], dataset)
    monkeypatch.setattr(cache, "_KEPT_BYTES", int(2.5 * places[0].stat().st_size))
    os.utime(places[0], (1, 1))
    write_cache(places[1], dataset)
    os.utime(places[1], (2, 2))
    read_cache(places[0], "x")  # the one that was used last is kept
    write_cache(places[2], dataset)
    assert [place.exists() for place in places] == [True, False, True]
