"""What was found in pictures, as records: in JSON, in tables, and in a journal to go on from."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from ferboost.errors import StorageError
from ferboost.files import locked, refuse_to_replace, storage_errors
from ferboost.inference.photos import Photo
from ferboost.inference.tables import Cell, Columns, csv_table, parquet_table

__all__ = ["Journal", "Record", "records_of", "write_csv", "write_parquet"]

#: As JSON has it: image, found, number, emotion, probability, probabilities, face, warning; where a
#: coverage was asked also candidates and is_sure. Any: strings, numbers, lists and mappings.
Record = dict[str, Any]

_PLACES = ("left", "top", "right", "bottom", "score")


def records_of(photo: Photo) -> list[Record]:
    """Return a record for each face; one without an emotion where there is none."""
    start = {"image": str(photo.path), "found": photo.found}
    if not photo.predictions:
        names = ("number", "emotion", "probability", "probabilities", "face", "warning")
        return [start | dict.fromkeys(names)]
    records = []
    for number, prediction in enumerate(photo.predictions, start=1):
        content = prediction.to_dict()
        del content["source"]
        records.append(start | {"number": number} | content)
    return records


class Journal:
    """The records of a prediction under way, so that one that was killed can go on.

    A file of one JSON document a line, beside the file that it will become. Its first line says
    what the records depend on. A line that is damaged counts as not there. One process at a time
    has a journal.

    Parameters
    ----------
    target : Path
        The file that the records are for.
    conditions : mapping
        What the records depend on: the model, how faces are come by.

    Attributes
    ----------
    path : Path
        Of the journal.

    Raises
    ------
    StorageError
        If the target cannot be written, or another process is at it.
    """

    def __init__(self, target: Path, conditions: Mapping[str, object]) -> None:
        self.path = target.with_name(f".{target.name}.part.jsonl")
        self._done: dict[str, _Entry] = {}
        head = json.dumps(dict(conditions))
        with ExitStack() as opened, storage_errors(target):
            refuse_to_replace(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._lock = target.with_name(f".{target.name}.lock")
            refusal = StorageError(
                f"another process is writing {target}; wait for it, or choose another place"
            )
            opened.enter_context(locked(self._lock, refusal))
            end = self._read(head)
            self._stream = opened.enter_context(self.path.open("r+b" if end else "wb"))
            self._stream.truncate(end)  # a line that was cut off goes
            self._stream.seek(end)
            if not end:
                self._write(head)
            self._opened = opened.pop_all()

    def _read(self, head: str) -> int:
        """Return where the last whole line ends; 0 where the journal is of something else."""
        if not self.path.is_file():
            return 0
        end = 0
        with self.path.open("rb") as lines:
            if next(lines, b"") != head.encode() + b"\n":
                return 0
            end = lines.tell()
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                stamp, records = _content(line)
                self._done.update({record["image"]: _Entry(end, stamp) for record in records})
                end += len(line)
        return end

    def _write(self, line: str) -> None:
        self._stream.write(line.encode() + b"\n")
        self._stream.flush()

    def has(self, image: str) -> bool:
        """Say whether the records of an image are there, and its file is what it was then."""
        entry = self._done.get(image)
        return entry is not None and entry.stamp == _stamp(image)

    def add(self, records: Sequence[Record]) -> None:
        """Keep the records of one image, in place of what was known of it."""
        stamp = _stamp(records[0]["image"])
        with storage_errors(self.path):
            start = self._stream.tell()
            self._write(json.dumps([stamp, records], allow_nan=False))
        self._done[records[0]["image"]] = _Entry(start, stamp)

    def records(self) -> Iterator[Record]:
        """Read the records of all images again, in the order they were added."""
        with self.path.open("rb") as lines:
            start = len(next(lines, b""))
            for line in lines:
                for record in _content(line)[1]:
                    if self._done[record["image"]].start == start:
                        yield record
                start += len(line)

    def remove(self) -> None:
        """Remove the journal, when the records are where they belong."""
        self._stream.close()
        self.path.unlink(missing_ok=True)
        with suppress(OSError):  # Windows keeps a file that is open
            self._lock.unlink(missing_ok=True)
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        # What was not written on a full disk cannot be on closing either, and was said already.
        with suppress(OSError) if kind else nullcontext():
            self._opened.close()


class _Entry(NamedTuple):
    """Where in a journal the records of an image are, and what its file was like."""

    start: int
    stamp: str


def _stamp(image: str) -> str:
    """Return what is another if a file is replaced; empty where there is none."""
    try:
        found = Path(image).stat()
    except (OSError, ValueError):
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def _content(line: bytes) -> tuple[str, list[Record]]:
    """Return the stamp and the records in a line of a journal; none if it is damaged."""
    try:
        stamp, records = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return "", []
    if not isinstance(stamp, str) or not isinstance(records, list):
        return "", []
    whole = all(isinstance(r, dict) and isinstance(r.get("image"), str) for r in records)
    return (stamp, records) if whole else ("", [])


def write_csv(path: Path, records: Iterable[Record], classes: Sequence[str]) -> None:
    """Write records as a CSV table, one row for each face; atomically."""
    with csv_table(path, _columns(classes)) as write:
        for row in _rows(records, classes):
            write(row)


def write_parquet(path: Path, records: Iterable[Record], classes: Sequence[str]) -> None:
    """Write records as a Parquet table, one row for each face; atomically.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    """
    with parquet_table(path, _columns(classes)) as write:
        for row in _rows(records, classes):
            write(row)


def _columns(classes: Sequence[str]) -> Columns:
    return {
        "image": "text",
        "found": "text",
        "number": "whole",
        "emotion": "text",
        "probability": "number",
        **dict.fromkeys(classes, "number"),
        **dict.fromkeys(_PLACES, "number"),
        "candidates": "text",
        "warning": "text",
    }


def _rows(records: Iterable[Record], classes: Sequence[str]) -> Iterator[list[Cell]]:
    for record in records:
        start = [record[name] for name in ("image", "found", "number", "emotion", "probability")]
        shares = record["probabilities"] or {}
        face = record["face"]
        place = [None] * 5 if face is None else [*face["box"], face["score"]]
        candidates = record.get("candidates")
        chosen = None if candidates is None else " ".join(candidates)
        numbers = [shares.get(name) for name in classes]
        yield [*start, *numbers, *place, chosen, record["warning"]]
