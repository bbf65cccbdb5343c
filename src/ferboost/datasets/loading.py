"""One function for every form in which a labelled set of faces is published."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ferboost.datasets.archives import Member, open_archive
from ferboost.datasets.assembly import LabelledFace, Progress, assemble, parse_split
from ferboost.datasets.cache import cache_path, read_cache, write_cache
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.folders import is_image, read_images
from ferboost.datasets.tables import read_csv, read_parquet
from ferboost.errors import DataError

__all__ = ["load_dataset"]

_TABLE_SUFFIXES = (".csv", ".parquet")
_LARGEST_TABLE_IN_ZIP = 2 * 2**30


def _ignore(_done: int, _total: int) -> None:
    """Take no notice of the progress."""


def load_dataset(
    path: Path | str, *, on_progress: Progress = _ignore, cache: bool = True
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
        With `images` uint8 of shape (n, 48, 48). Images in no split folder are ``"train"``.

    Raises
    ------
    DataError
        If there is no such file, or it cannot be used; the message says where and why.
    """
    source = Path(path)
    if not source.exists():
        raise DataError(f"there is no file or folder {source}; check the path")
    place = cache_path(source) if cache else None
    if place is not None:
        cached = read_cache(place, str(source))
        if cached is not None:
            return cached
    dataset = _read(source, on_progress)
    if place is not None:
        write_cache(place, dataset)
    return dataset


def _read(source: Path, progress: Progress) -> FaceDataset:
    if source.suffix.casefold() in _TABLE_SUFFIXES and source.is_file():
        with source.open("rb") as stream:
            return assemble(
                _read_table(stream, source.name, str(source), source.stat().st_size, progress),
                str(source),
            )
    if source.is_file() and source.suffix.casefold() != ".zip":
        raise DataError(
            f"{source} is no data set; expected a folder, or a .zip, .csv or .parquet file"
        )
    with open_archive(source) as archive:
        if any(is_image(member) for member in archive.members):
            others = [str(m.path) for m in archive.members if not is_image(m)]
            return assemble(
                read_images(archive, str(source), progress), str(source), _left_out(others)
            )
        tables = [m for m in archive.members if m.path.suffix.casefold() in _TABLE_SUFFIXES]
        others = [str(m.path) for m in archive.members if m not in tables]
        return assemble(_read_tables(tables, source, progress), str(source), _left_out(others))


def _left_out(names: list[str]) -> list[str]:
    if not names:
        return []
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return [f"{len(names):,} files that are not images were left out: {shown}."]


def _read_tables(tables: list[Member], source: Path, progress: Progress) -> Iterator[LabelledFace]:
    for member in tables:
        where = f"{member.path} in {source}"
        if member.size > _LARGEST_TABLE_IN_ZIP:
            raise DataError(f"{where} has {member.size:,} bytes; unpack it and read it alone")
        yield from _read_table(
            io.BytesIO(member.read()), member.path.name, where, member.size, progress
        )


def _read_table(
    stream: IO[bytes], name: str, where: str, size: int, progress: Progress
) -> Iterator[LabelledFace]:
    if name.casefold().endswith(".csv"):
        return read_csv(stream, where, size, progress)
    words = name.replace(".", "-").replace("_", "-").split("-")
    split = next((s for s in map(parse_split, words) if s), None)
    return read_parquet(stream, where, split, progress)
