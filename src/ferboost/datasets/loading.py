"""One function for every form in which a labelled set of faces is published."""

import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO

from ferboost.datasets.archives import Archive, Member, open_archive, open_file
from ferboost.datasets.assembly import (
    LabelledFace,
    Progress,
    assemble,
    ignore_progress,
    parse_split,
)
from ferboost.datasets.cache import cache_path, read_cache, write_cache
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.folders import is_image, read_images
from ferboost.datasets.tables import read_csv, read_parquet
from ferboost.errors import DataError

__all__ = ["load_dataset"]

_TABLE_SUFFIXES = (".csv", ".parquet")


def load_dataset(
    path: Path | str, *, on_progress: Progress = ignore_progress, cache: bool = True
) -> FaceDataset:
    """Read a labelled set of faces.

    Parameters
    ----------
    path : Path or str
        A folder or zip with images in ``[SPLIT/]CLASS/`` folders, a CSV or Parquet file in the form
        of FER-2013, or a folder or zip that holds such files.
    on_progress : callable, optional
        Called with (done, total) while decoding.
    cache : bool
        Keep the decoded images in the user's cache folder, and look there first.

    Returns
    -------
    FaceDataset
        With `images` uint8 of shape (n, 48, 48). Images whose split neither a folder, a column nor
        the name of the table says are ``"train"``.

    Raises
    ------
    DataError
        If there is no such file, or it cannot be used; the message says where and why.
    """
    source = Path(path)
    _refuse_unreadable(source)
    place = cache_path(source) if cache else None
    if place is not None:
        cached = read_cache(place, str(source))
        if cached is not None:
            return cached
    dataset = _read(source, on_progress)
    if place is not None:
        write_cache(place, dataset)
    return dataset


def _refuse_unreadable(source: Path) -> None:
    try:
        mode = source.stat().st_mode
    except FileNotFoundError as error:
        raise DataError(f"there is no file or folder {source}; check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise DataError(f"cannot read {str(source)!r} ({error}); check the path") from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise DataError(f"{source} is a pipe or a device; expected a file or a folder")


def _read(source: Path, progress: Progress) -> FaceDataset:
    name = str(source)
    if source.is_dir() or source.suffix.casefold() == ".zip":
        with open_archive(source) as archive:
            return _read_archive(archive, name, progress)
    if source.suffix.casefold() not in _TABLE_SUFFIXES:
        raise DataError(
            f"{source} is no data set; expected a folder, or a .zip, .csv or .parquet file"
        )
    with open_file(source) as stream:
        path = PurePosixPath(source.name)
        return assemble(_read_table(stream, path, name, source.stat().st_size, progress), name)


def _read_archive(archive: Archive, name: str, progress: Progress) -> FaceDataset:
    if any(is_image(member) for member in archive.members):
        others = [str(m.path) for m in archive.members if not is_image(m)]
        return assemble(read_images(archive, name, progress), name, _left_out(others))
    tables = [m for m in archive.members if _is_table(m)]
    others = [str(m.path) for m in archive.members if not _is_table(m)]
    return assemble(_read_tables(tables, name, progress), name, _left_out(others))


def _is_table(member: Member) -> bool:
    return member.path.suffix.casefold() in _TABLE_SUFFIXES


def _left_out(names: list[str]) -> list[str]:
    if not names:
        return []
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return [f"Files of other kinds, left out: {len(names):,} ({shown})."]


def _read_tables(tables: list[Member], source: str, progress: Progress) -> Iterator[LabelledFace]:
    for member in tables:
        with member.open() as stream:
            where = f"{member.path} in {source}"
            for face in _read_table(stream, member.path, where, member.size, progress):
                yield face if len(tables) == 1 else replace(face, name=f"{member.path}/{face.name}")


def _read_table(
    stream: IO[bytes], path: PurePosixPath, where: str, size: int, progress: Progress
) -> Iterator[LabelledFace]:
    words = re.split(r"[-_./]", str(path))
    split = next((s for s in map(parse_split, reversed(words)) if s), None)
    if path.suffix.casefold() == ".csv":
        return read_csv(stream, where, split, size, progress)
    return read_parquet(stream, where, split, progress)
