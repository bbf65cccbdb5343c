import csv
import errno
import os
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from samples import draw, load

from ferboost.datasets import FaceDataset
from ferboost.datasets.writing import write_dataset
from ferboost.emotions import EMOTIONS
from ferboost.errors import DataError, FerboostError, SettingsError, StorageError
from limits import largest_file

FORMS = ("faces", "faces.zip", "faces.csv", "faces.parquet")


def faces(
    classes: Sequence[str] = EMOTIONS, names: Sequence[str] | None = None, count: int = 42
) -> FaceDataset:
    """Return a data set with images of every class in every split."""
    numbers = np.arange(count)
    return FaceDataset(
        images=np.stack([draw(seed) for seed in range(count)]),
        labels=numbers % len(classes),
        splits=np.array([("train", "train", "test", "validation")[i // 7 % 4] for i in numbers]),
        names=np.array(names or [f"train/x/fer{i:07d}.png" for i in numbers]),
        classes=tuple(classes),
        source="made up",
    )


def content(dataset: FaceDataset) -> list[tuple[bytes, str, str]]:
    return sorted(
        (image.tobytes(), dataset.classes[label], str(split))
        for image, label, split in zip(dataset.images, dataset.labels, dataset.splits, strict=True)
    )


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "classes",
    [
        EMOTIONS,
        ("angry", "neutral"),
        ("awake", "yawning"),
        ("happy", "meh, or so"),
        ("радость", "x"),
    ],
    ids=lambda names: names[-1],
)
def test_what_is_written_is_read_back(tmp_path: Path, form: str, classes: Sequence[str]) -> None:
    dataset = faces(classes)
    write_dataset(dataset, tmp_path / form)
    again = load(tmp_path / form)
    assert content(again) == content(dataset)
    assert set(again.classes) == set(classes)
    assert not again.notes
    assert everything_in(tmp_path)[0] == form


@pytest.mark.parametrize("form", FORMS)
def test_the_order_and_classes_of_emotions_are_kept(tmp_path: Path, form: str) -> None:
    dataset = load_sorted(faces())
    write_dataset(dataset, tmp_path / form)
    again = load(tmp_path / form)
    assert again.classes == EMOTIONS
    assert (again.images == dataset.images).all()
    assert (again.labels == dataset.labels).all()
    assert (again.splits == dataset.splits).all()
    assert again.fingerprint == dataset.fingerprint


def load_sorted(dataset: FaceDataset) -> FaceDataset:
    """Return the images in the order in which a folder of them is read."""
    paths = [
        f"{split}/{dataset.classes[label]}/{name}"
        for split, label, name in zip(dataset.splits, dataset.labels, dataset.names, strict=True)
    ]
    return dataset.select(np.argsort(paths))


@pytest.mark.parametrize("form", FORMS[1:])
def test_the_same_data_gives_the_same_bytes(tmp_path: Path, form: str) -> None:
    (tmp_path / "again").mkdir()
    for folder in (tmp_path, tmp_path / "again"):
        write_dataset(faces(), folder / form)
    assert (tmp_path / form).read_bytes() == (tmp_path / "again" / form).read_bytes()


def test_a_zip_is_laid_out_as_published(tmp_path: Path) -> None:
    write_dataset(faces(), tmp_path / "faces.zip")
    with zipfile.ZipFile(tmp_path / "faces.zip") as archive:
        infos = archive.infolist()
    names = [info.filename for info in infos]
    assert names == sorted(names)
    assert "test/angry/fer0000014.png" in names
    assert all(info.compress_type == zipfile.ZIP_STORED for info in infos)


def test_a_csv_is_laid_out_as_published(tmp_path: Path) -> None:
    dataset = faces()
    write_dataset(dataset, tmp_path / "faces.csv")
    with (tmp_path / "faces.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["emotion", "pixels", "Usage"]
    assert {row[2] for row in rows} == {"Training", "PublicTest", "Validation"}
    assert [row[0] for row in rows[:7]] == ["0", "1", "2", "3", "6", "4", "5"]  # as EMOTIONS
    assert rows[0][1] == " ".join(map(str, dataset.images[0].ravel()))


def test_parquet_is_laid_out_as_hugging_face_has_it(tmp_path: Path) -> None:
    write_dataset(faces(), tmp_path / "faces.parquet")
    table = pq.read_table(tmp_path / "faces.parquet")
    assert table.column_names == ["image", "label", "split"]
    first = table.slice(0, 1).to_pylist()[0]
    assert first["image"]["path"] == "fer0000000.png"
    assert first["image"]["bytes"].startswith(b"\x89PNG")
    assert b'"ClassLabel"' in table.schema.metadata[b"huggingface"]


@pytest.mark.parametrize(
    "names",
    [
        ["a/1.png"] * 42,
        [f"{i}/same.png" for i in range(42)],
        ["a.png", "A.png", *(f"{i}.png" for i in range(40))],
        ["", *(f"{i}.png" for i in range(41))],
        [".hidden.png", *(f"{i}.png" for i in range(41))],
        ["a:b\\c.png", *(f"{i}.png" for i in range(41))],
        ["x" * 300 + ".png", *(f"{i}.png" for i in range(41))],
    ],
    ids=["equal", "same basename", "case", "empty", "hidden", "windows", "long"],
)
def test_images_without_names_of_their_own_are_numbered(tmp_path: Path, names: list[str]) -> None:
    dataset = faces(names=names)
    write_dataset(dataset, tmp_path / "faces")
    again = load(tmp_path / "faces")
    assert content(again) == content(dataset)
    assert "train/angry/0000000.png" in again.names


def test_a_jpeg_becomes_a_png(tmp_path: Path) -> None:
    write_dataset(faces(names=[f"holiday {i}.jpg" for i in range(42)]), tmp_path / "faces")
    assert (tmp_path / "faces/train/angry/holiday 0.png").is_file()


@pytest.mark.parametrize("form", FORMS)
def test_progress_ends_at_the_number_of_images(tmp_path: Path, form: str) -> None:
    told: list[tuple[int, int]] = []
    write_dataset(faces(), tmp_path / form, lambda *done: told.append(done))
    assert told == sorted(told)
    assert told[-1] == (42, 42)


def test_parent_folders_are_made(tmp_path: Path) -> None:
    for form in FORMS:
        write_dataset(faces(), tmp_path / "a" / "b" / form)
    assert sorted(path.name for path in (tmp_path / "a/b").iterdir()) == sorted(FORMS)


@pytest.mark.parametrize("name", ["faces", "faces.v2"])
def test_an_empty_folder_is_filled(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    write_dataset(faces(), tmp_path / name)
    assert len(load(tmp_path / name)) == 42


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_overwritten(tmp_path: Path, form: str) -> None:
    path = tmp_path / form
    if form == "faces":
        path.mkdir()
        (path / "mine.txt").write_text("mine")
    else:
        path.write_text("mine")
    with pytest.raises(SettingsError, match="exists already"):
        write_dataset(faces(), path)
    assert (path / "mine.txt" if path.is_dir() else path).read_text() == "mine"


def test_a_broken_link_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "faces.zip").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="exists already"):
        write_dataset(faces(), tmp_path / "faces.zip")


@pytest.mark.parametrize("name", ["faces.txt", "faces.tar.gz", "faces.npz"])
def test_another_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"expected .zip, .csv, .parquet, or none"):
        write_dataset(faces(), tmp_path / name)
    assert everything_in(tmp_path) == []


def test_a_data_set_without_images_is_refused(tmp_path: Path) -> None:
    empty = faces().select(np.zeros(42, bool))
    with pytest.raises(DataError, match="made up holds no images"):
        write_dataset(empty, tmp_path / "faces.zip")


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("faces", "a/b"),
        ("faces", ".."),
        ("faces", ".hidden"),
        ("faces.zip", "test"),
        ("faces.zip", "a\nb"),
        ("faces.csv", "3"),
        ("faces.csv", "12"),
        ("faces.csv", " padded "),
    ],
)
def test_a_class_that_would_not_be_read_back_is_refused(
    tmp_path: Path, form: str, name: str
) -> None:
    with pytest.raises(FerboostError, match="would not be read back") as caught:
        write_dataset(faces(("awake", name)), tmp_path / form)
    assert str(caught.value).isprintable()
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "rename" if form == "faces" else "replace", refuse)
    with pytest.raises(StorageError, match=f"{form}: the disk is full"):
        write_dataset(faces(), tmp_path / form)
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_refusal_amid_writing_leaves_nothing_behind(tmp_path: Path, form: str) -> None:
    with (
        pytest.raises(StorageError, match=f"{form}: the file size limit is reached"),
        largest_file(2000),
    ):
        write_dataset(faces(), tmp_path / form)
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_place_below_a_file_is_refused(tmp_path: Path, form: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match=r"cannot write .* is a file, not a folder"):
        write_dataset(faces(), tmp_path / "file" / form)
    assert everything_in(tmp_path) == ["file"]


@pytest.mark.parametrize("form", FORMS)
def test_an_interruption_leaves_nothing_behind(tmp_path: Path, form: str) -> None:
    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(faces(), tmp_path / form, interrupt)
    assert everything_in(tmp_path) == []


def test_votes_are_not_written(tmp_path: Path) -> None:
    voted = replace(faces(), votes=np.ones((42, 10), np.uint8))
    write_dataset(voted, tmp_path / "faces.zip")
    assert load(tmp_path / "faces.zip").votes is None
