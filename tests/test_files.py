import errno
import json
import os
import stat
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ferboost.errors import StorageError
from ferboost.files import (
    atomic_folder,
    atomic_path,
    copy_file,
    storage_errors,
    write_bytes,
    write_json,
    write_text,
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_content_is_written_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.txt"
    write_text(path, "grüß")
    assert path.read_bytes() == "grüß".encode()
    assert names_in(path.parent) == ["file.txt"]


def test_a_name_that_just_fits_is_written(tmp_path: Path) -> None:
    for name in ("x" * 251 + ".txt", "ü" * 125 + ".txt"):
        write_text(tmp_path / name, "content")
    assert len(names_in(tmp_path)) == 2


def test_file_names_that_are_no_text_are_written_as_they_are(tmp_path: Path) -> None:
    write_text(tmp_path / "list.txt", f"grüß {os.fsdecode(bytes([0xFF]))}.png")
    assert (tmp_path / "list.txt").read_bytes() == "grüß ".encode() + b"\xff.png"


def test_a_file_is_replaced(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"old")
    write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_file_is_copied(tmp_path: Path) -> None:
    write_bytes(tmp_path / "one", b"content")
    copy_file(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two").read_bytes() == b"content"


def test_nothing_is_seen_before_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
    assert path.read_text() == "new"


def _fail_amid(writing: AbstractContextManager[Path], failure: BaseException) -> None:
    with writing as temporary:
        (temporary / "file" if temporary.is_dir() else temporary).write_text("half")
        raise failure


@pytest.mark.parametrize("failure", [ValueError("x"), KeyboardInterrupt()])
def test_a_failure_keeps_the_old_file_and_leaves_nothing_else(
    tmp_path: Path, failure: BaseException
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(type(failure)):
        _fail_amid(atomic_path(path), failure)
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "the disk reports an error"),
    ],
)
def test_refusals_of_the_system_are_storage_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, reason: str
) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StorageError, match=reason) as caught:
        write_bytes(tmp_path / "file", b"x")
    assert str(caught.value).startswith(f"cannot write {tmp_path / 'file'}: ")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("below", ["file/new", "file/a/new"])
def test_a_place_below_a_file_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="a part of the path is a file, not a folder"):
        write_bytes(tmp_path / below, b"x")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="that is a folder, a pipe or a device"):
        write_bytes(tmp_path / "folder", b"x")
    assert (tmp_path / "folder").is_dir()
    assert names_in(tmp_path) == ["folder"]


def test_a_device_or_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageError, match="that is a folder, a pipe or a device"):
        write_bytes(tmp_path / "pipe", b"x")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the name is too long"):
        write_bytes(tmp_path / ("x" * 300), b"x")


def test_errors_that_are_not_about_storage_pass() -> None:
    with pytest.raises(FileNotFoundError), storage_errors(Path("x")):
        Path("/nowhere/at/all").read_bytes()


def test_json_is_readable_and_has_no_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"accuracy": 0.5})
    assert json.loads((tmp_path / "a.json").read_text()) == {"accuracy": 0.5}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "b.json", float("nan"))
    assert names_in(tmp_path) == ["a.json"]


def test_a_folder_appears_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a" / "folder"
    with atomic_folder(path) as temporary:
        (temporary / "file").write_text("x")
        assert not path.exists()
    assert names_in(path) == ["file"]
    assert names_in(path.parent) == ["folder"]


def test_a_folder_takes_the_place_of_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "file").write_text("x")
    assert names_in(tmp_path / "folder") == ["file"]


def test_a_folder_with_something_in_it_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("x")
    with (
        pytest.raises(StorageError, match="a folder with something in it"),
        atomic_folder(tmp_path / "folder") as temporary,
    ):
        (temporary / "theirs").write_text("x")
    assert names_in(tmp_path / "folder") == ["mine"]
    assert names_in(tmp_path) == ["folder"]


def test_a_failure_amid_a_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _fail_amid(atomic_folder(tmp_path / "folder"), KeyboardInterrupt())
    assert names_in(tmp_path) == []
