"""A run: a directory that says how it was made and holds what came out."""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ferboost.config import Settings
from ferboost.errors import RunError
from ferboost.files import locked, storage_errors, write_json

__all__ = [
    "DataRecord",
    "Run",
    "RunRecord",
    "describe_environment",
    "lock_folder",
    "new_run_path",
    "read_record",
    "refuse_existing",
]

_Record = TypeVar("_Record", bound=BaseModel)

_RECORD = "run.json"
_LEFTOVERS = ".*.part"  # see `ferboost.files.atomic_path`
_PACKAGES = ("ferboost", "numpy", "torch", "xgboost-cpu", "xgboost", "scikit-learn", "scipy")


class DataRecord(BaseModel):
    """What the data of a run was."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    """Absolute path of the file or folder."""
    fingerprint: str
    """`FaceDataset.fingerprint` of the whole data set as read, before any split was cut."""
    order: str | None = None
    """`FaceDataset.order_fingerprint`, by which steps draw images; None in older runs."""
    counts: dict[str, tuple[int, ...]]
    """Images per class, by split."""
    votes: str | None = None
    """Absolute path of the file of FER+ votes, where it is known."""
    votes_fingerprint: str | None = None
    """`FaceDataset.votes_fingerprint`, where there are votes."""
    notes: tuple[str, ...]
    """What the reader and the cutting of splits had to say."""


class RunRecord(BaseModel):
    """How a run is made; the content of ``run.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: Settings
    classes: tuple[str, ...]
    data: DataRecord
    environment: dict[str, str]
    """Versions of the packages, and the machine."""
    command: str
    """What repeats the run."""
    created: str
    """Date and time in UTC, ISO 8601."""


class Run:
    """A run directory.

    Parameters
    ----------
    path : Path
    record : RunRecord
        Use `Run.create` and `Run.open`, which check it.

    Attributes
    ----------
    path : Path
    record : RunRecord
    """

    def __init__(self, path: Path, record: RunRecord) -> None:
        self.path = path
        self.record = record

    @classmethod
    def create(cls, path: Path, record: RunRecord) -> "Run":
        """Make a run directory.

        Raises
        ------
        RunError
            If there is something at `path` already.
        StorageError
            If it cannot be written.
        """
        refuse_existing(path)
        write_json(path / _RECORD, record.model_dump(mode="json"))
        return cls(path, record)

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Open a run directory.

        Raises
        ------
        RunError
            If `path` is no run directory, or its ``run.json`` cannot be understood.
        """
        return cls(path, read_record(path, _RECORD, RunRecord, "a run directory"))

    @property
    def settings(self) -> Settings:
        """The settings of the run."""
        return self.record.settings

    def seed_path(self, seed: int) -> Path:
        """Return the folder of one seed's models and predictions."""
        return self.path / f"seed-{seed}"

    def unfinished(self, missing: str = "") -> RunError:
        """Return the error that says that something of the run is still to be made, and how."""
        what = f" ({missing})" if missing else ""
        return RunError(
            f"{self.path} is not finished{what}; go on with: ferboost train --resume {self.path}"
        )

    def log(self, message: str) -> None:
        """Append one line with the time to the run's ``log.txt``."""
        with storage_errors(self.path), (self.path / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {message}\n")

    def lock(self) -> AbstractContextManager[None]:
        """Keep other processes from writing to the run; see `lock_folder`."""
        return lock_folder(self.path)


@contextmanager
def lock_folder(path: Path) -> Iterator[None]:
    """Keep other processes from writing to a run or a study; the lock ends with the process.

    What a killed process left half written is removed.

    Raises
    ------
    RunError
        If another process writes there.
    """
    refusal = RunError(f"another process is working on {path}; wait for it or stop it")
    with ExitStack() as held:
        with storage_errors(path):
            held.enter_context(locked(path / ".lock", refusal))
        for leftover in (
            *path.glob(_LEFTOVERS),
            *path.glob(f"*/{_LEFTOVERS}"),
            *path.glob(f"*/*/{_LEFTOVERS}"),
        ):
            if leftover.is_file():
                leftover.unlink()
        yield


def read_record(path: Path, name: str, kind: type[_Record], what: str) -> _Record:
    """Read the record of a directory such as a run.

    Parameters
    ----------
    path : Path
        The directory.
    name : str
        Of the file in it.
    kind : type
        Of the record.
    what : str
        What the message of an error calls such a directory.

    Raises
    ------
    RunError
        If there is no such file, or it cannot be understood.
    """
    file = path / name
    if not file.is_file():
        raise RunError(f"{path} is not {what}: it has no {name}")
    try:
        return kind.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "its text"
        raise RunError(
            f"{file} is damaged or of another version of ferboost ({key}: {first['msg']}); restore "
            "it, or use the version that wrote it"
        ) from error


def refuse_existing(path: Path, resume: str | None = None) -> None:
    """Check that a run, or the like, can be made at `path`.

    Parameters
    ----------
    path : Path
    resume : str, optional
        The options that go on with what is there; by default a run's.

    Raises
    ------
    RunError
        If there is something already, other than what a killed process left half written.
    """
    if path.is_dir():
        taken = any(not entry.match(_LEFTOVERS) for entry in path.iterdir())
    else:
        taken = path.exists()
    if taken:
        raise RunError(
            f"{path} exists already; go on with it by {resume or f'--resume {path}'}, or choose "
            "another place"
        )


@contextmanager
def new_run_path(out: Path | None, parent: Path, stem: str) -> Iterator[Path]:
    """Yield where a run, or the like, is to be made: `out`, or a folder that nobody else gets.

    Parameters
    ----------
    out : Path or None
    parent : Path
    stem : str
        Where there is no `out`, the first of ``stem-1``, ``stem-2``, ... in `parent` that does not
        exist is made. If the block raises and has left it empty, it is removed.

    Raises
    ------
    StorageError
        If the folder cannot be made.
    """
    if out is not None:
        yield out
        return
    number, path = 1, parent / f"{stem}-1"
    with storage_errors(path):
        there = parent.exists()
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                path.mkdir()  # which only one process can
                break
            except FileExistsError:
                number += 1
                path = parent / f"{stem}-{number}"
    try:
        yield path
    except BaseException:
        with suppress(OSError):
            path.rmdir()
            if not there:
                parent.rmdir()
        raise


def describe_environment() -> dict[str, str]:
    """Return the versions of Python and the packages that matter, and the machine."""
    described = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            described[package] = version(package)
        except PackageNotFoundError:
            continue
    described["system"] = f"{platform.system()} {platform.machine()}"
    described["processor"] = _processor()
    described["cores"] = str(os.cpu_count() or "unknown")
    torch = sys.modules.get("torch")  # loading it takes a second, and without it nothing is trained
    if torch is not None and torch.cuda.is_available():
        described["gpu"] = torch.cuda.get_device_name()
    return described


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
