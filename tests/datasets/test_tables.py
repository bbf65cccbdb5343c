import io
import json
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from samples import (
    Row,
    csv_bytes,
    draw,
    encode,
    load,
    pixels,
    png,
    published_rows,
    refused,
    write_folder,
    write_parquet,
    write_zip,
)

from ferboost.datasets.tables import parse_label, read_csv
from ferboost.emotions import EMOTIONS, FER2013_ORDER
from ferboost.errors import DataError

COLUMN_ORDERS = {
    "emotion,pixels,Usage": (0, 1, 2),
    "emotion, Usage, pixels": (0, 2, 1),
    "Usage,Pixels,Emotion": (2, 1, 0),
}


def check_published_rows(path: Path) -> None:
    """Hold what is read against `published_rows`."""
    dataset = load(path)
    assert dataset.classes == EMOTIONS
    assert [dataset.classes[label] for label in dataset.labels] == [*FER2013_ORDER] * 2
    assert dataset.splits.tolist() == ["train"] * 7 + ["test"] * 7
    assert all((dataset.images[i] == draw(i)).all() for i in range(14))
    assert not dataset.notes


# CSV


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes a CSV file of rows."""

    def write(rows: list[Row], header: str = "emotion,pixels,Usage") -> Path:
        path = tmp_path / "fer2013.csv"
        path.write_bytes(csv_bytes(rows, header))
        return path

    return write


@pytest.mark.parametrize("header", COLUMN_ORDERS)
def test_the_editions_of_the_csv_are_read(table: Callable[..., Path], header: str) -> None:
    rows = [tuple(row[i] for i in COLUMN_ORDERS[header]) for row in published_rows()]
    check_published_rows(table(rows, header))


def test_a_csv_from_windows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "fer2013.CSV"
    path.write_bytes(b"\xef\xbb\xbf" + csv_bytes(published_rows()).replace(b"\n", b"\r\n"))
    check_published_rows(path)


def test_quotes_and_empty_lines_do_no_harm(tmp_path: Path) -> None:
    rows = [tuple(f'"{cell}"' for cell in row) for row in published_rows()]
    path = tmp_path / "fer2013.csv"
    path.write_bytes(csv_bytes(rows).replace(b"\n", b"\n\n"))
    check_published_rows(path)


def test_rows_are_named_by_their_number(table: Callable[..., Path]) -> None:
    assert load(table(published_rows())).names[:2].tolist() == ["row-0000000", "row-0000001"]


@pytest.mark.parametrize(
    ("usage", "split"),
    [
        ("Training", "train"),
        ("PublicTest", "test"),
        ("PrivateTest", "test"),
        ("Validation", "validation"),
        (" training ", "train"),
    ],
)
def test_usages_are_splits(table: Callable[..., Path], usage: str, split: str) -> None:
    assert load(table([("3", pixels(), usage)])).splits.tolist() == [split]


def test_without_a_usage_column_rows_are_for_training(table: Callable[..., Path]) -> None:
    assert load(table([("3", pixels())], "emotion,pixels")).splits.tolist() == ["train"]


def test_the_name_of_a_csv_says_the_split_where_no_column_does(tmp_path: Path) -> None:
    files = {
        f"{split}.csv": csv_bytes([("3", pixels(seed))], "emotion,pixels")
        for seed, split in enumerate(("train", "test"))
    }
    dataset = load(write_folder(tmp_path / "faces", files))
    assert sorted(dataset.splits) == ["test", "train"]
    assert sorted(dataset.names) == ["test.csv/row-0000000", "train.csv/row-0000000"]


def test_one_number_means_the_same_emotion_whatever_others_there_are(
    table: Callable[..., Path],
) -> None:
    assert load(table([("6", pixels(), "Training")])).classes == ("neutral",)


def test_class_names_take_the_place_of_numbers(table: Callable[..., Path]) -> None:
    rows = [("Happy", pixels(1), "Training"), ("sadness", pixels(2), "Training")]
    assert load(table(rows)).classes == ("happy", "sad")
    rows = [("yawning", pixels(1), "Training"), ("awake", pixels(2), "Training")]
    assert load(table(rows)).classes == ("awake", "yawning")


def test_a_zip_that_holds_a_csv_is_read(tmp_path: Path) -> None:
    files = {"fer2013/fer2013.csv": csv_bytes(published_rows()), "fer2013/README": b"x"}
    path = write_zip(tmp_path / "fer2013.zip", files, zipfile.ZIP_DEFLATED)
    dataset = load(path)
    assert len(dataset) == 14
    assert dataset.notes == ("Files of other kinds, left out: 1 (fer2013/README).",)


def test_a_csv_in_a_zip_is_read_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zip(tmp_path / "fer2013.zip", {"fer2013.csv": csv_bytes(published_rows())})
    monkeypatch.setattr(zipfile.ZipExtFile, "read", None)  # it is what reads a whole member
    assert len(load(path)) == 14


def test_progress_of_a_csv_ends_at_its_size(table: Callable[..., Path]) -> None:
    path = table(published_rows())
    size = path.stat().st_size
    told: list[tuple[int, int]] = []
    with path.open("rb") as stream:
        for _ in read_csv(stream, "x", None, size, lambda *done: told.append(done)):
            pass
    assert told == sorted(told)
    assert told[-1] == (size, size)


GOOD = pixels()
HEADER = b"emotion,pixels,Usage\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has no column 'emotion' .*nothing"),
        (b"\n", "has no column 'emotion'"),
        (HEADER, "holds no images"),
        (b"pixels,Usage\n1,Training\n", "has no column 'emotion' .*'pixels', 'usage'"),
        (b"emotion,Usage\n1,Training\n", "has no column 'pixels'"),
        (b"emotion;pixels;Usage\n1;1;1\n", "has no column 'emotion'"),
        (b'"emo\ntion\x1b[2J",pixels\n', "has no column 'emotion'"),
        (csv_bytes([("3", GOOD.rsplit(" ", 1)[0], "Training")]), "line 2 .* has 2,303 pixels"),
        (csv_bytes([("3", GOOD + " 7", "Training")]), "line 2 .* has 2,305 pixels"),
        (csv_bytes([("3", "", "Training")]), "line 2 .* pixels"),
        (csv_bytes([("3", "256 " * 2304, "Training")]), "outside of 0 to 255"),
        (csv_bytes([("3", "-1 " * 2304, "Training")]), "outside of 0 to 255"),
        (csv_bytes([("3", "9" * 30 + " 1" * 2303, "Training")]), "outside of 0 to 255|whole"),
        (csv_bytes([("3", "abc " * 2304, "Training")]), "not whole numbers"),
        (csv_bytes([("3", GOOD[:-3] + "1.5", "Training")]), "not whole numbers"),
        (csv_bytes([("3", GOOD.replace(" ", "|"), "Training")]), "not whole numbers"),
        (csv_bytes([("7", GOOD, "Training")]), "label '7'; expected 0 to 6"),
        (csv_bytes([("-1", GOOD, "Training")]), "label '-1'"),
        (csv_bytes([("1.5", GOOD, "Training")]), "label '1.5'"),
        (csv_bytes([("nan", GOOD, "Training")]), "label 'nan'"),
        (csv_bytes([("", GOOD, "Training")]), "label ''"),
        (csv_bytes([("3", GOOD, "Trial")]), "line 2 .* usage 'Trial'"),
        (csv_bytes([("3", GOOD, "")]), "line 2 .* usage ''"),
        (csv_bytes([("3", GOOD, "Training"), ("3", GOOD)]), "line 3 .* has 2 columns, expected 3"),
        (csv_bytes([("3", GOOD, "Training", "x")]), "line 2 .* has 4 columns, expected 3"),
        (HEADER + b'3,"1 2 3\n' * 5, "columns|pixels|CSV"),
        (HEADER + b'3,"' + b"1 " * 600_000, "line 2 .* is not CSV: field larger"),
        (HEADER + b"\xff\xfe\x00" + png(), "is not UTF-8 text"),
        (png(), "is not UTF-8 text"),
        ("emotion,pixels\n".encode("utf-16"), "is not UTF-8 text"),
    ],
)
def test_an_unusable_csv_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_bytes(content)
    assert re.search(reason, refused(path))


def test_a_bad_row_in_a_zip_is_named(tmp_path: Path) -> None:
    rows = [*published_rows(), ("9", GOOD, "Training")]
    path = write_zip(tmp_path / "faces.zip", {"fer2013.csv": csv_bytes(rows)})
    assert f"line 16 of fer2013.csv in {path} has the label '9'" in refused(path)


def test_a_damaged_csv_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "faces.zip", {"fer2013.csv": csv_bytes(published_rows())})
    content = path.read_bytes()
    path.write_bytes(content.replace(b"PublicTest", b"PublicTesT", 1))
    assert "fer2013.csv in" in refused(path)


@given(
    label=st.integers(0, 6),
    seed=st.integers(0, 2**32),
    least=st.integers(0, 255),
    usage=st.sampled_from(["Training", "PublicTest"]),
)
@settings(max_examples=30)
def test_any_row_is_read_as_written(label: int, seed: int, least: int, usage: str) -> None:
    values = np.maximum(draw(seed), least).ravel()
    content = csv_bytes([(str(label), " ".join(map(str, values)), usage)])
    [face] = read_csv(io.BytesIO(content), "x", None, len(content), lambda *_: None)
    assert face.label == FER2013_ORDER[label]
    assert face.split == {"Training": "train", "PublicTest": "test"}[usage]
    assert (face.face.ravel() == values).all()


@given(st.text(max_size=80) | st.binary(max_size=80))
@settings(max_examples=60)
def test_any_content_gives_rows_or_a_data_error(content: str | bytes) -> None:
    rest = content.encode(errors="replace") if isinstance(content, str) else content
    for start in (b"", HEADER):
        stream = io.BytesIO(start + rest)
        try:
            list(read_csv(stream, "x", None, 1, lambda *_: None))
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017 - an error is one of two good outcomes


@pytest.mark.parametrize(("text", "label"), [("0", "angry"), ("6.0", "neutral"), (" joy ", "joy")])
def test_labels_are_numbers_of_fer2013_or_names(text: str, label: str) -> None:
    assert parse_label(text, "here") == label


# Parquet


def images(count: int) -> list[bytes]:
    return [png(seed) for seed in range(count)]


def hugging_face(names: list[str], column: str = "label") -> dict[str, str]:
    features = {"image": {"_type": "Image"}, column: {"names": names, "_type": "ClassLabel"}}
    return {"huggingface": json.dumps({"info": {"features": features}})}


def test_parquet_with_bytes_is_read(tmp_path: Path) -> None:
    columns = {
        "image": images(14),
        "label": [*range(7)] * 2,
        "split": ["train"] * 7 + ["test"] * 7,
    }
    check_published_rows(write_parquet(tmp_path / "fer2013.parquet", columns))


def test_parquet_with_structs_is_read_and_keeps_file_names(tmp_path: Path) -> None:
    structs = [{"bytes": content, "path": f"{i}.png"} for i, content in enumerate(images(14))]
    columns = {
        "image": structs,
        "emotion": [*range(7)] * 2,
        "usage": ["Training"] * 7 + ["PublicTest"] * 7,
    }
    path = write_parquet(tmp_path / "fer2013.parquet", columns)
    check_published_rows(path)
    assert load(path).names[:2].tolist() == ["0.png", "1.png"]


def test_class_names_of_hugging_face_are_used(tmp_path: Path) -> None:
    columns = {"image": images(3), "label": [2, 0, 1]}
    names = ["sad", "happy", "anger"]
    path = write_parquet(tmp_path / "a.parquet", columns, hugging_face(names))
    dataset = load(path)
    assert dataset.classes == ("angry", "happy", "sad")
    assert dataset.labels.tolist() == [0, 2, 1]


def test_labels_may_be_names(tmp_path: Path) -> None:
    columns = {"img": images(2), "labels": pa.array(["happy", "sad"]).dictionary_encode()}
    assert load(write_parquet(tmp_path / "a.parquet", columns)).classes == ("happy", "sad")


@pytest.mark.parametrize(
    "names",
    [
        ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test-00000-of-1.parquet"),
        ("default/train/0000.parquet", "default/train/0001.parquet", "default/test/0000.parquet"),
    ],
    ids=["names", "folders"],
)
@pytest.mark.parametrize("pack", [write_folder, write_zip])
def test_parquet_files_are_split_by_their_names(
    tmp_path: Path, names: tuple[str, ...], pack: Callable[..., Path]
) -> None:
    files = {}
    for seed, name in enumerate(names):
        part = write_parquet(tmp_path / "part.parquet", {"image": [png(seed)], "label": [seed]})
        files[name] = part.read_bytes()
    dataset = load(pack(tmp_path / ("faces.zip" if pack is write_zip else "faces"), files))
    assert sorted(dataset.splits) == ["test", "train", "train"]
    test = dataset.split("test")
    assert (test.images[0] == draw(2)).all()
    assert test.labels.tolist() == [dataset.classes.index("fearful")]
    assert len(set(dataset.names)) == 3


def test_images_of_a_parquet_file_are_converted(tmp_path: Path) -> None:
    photo = encode(Image.new("RGB", (90, 60), "red"), "jpeg")
    dataset = load(write_parquet(tmp_path / "a.parquet", {"image": [photo], "label": [3]}))
    assert dataset.notes == (
        "Images converted from colour to gray: 1.",
        "Images cut to a centred square and resized to 48 x 48 pixels: 1.",
    )


@pytest.mark.parametrize(
    ("columns", "metadata", "reason"),
    [
        ({"label": [1]}, None, "has no column 'image'"),
        ({"image": [png()]}, None, "has no column 'emotion'"),
        ({"image": [png()], "label": [7]}, None, "row 1 .* label '7'"),
        ({"image": [png()], "label": [-1]}, None, "row 1 .* label '-1'"),
        ({"image": [png()], "label": [None]}, None, "row 1 .* label ''"),
        ({"image": [png()], "label": [2]}, hugging_face(["a", "b"]), "label 2, expected 0 to 1"),
        ({"image": [png(), None], "label": [1, 1]}, None, "row 2 .* no image bytes"),
        ({"image": [{"bytes": None, "path": "a.png"}], "label": [1]}, None, "no image bytes"),
        ({"image": ["a.png"], "label": [1]}, None, "no image bytes but str"),
        ({"image": [b"text"], "label": [1]}, None, "row 1 .* is not an image"),
        ({"image": [png()[:500]], "label": [1]}, None, "row 1 .* is a damaged image"),
        ({"image": [png()], "label": [1], "split": ["x"]}, None, "row 1 .* usage 'x'"),
        ({"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())}, None, "no image"),
    ],
)
def test_an_unusable_parquet_file_is_refused(
    tmp_path: Path, columns: dict[str, Any], metadata: dict[str, str] | None, reason: str
) -> None:
    assert re.search(reason, refused(write_parquet(tmp_path / "a.parquet", columns, metadata)))


@pytest.mark.parametrize("length", [0, 3, 100, -1, -9])
def test_a_truncated_parquet_file_is_refused(tmp_path: Path, length: int) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"image": images(3), "label": [1, 2, 3]})
    path.write_bytes(path.read_bytes()[:length])
    assert "is not a complete Parquet file" in refused(path)


@pytest.mark.parametrize(
    ("healthy", "damaged"),
    [(b"PAR1", b"PAR\xff"), (b"image", b"im\xffge"), (b"\x89PNG", b"\x00\x00\x00\x00")],
    ids=["signature", "column name", "image"],
)
def test_a_damaged_parquet_file_is_refused(tmp_path: Path, healthy: bytes, damaged: bytes) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"image": images(3), "label": [1, 2, 3]})
    content = path.read_bytes()
    path.write_bytes(content.replace(healthy, damaged))
    assert path.read_bytes() != content
    refused(path)


def test_without_pyarrow_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"image": images(1), "label": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'ferboost[train]'" in refused(path)
