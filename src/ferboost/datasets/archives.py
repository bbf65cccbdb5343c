"""Folders and zip files as lists of members that are read one at a time."""

import lzma
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from ferboost.errors import DataError, FerboostError

__all__ = ["Archive", "Member", "open_archive", "open_file", "walk_folder"]

# A zip bomb expands a thousandfold; PNG files do not shrink in a zip, text shrinks to a tenth.
_MAX_RATIO = 200
_MAX_TOTAL_BYTES = 64 * 2**30

_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DAMAGE = (
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a folder or zip: its path below the root, its size, and how to open it.

    Opening, and reading within the context, raises `DataError` where the file is damaged.
    """

    path: PurePosixPath
    size: int
    open: Callable[[], AbstractContextManager[IO[bytes]]]

    def read(self) -> bytes:
        """Return the whole content."""
        with self.open() as stream:
            return stream.read()


@dataclass(frozen=True, slots=True)
class Archive:
    """A folder or zip: its files in the order of their paths, and its folders."""

    members: list[Member]
    folders: list[PurePosixPath]


@contextmanager
def open_archive(root: Path) -> Iterator[Archive]:
    """Open a folder or a zip and list what it holds.

    Hidden files and the folders that macOS adds to a zip are left out. Links are followed.

    Raises
    ------
    DataError
        If the zip is damaged, encrypted, a bomb, holds a path twice or has paths that leave it, or
        if a folder cannot be listed.
    """
    if root.is_dir():
        yield _list_folder(root)
        return
    with _as_data_error(f"{root} is not a complete zip file"):
        archive = zipfile.ZipFile(root)
    with archive:
        yield _list_zip(root, archive)


@contextmanager
def _as_data_error(problem: str) -> Iterator[None]:
    try:
        yield
    except FerboostError:
        raise
    except _DAMAGE as error:
        raise DataError(f"{problem} ({error}); download or copy it again") from error


@contextmanager
def open_file(file: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading; `DataError` where it cannot be read, then or within the context."""
    if not file.is_file():
        raise DataError(f"{file} is a broken link, a pipe or a device, not a file; remove it")
    with _as_data_error(f"{file} cannot be read"), file.open("rb") as stream:
        yield stream


def _is_visible(path: PurePosixPath) -> bool:
    return not any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def walk_folder(root: Path) -> Iterator[tuple[PurePosixPath, os.stat_result]]:
    """Yield the path below `root` and the state of everything visible in it, links followed.

    A link that leads nowhere is yielded with its own state.

    Raises
    ------
    DataError
        If a folder cannot be listed, or a link leads back to a folder above it.
    """
    yield from _walk(root, PurePosixPath(), {_identity(root.stat())})


def _walk(
    folder: Path, below: PurePosixPath, above: set[tuple[int, int]]
) -> Iterator[tuple[PurePosixPath, os.stat_result]]:
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"cannot list the folder {folder}: {error.strerror}") from error
    for entry in entries:
        path = below / entry.name
        if not _is_visible(path):
            continue
        try:
            status = Path(entry.path).stat() if entry.is_dir() else entry.stat()
        except OSError:
            status = entry.stat(follow_symlinks=False)
        yield path, status
        if stat.S_ISDIR(status.st_mode):
            if _identity(status) in above:
                raise DataError(f"{entry.path} leads back to a folder above it; remove this link")
            yield from _walk(Path(entry.path), path, above | {_identity(status)})


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _list_folder(root: Path) -> Archive:
    members, folders = [], []
    for path, status in walk_folder(root):
        _refuse_control_characters(root, str(path))
        if stat.S_ISDIR(status.st_mode):
            folders.append(path)
        else:
            members.append(Member(path, status.st_size, partial(open_file, root / path)))
    return Archive(members, folders)


def _list_zip(root: Path, archive: zipfile.ZipFile) -> Archive:
    members: dict[PurePosixPath, Member] = {}
    folders = set()
    total = 0
    for info in archive.infolist():
        path = _safe_path(root, info.filename)
        if not path.parts or not _is_visible(path):
            continue
        if info.is_dir():
            folders.add(path)
            continue
        if path in members:
            raise DataError(f"{root} holds {info.filename} twice; unpack it and pack it again")
        if info.flag_bits & 0x1:
            raise DataError(f"{root} is encrypted ({info.filename}); unpack it first")
        total += info.file_size
        ratio = info.file_size / max(info.compress_size, 1)
        if total > _MAX_TOTAL_BYTES or (ratio > _MAX_RATIO and info.file_size > 2**20):
            raise DataError(
                f"{root} looks like a zip bomb: {info.filename} expands {ratio:,.0f} times to "
                f"{info.file_size:,} bytes; do not trust this file"
            )
        folders.add(path.parent)
        members[path] = Member(path, info.file_size, partial(_open_zip_member, root, archive, info))
    folders.update([above for folder in folders for above in folder.parents])
    return Archive(sorted(members.values(), key=lambda member: member.path), sorted(folders))


def _safe_path(root: Path, name: str) -> PurePosixPath:
    _refuse_control_characters(root, name)
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or _DRIVE.match(name):
        raise DataError(
            f"{root} has the member {name!r}, which points outside of it; do not trust this file"
        )
    return path


def _refuse_control_characters(root: Path, name: str) -> None:
    if _CONTROL.search(name):
        raise DataError(f"{root} has control characters in the file name {name!r}; rename it")


@contextmanager
def _open_zip_member(
    root: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> Iterator[IO[bytes]]:
    with _as_data_error(f"{info.filename} in {root} is damaged"), archive.open(info) as stream:
        yield stream
