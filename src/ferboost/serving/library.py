"""Runs and studies in a folder: what they came to, and the pages that they wrote."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.array_files import read_arrays
from ferboost.errors import RunError
from ferboost.evaluation.comparison import Comparison, adjusted, compare
from ferboost.runs import Run, RunRecord
from ferboost.tuning.outcomes import best_outcome, read_outcomes
from ferboost.tuning.wording import count_outcomes, describe_point, describe_value

__all__ = ["Difference", "Library", "RunEntry", "Score", "StudyEntry", "differences"]

_RUN, _STUDY = "run.json", "study.json"
_PAGES = ("report.html", "study.html", "reproduction.html")
_DEPTH = 4


@dataclass(frozen=True)
class Score:
    """How often one model of a run is right on the run's test images, in percent.

    Attributes
    ----------
    variant : str
    accuracy, clean : float or None
        Mean over the seeds; `clean` leaves out exact copies of training images.
    deviation : float or None
        Standard deviation over the seeds; None for one seed.
    """

    variant: str
    accuracy: float
    clean: float | None
    deviation: float | None


@dataclass(frozen=True, eq=False)
class _Tested:
    """What is kept of a run's predictions, which are many times as large."""

    labels: NDArray[np.int64] | None = None
    images: str | None = None
    clean: NDArray[np.bool_] | None = None
    correct: dict[str, NDArray[np.bool_]] = field(default_factory=dict)


@dataclass(frozen=True)
class RunEntry:
    """A run, finished or not.

    Attributes
    ----------
    name : str
        Its folder, from the library's on; the library's own name where that is it.
    place : str
        The same as a part of addresses; empty where that is it.
    record : RunRecord
    path : Path
    pages : tuple of str
        Names of its HTML files.
    """

    name: str
    place: str
    record: RunRecord
    path: Path
    pages: tuple[str, ...]

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """The true classes of the test images; None where the run is not finished."""
        return self._tested.labels

    @property
    def images(self) -> str | None:
        """The fingerprint of the test images; None where the run is older or not finished."""
        return self._tested.images

    @property
    def correct(self) -> dict[str, NDArray[np.bool_]]:
        """Which test images each seed of each variant gets right, shape (seeds, n)."""
        return self._tested.correct

    @cached_property
    def scores(self) -> tuple[Score, ...]:
        """How good its models are; empty where the run is not finished."""
        clean = self._tested.clean
        return tuple(
            Score(
                variant,
                100 * float(right.mean()),
                None if clean is None else 100 * float(right[:, clean].mean()),
                100 * float(right.mean(axis=1).std(ddof=1)) if len(right) > 1 else None,
            )
            for variant, right in self.correct.items()
        )

    @cached_property
    def best(self) -> Score | None:
        """The model that is right most often, on images that chose it: it flatters."""
        return max(self.scores, key=lambda score: score.accuracy, default=None)

    @cached_property
    def _tested(self) -> "_Tested":
        return _read_tested(self)


@dataclass(frozen=True)
class StudyEntry:
    """A study, as far as it got.

    Attributes
    ----------
    name, place : str
        As of a run.
    created : str
    objective : str
    counted : str
        How many trials there were, and how they ended.
    best, point : str
        The best value and where it was found; empty where no trial is done.
    pages : tuple of str
        Names of its HTML files.
    """

    name: str
    place: str
    created: str
    objective: str
    counted: str
    best: str
    point: str
    pages: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """One variant of a run against the same of another, on the same images.

    Attributes
    ----------
    name : str
        Of the run.
    variant : str
    points : float
        Percent points more than the other.
    interval : tuple of float
        95 %, over images and seeds.
    seeds : int
        As many of each are compared.
    shown : bool
        Whether the data show it, with all that were compared with it, see
        `ferboost.evaluation.comparison`.
    """

    name: str
    variant: str
    points: float
    interval: tuple[float, float]
    seeds: int
    shown: bool

    @property
    def verdict(self) -> str:
        """What follows."""
        if not self.shown:
            return "no difference shown"
        return "better" if self.points > 0 else "worse"


class Library:
    """A folder with runs and studies at some depth; it is read anew whenever it is asked.

    Parameters
    ----------
    root : Path
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._known: dict[tuple[Path, int], RunEntry] = {}

    def runs(self) -> list[RunEntry]:
        """Return the runs, newest first. What is damaged is left out."""
        found = []
        for folder in self._folders(_RUN):
            try:
                found.append(self._run(folder))
            except (RunError, OSError):
                continue
        return sorted(found, key=lambda run: run.record.created, reverse=True)

    def studies(self) -> list[StudyEntry]:
        """Return the studies, newest first. What is damaged is left out."""
        found = []
        for folder in self._folders(_STUDY):
            try:
                found.append(self._study(folder))
            except (RunError, OSError, ValueError, KeyError, TypeError, RecursionError):
                continue
        return sorted(found, key=lambda study: study.created, reverse=True)

    def page(self, name: str) -> Path | None:
        """Return an HTML file by its place from the folder on; None where it is none of a run's."""
        folder, _, file = name.rpartition("/")
        if file not in _PAGES or folder not in {self._place(f) for f in self._folders()}:
            return None
        path = self._root / name
        inside = path.is_file() and path.resolve().is_relative_to(self._root)
        return path if inside else None

    def pages(self) -> list[str]:
        """Return the places of the pages that belong to no run and no study."""
        return [
            f"{self._place(folder)}/{page}".removeprefix("/")
            for folder in self._folders()
            if not (folder / _RUN).exists() and not (folder / _STUDY).exists()
            for page in _pages_of(folder)
        ]

    def _folders(self, marker: str | None = None) -> Iterator[Path]:
        for place, folders, files in os.walk(self._root):
            folder = Path(place)
            depth = len(folder.relative_to(self._root).parts)
            folders[:] = [name for name in folders if _is_shown(name)]
            is_made = _RUN in files or _STUDY in files
            folders[:] = [] if is_made or depth == _DEPTH else sorted(folders)
            if marker in files or (marker is None and (is_made or not {*_PAGES}.isdisjoint(files))):
                yield folder

    def _place(self, folder: Path) -> str:
        place = folder.relative_to(self._root).as_posix()
        return "" if place == "." else place

    def _run(self, folder: Path) -> RunEntry:
        changed = max(
            (folder / file).stat().st_mtime_ns if (folder / file).exists() else 0
            for file in (_RUN, "predictions.npz", *_PAGES)
        )
        key = (folder, changed)
        known = self._known  # requests come in threads: it is replaced, and never changed
        if key in known:
            return known[key]
        run = Run.open(folder)
        place = self._place(folder)
        entry = RunEntry(place or self._root.name, place, run.record, folder, _pages_of(folder))
        self._known = {
            other: kept
            for other, kept in known.items()
            if other[0] != folder and (other[0] / _RUN).exists()
        } | {key: entry}
        return entry

    def _study(self, folder: Path) -> StudyEntry:
        record = json.loads((folder / _STUDY).read_bytes())
        objective = record["plan"]["objective"]
        outcomes = read_outcomes(folder / "trials")
        best = best_outcome(outcomes, objective)
        value = None if best is None else best.value(objective)
        place = self._place(folder)
        return StudyEntry(
            name=place or self._root.name,
            place=place,
            created=str(record["created"]),
            objective=str(objective).replace("_", " "),
            counted=count_outcomes(outcomes) if outcomes else "no trial yet",
            best="" if value is None else describe_value(value, objective),
            point="" if best is None else describe_point(best.point),
            pages=_pages_of(folder),
        )


def differences(base: RunEntry, others: list[RunEntry]) -> list[Difference]:
    """Compare every variant of other runs with the same of a first one.

    Left out are runs that were tested on other images, and variants that the first has not.
    """
    compared: list[tuple[str, str, Comparison]] = []
    for other in others:
        if not _have_same_images(base, other):
            continue
        for variant, right in other.correct.items():
            if variant in base.correct:
                count = min(len(right), len(base.correct[variant]))
                pair = compare(base.correct[variant][:count], right[:count])
                compared.append((other.name, variant, pair))
    return [
        Difference(name, variant, pair.difference, pair.interval, len(pair.per_seed), pair.shown)
        for (name, variant, _), pair in zip(
            compared, adjusted([pair for *_, pair in compared]), strict=True
        )
    ]


def _read_tested(run: RunEntry) -> _Tested:
    """Read what a run was tested on, and how; nothing of a file that is missing or damaged."""
    try:
        arrays = read_arrays(run.path / "predictions.npz")
        tested = _tested_in(run, arrays)
    except (ValueError, KeyError, TypeError):
        return _Tested()
    is_damaged = tested.clean is not None and len(tested.clean) != len(arrays["labels"])
    return _Tested() if is_damaged else tested


def _tested_in(run: RunEntry, arrays: Mapping[str, NDArray[Any]]) -> _Tested:
    labels = arrays["labels"].astype(np.int64)
    found: dict[str, list[NDArray[np.bool_]]] = {}
    for seed in run.record.settings.seeds:
        for key, values in arrays.items():
            start, _, variant = key.partition("/")
            if start == str(seed) and values.ndim == 2 and len(values) == len(labels):
                found.setdefault(variant, []).append(values.argmax(axis=1) == labels)
    return _Tested(
        labels,
        str(arrays["images"]) if "images" in arrays else None,
        arrays["clean"].astype(bool) if "clean" in arrays else None,
        {variant: np.stack(seeds) for variant, seeds in found.items()},
    )


def _have_same_images(one: RunEntry, other: RunEntry) -> bool:
    if one.labels is None or other.labels is None or not np.array_equal(one.labels, other.labels):
        return False
    if one.images is None or other.images is None:  # an older run knows its whole data set alone
        return one.record.data.fingerprint == other.record.data.fingerprint
    return one.images == other.images


def _is_shown(name: str) -> bool:
    """Say whether a folder is not hidden, and has a name that a page can hold."""
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return False
    return not name.startswith(".")


def _pages_of(folder: Path) -> tuple[str, ...]:
    return tuple(page for page in _PAGES if (folder / page).is_file())
