"""Folders and zip files as lists of members that are read one at a time."""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ferboost.errors import DataError

__all__ = ["Archive", "Member", "open_archive"]

# A zip bomb expands a thousandfold; PNG files do not shrink in a zip, text shrinks to a tenth.
_MAX_RATIO = 200
_MAX_TOTAL_BYTES = 64 * 2**30


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a folder or zip: its path below the root, its size, and how to read it."""

    path: PurePosixPath
    size: int
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Archive:
    """A folder or zip: its files in the order of their paths, and its folders without any."""

    members: list[Member]
    empty_folders: list[PurePosixPath]


@contextmanager
def open_archive(root: Path) -> Iterator[Archive]:
    """Open a folder or a zip and list what it holds.

    Hidden files and the folders that macOS adds to a zip are left out.

    Raises
    ------
    DataError
        If the zip is damaged, encrypted, a bomb, or has paths that leave it.
    """
    if root.is_dir():
        folders = {
            PurePosixPath(f.relative_to(root).as_posix()) for f in root.rglob("*") if f.is_dir()
        }
        yield _archive(_folder_members(root), folders)
        return
    try:
        archive = zipfile.ZipFile(root)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise DataError(
            f"{root} is not a complete zip file ({error}); download or copy it again"
        ) from error
    with archive:
        folders = {PurePosixPath(i.filename) for i in archive.infolist() if i.is_dir()}
        yield _archive(_zip_members(root, archive), folders)


def _archive(members: Iterator[Member], folders: set[PurePosixPath]) -> Archive:
    visible = [member for member in members if _is_visible(member.path)]
    filled = {parent for member in visible for parent in member.path.parents}
    return Archive(
        members=sorted(visible, key=lambda member: member.path),
        empty_folders=sorted(folder for folder in folders - filled if _is_visible(folder)),
    )


def _is_visible(path: PurePosixPath) -> bool:
    return not any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _folder_members(root: Path) -> Iterator[Member]:
    for file in root.rglob("*"):
        if file.is_file():
            relative = PurePosixPath(file.relative_to(root).as_posix())
            yield Member(relative, file.stat().st_size, file.read_bytes)


def _zip_members(root: Path, archive: zipfile.ZipFile) -> Iterator[Member]:
    total = 0
    for info in archive.infolist():
        if info.is_dir():
            continue
        path = PurePosixPath(info.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise DataError(
                f"{root} has the member {info.filename!r}, which points outside of it; "
                "do not trust this file"
            )
        if info.flag_bits & 0x1:
            raise DataError(f"{root} is encrypted ({info.filename}); unpack it first")
        total += info.file_size
        ratio = info.file_size / max(info.compress_size, 1)
        if total > _MAX_TOTAL_BYTES or (ratio > _MAX_RATIO and info.file_size > 2**20):
            raise DataError(
                f"{root} looks like a zip bomb: {info.filename} expands {ratio:,.0f} times to "
                f"{info.file_size:,} bytes; do not trust this file"
            )
        yield Member(path, info.file_size, _zip_reader(root, archive, info))


def _zip_reader(root: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return archive.read(info)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise DataError(
                f"{info.filename} in {root} is damaged ({error}); download or copy it again"
            ) from error

    return read
