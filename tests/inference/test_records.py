"""Tables of what was found, and the journal that a killed prediction goes on from."""

import csv
import os
import sys
from pathlib import Path

import pytest

from ferboost.errors import MissingExtraError, StorageError
from ferboost.inference import Face, Prediction
from ferboost.inference.photos import Photo
from ferboost.inference.records import (
    Journal,
    Record,
    records_of,
    write_csv,
    write_parquet,
)
from ferboost.inference.tables import csv_table

CLASSES = ("happy", "sad")
FACE = Face((1.0, 2.0, 3.0, 4.5), 0.75, eyes=((1.5, 2.5), (2.5, 2.5)))
CONDITIONS = {"model": "m", "faces": "auto"}


def photo(name: str = "a.jpg", *faces: Face | None) -> Photo:
    predictions = tuple(
        Prediction(name, CLASSES, (0.75, 0.25), face, ("happy",), "too dark") for face in faces
    )
    found = "none" if not faces else "whole" if faces[0] is None else "face"
    return Photo(Path(name), (9, 9), found, predictions)  # type: ignore[arg-type]


def records() -> list[Record]:
    found = (photo("a.jpg", FACE, FACE), photo("=b,\n.jpg"), photo("c.jpg", None))
    return [record for one in found for record in records_of(one)]


def test_there_is_a_record_for_each_face_and_one_without_an_emotion_where_there_is_none() -> None:
    first, second, nothing, whole = records()
    assert (first["number"], second["number"]) == (1, 2)
    assert first["face"] == FACE.to_dict()
    assert (nothing["found"], nothing["emotion"], nothing["face"]) == ("none", None, None)
    assert (nothing["warning"], whole["warning"]) == (None, "too dark")
    assert (whole["found"], whole["emotion"], whole["face"]) == ("whole", "happy", None)


def test_a_csv_table_has_a_row_for_each_record(tmp_path: Path) -> None:
    write_csv(tmp_path / "new/out.csv", records(), CLASSES)
    with (tmp_path / "new/out.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["image"] for row in rows] == ["a.jpg", "a.jpg", "=b,\n.jpg", "c.jpg"]
    assert rows[1] == {
        "image": "a.jpg", "found": "face", "number": "2", "emotion": "happy",
        "probability": "0.75", "happy": "0.75", "sad": "0.25", "left": "1", "top": "2",
        "right": "3", "bottom": "4.5", "score": "0.75", "candidates": "happy",
        "warning": "too dark",
    }  # fmt: skip
    assert (rows[2]["emotion"], rows[2]["sad"], rows[3]["left"]) == ("", "", "")


def test_a_name_that_is_no_text_is_written_as_it_is(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.jpg")
    write_csv(tmp_path / "out.csv", records_of(photo(name, FACE)), CLASSES)
    assert b"\n\xff.jpg,face" in (tmp_path / "out.csv").read_bytes()


def test_moments_of_long_films_stay_apart(tmp_path: Path) -> None:
    with csv_table(tmp_path / "out.csv", {"time": "number"}) as write:
        write([12345.04])
        write([12345.08])
    assert (tmp_path / "out.csv").read_text() == "time\n12345.04\n12345.08\n"


def test_a_parquet_table_has_the_same_rows(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    name = os.fsdecode(b"\xff.jpg")
    write_parquet(tmp_path / "out.parquet", [*records(), *records_of(photo(name))], CLASSES)
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert len(rows) == 5
    assert rows[0]["bottom"] == 4.5
    assert rows[2]["emotion"] is None
    assert rows[4]["image"] == "�.jpg"


def test_without_pyarrow_parquet_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match="pip install pyarrow"):
        write_parquet(tmp_path / "out.parquet", records(), CLASSES)


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_a_journal_goes_on_after_its_last_whole_line(tmp_path: Path, cut: int) -> None:
    target = tmp_path / "out.csv"
    with Journal(target, CONDITIONS) as journal:
        for name in ("a", "b", "c"):
            journal.add(records_of(photo(name, FACE)))
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[: len(content) - cut])
    with Journal(target, CONDITIONS) as journal:
        done = [name for name in ("a", "b", "c") if journal.has(name)]
        assert done == (["a", "b", "c"] if cut == 0 else ["a", "b"])
        journal.add(records_of(photo("d", FACE)))
        images = [record["image"] for record in journal.records()]
        assert images == [*done, "d"]
        journal.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"{", b"7", b"[7]", b"[{}]"])
def test_a_damaged_line_of_a_journal_counts_as_not_there(tmp_path: Path, damage: bytes) -> None:
    target = tmp_path / "out.csv"
    with Journal(target, CONDITIONS) as journal:
        for name in ("a", "b", "c"):
            journal.add(records_of(photo(name, FACE)))
    head, first, _, last = journal.path.read_bytes().splitlines()
    journal.path.write_bytes(b"\n".join((head, first, damage, last, b"")))
    with Journal(target, CONDITIONS) as journal:
        assert [journal.has(name) for name in ("a", "b", "c")] == [True, False, True]
        journal.add(records_of(photo("b", FACE)))
        assert [record["image"] for record in journal.records()] == ["a", "c", "b"]


def test_two_cannot_write_a_journal_at_a_time(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with Journal(target, CONDITIONS) as journal:
        journal.add(records_of(photo("a", FACE)))
        with pytest.raises(StorageError, match=r"another process is writing .*out\.csv"):
            Journal(target, CONDITIONS)
        Journal(tmp_path / "other.csv", CONDITIONS).remove()
        assert [record["image"] for record in journal.records()] == ["a"]
    with Journal(target, CONDITIONS) as journal:
        assert journal.has("a")


def test_a_journal_of_something_else_starts_anew(tmp_path: Path) -> None:
    with Journal(tmp_path / "out.csv", CONDITIONS) as journal:
        journal.add(records_of(photo("a", FACE)))
    with Journal(tmp_path / "out.csv", CONDITIONS | {"model": "other"}) as journal:
        assert not journal.has("a")
        assert list(journal.records()) == []


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot write .*file/out\.csv"):
        Journal(tmp_path / "file" / "out.csv", CONDITIONS)


def test_a_picture_that_was_replaced_is_not_done_and_its_old_records_go(tmp_path: Path) -> None:
    target, picture, other = tmp_path / "faces.csv", tmp_path / "a.png", tmp_path / "b.png"
    picture.write_bytes(b"one")
    with Journal(target, CONDITIONS) as journal:
        for path in (picture, other):
            journal.add(records_of(photo(str(path), FACE)))
    picture.write_bytes(b"another")
    with Journal(target, CONDITIONS) as journal:
        assert not journal.has(str(picture))
        assert journal.has(str(other))
        journal.add(records_of(photo(str(picture), FACE)))
        assert journal.has(str(picture))
        assert [record["image"] for record in journal.records()] == [str(other), str(picture)]
