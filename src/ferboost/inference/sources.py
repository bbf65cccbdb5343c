"""What a user names, files, folders and patterns, as a list of files."""

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferboost.datasets.images import IMAGE_SUFFIXES
from ferboost.errors import SettingsError

__all__ = ["Source", "find_sources"]

OnOthers = Callable[[Path, Mapping[str, int]], None]

_PATTERN_CHARACTERS = "*?["


@dataclass(frozen=True)
class Source:
    """A file to be read.

    Attributes
    ----------
    path : Path
    name : Path
        Its place below the folder that was named; its file name where a file was.
    """

    path: Path
    name: Path


def find_sources(
    inputs: Sequence[Path],
    suffixes: Iterable[str] = IMAGE_SUFFIXES,
    *,
    leave_out: Path | None = None,
    on_others: OnOthers = lambda *_: None,
) -> list[Source]:
    """List the files of some files, folders and patterns, each once, in the order given.

    A folder stands for the files below it, at any depth, with one of the suffixes, sorted by name;
    one that cannot be listed is listed itself, so that reading it says so.
    A pattern such as ``photos/**/*.jpg`` counts where no file has that name. What is named itself
    is listed whatever its name, also where there is no such file: reading it says so.

    Parameters
    ----------
    inputs : sequence of Path
    suffixes : iterable of str
        Of files in folders, lower case with their dots.
    leave_out : Path, optional
        A folder in a folder that is passed over: where results go to.
    on_others : callable, optional
        Called with a folder and the number of its other files by suffix, where it has any.

    Raises
    ------
    SettingsError
        If a folder holds none of them, or a pattern fits nothing.
    """
    wanted = frozenset(suffixes)
    passed_over = None if leave_out is None else leave_out.resolve()
    found: dict[Path, Source] = {}
    for given in inputs:
        for source in _expand(given, wanted, passed_over, on_others):
            found.setdefault(source.path, source)
    return list(found.values())


def _expand(
    given: Path, suffixes: frozenset[str], leave_out: Path | None, on_others: OnOthers
) -> list[Source]:
    if given.is_dir():
        others: Counter[str] = Counter()
        sources = list(_below(given, suffixes, leave_out, others))
        if others and sources:
            on_others(given, others)
        if not sources:
            endings = ", ".join(sorted(suffixes))
            raise SettingsError(f"no file below the folder {given} ends in one of: {endings}")
        return sources
    text = str(given)
    if given.exists() or not any(character in text for character in _PATTERN_CHARACTERS):
        return [Source(given, Path(given.name))]
    # Path.glob takes no absolute pattern.
    matches = [Path(match) for match in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207
    files = [match for match in matches if match.is_file()]
    if not files:
        raise SettingsError(f"no file fits the pattern {given}")
    return [Source(file, Path(file.name)) for file in files]


def _below(
    folder: Path, suffixes: frozenset[str], leave_out: Path | None, others: Counter[str]
) -> Iterator[Source]:
    closed: list[Path] = []
    known = {folder.resolve(), leave_out}  # a link may lead in a circle
    walk = os.walk(folder, followlinks=True, onerror=lambda e: closed.append(Path(e.filename)))
    for place, folders, names in walk:
        here = Path(place)
        new = {(here / name).resolve(): name for name in sorted(folders, reverse=True)}
        folders[:] = sorted(name for path, name in new.items() if path not in known)
        known.update(new)
        for name in sorted(names):
            suffix = Path(name).suffix.lower()
            if suffix in suffixes:
                yield Source(here / name, (here / name).relative_to(folder))
            else:
                others[suffix] += 1
    for path in closed:
        yield Source(path, Path(path.name) if path == folder else path.relative_to(folder))
