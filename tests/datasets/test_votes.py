from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from samples import csv_bytes, load, published_rows

from ferboost.datasets import FaceDataset
from ferboost.datasets.tables import row_name
from ferboost.datasets.votes import (
    VoteTable,
    join_votes,
    majority_labels,
    read_votes,
    soft_labels,
)
from ferboost.emotions import EMOTIONS, FERPLUS_COLUMNS
from ferboost.errors import DataError

COLUMNS = list(FERPLUS_COLUMNS)
HEADER = "Usage,Image name," + ",".join(COLUMNS)


def votes(**counts: int) -> list[int]:
    return [counts.get(column, 0) for column in COLUMNS]


def faces(labels: Sequence[str], rows: Sequence[Sequence[int]] | None = None) -> FaceDataset:
    return FaceDataset(
        images=np.zeros((len(labels), 48, 48), np.uint8),
        labels=np.array([EMOTIONS.index(label) for label in labels]),
        splits=np.array(["train"] * len(labels)),
        names=np.array([f"train/{label}/fer{i}.png" for i, label in enumerate(labels)]),
        classes=EMOTIONS,
        source="faces.zip",
        votes=None if rows is None else np.array(rows, dtype=np.uint8),
    )


def write(path: Path, rows: Sequence[Sequence[object]], header: str = HEADER) -> Path:
    path.write_bytes(csv_bytes([[str(cell) for cell in row] for row in rows], header))
    return path


def table(*rows: tuple[str, list[int]]) -> VoteTable:
    return VoteTable(
        tuple(name for name, _ in rows), np.array([row for _, row in rows], dtype=np.uint8)
    )


def test_a_table_is_read(tmp_path: Path) -> None:
    rows = [("Training", "fer0.png", *votes(anger=7, NF=3)), ("Training", "", *votes(fear=10))]
    read = read_votes(write(tmp_path / "votes.csv", rows))
    assert read.names == ("fer0.png", "")
    assert read.votes.tolist() == [votes(anger=7, NF=3), votes(fear=10)]


def test_an_empty_line_at_the_end_does_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path / "votes.csv", [("Training", "fer0.png", *votes(anger=7))])
    path.write_bytes(path.read_bytes() + b"\n")
    assert len(read_votes(path).names) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has no column 'Image name'"),
        (b"emotion,pixels,Usage\n", "has no column 'Image name'"),
        (HEADER.replace(",fear", "").encode(), "has no column 'fear'"),
        (HEADER.encode(), "holds no votes"),
        (f"{HEADER}\nTraining,a.png,1\n".encode(), "line 2 .* has 3 columns, expected 12"),
        (f"{HEADER}\nTraining,a.png{',x' * 10}\n".encode(), "line 2 .* not whole numbers"),
        (f"{HEADER}\nTraining,a.png{',-1' * 10}\n".encode(), "line 2 .* not whole numbers"),
        (f"{HEADER}\nTraining,a.png{',256' * 10}\n".encode(), "line 2 .* from 0 to 255"),
        (f"{HEADER}\nTraining,a.png{',' * 10}\n".encode(), "line 2 .* not whole numbers"),
        (b"\x89PNG\xff\x00", "cannot be read as a CSV file"),
    ],
)
def test_an_unusable_table_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "votes.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        read_votes(path)
    assert str(caught.value).isprintable()


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file of votes"):
        read_votes(tmp_path / "votes.csv")


def test_votes_are_joined_by_file_name(tmp_path: Path) -> None:
    joined = join_votes(
        faces(["happy", "sad", "angry"]),
        table(
            ("fer1.png", votes(sadness=9)), ("", votes(fear=9)), ("fer0.png", votes(happiness=8))
        ),
    )
    assert joined.votes is not None
    assert joined.votes.tolist() == [votes(happiness=8), votes(sadness=9), votes()]


def test_rows_of_a_csv_are_joined_by_their_number(tmp_path: Path) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_bytes(csv_bytes(published_rows()))
    dataset = load(path)
    columns = {emotion: column for column, emotion in FERPLUS_COLUMNS.items()}
    rows = [("", votes(**{columns[EMOTIONS[label]]: 10})) for label in dataset.labels]
    joined = join_votes(dataset, table(*rows))
    assert majority_labels(joined).tolist() == dataset.labels.tolist()
    with pytest.raises(DataError, match=r"no image of .* is named in the votes"):
        join_votes(dataset, table(*rows[1:]))


def of_rows(numbers: Sequence[int], labels: NDArray[np.int64]) -> FaceDataset:
    dataset = faces([EMOTIONS[label] for label in labels])
    return replace(dataset, names=np.array([row_name(number) for number in numbers]))


def test_rows_may_be_left_out_at_the_end_of_a_csv_alone() -> None:
    labels = np.random.default_rng(0).integers(0, 7, 1000)
    columns = {emotion: column for column, emotion in FERPLUS_COLUMNS.items()}
    every = table(*(("", votes(**{columns[EMOTIONS[label]]: 10})) for label in labels))
    shorter = join_votes(of_rows(range(800), labels[:800]), every)
    assert majority_labels(shorter).tolist() == labels[:800].tolist()
    holed = np.delete(labels, 700)
    with pytest.raises(
        DataError, match=r"from row-0000\d* to row-0000998 of faces.zip: rows are m"
    ):
        join_votes(of_rows(range(999), holed), every)


def test_rows_of_several_tables_are_not_joined_by_their_number() -> None:
    dataset = faces(["happy", "sad"])
    names = np.array(["test.csv/row-0000000", "train.csv/row-0000000"])
    rows = table(("", votes(happiness=9)), ("", votes(sadness=9)))
    with pytest.raises(DataError, match=r"no image of .* is named in the votes"):
        join_votes(replace(dataset, names=names), rows)


def test_votes_of_other_images_are_refused() -> None:
    rows = [(f"fer{i}.png", votes(happiness=9)) for i in range(3)]
    with pytest.raises(DataError, match=r"agree with 0% of the labels of faces.zip"):
        join_votes(faces(["sad", "sad", "sad"]), table(*rows))


def test_votes_of_other_names_are_refused() -> None:
    with pytest.raises(DataError, match=r"no image of faces.zip is named in the votes"):
        join_votes(faces(["sad"]), table(("other.png", votes(sadness=9)), ("b", votes())))


def test_votes_are_of_emotions_only() -> None:
    dataset = replace(faces(["sad"]), classes=("awake",), labels=np.array([0]))
    with pytest.raises(DataError, match=r"faces.zip has 'awake'"):
        join_votes(dataset, table(("fer0.png", votes(sadness=9))))


def test_a_majority_is_more_than_every_other_column() -> None:
    rows = [
        votes(happiness=6, neutral=4),
        votes(happiness=5, neutral=5),
        votes(happiness=4, contempt=6),
        votes(happiness=4, unknown=4, NF=2),
        votes(NF=10),
        votes(),
        votes(anger=255),
    ]
    happy, angry = EMOTIONS.index("happy"), EMOTIONS.index("angry")
    labels = majority_labels(faces(["happy"] * 7, rows))
    assert labels.tolist() == [happy, -1, -1, -1, -1, -1, angry]


def test_soft_labels_are_shares_of_the_votes_for_classes() -> None:
    rows = [votes(happiness=6, neutral=2, contempt=1, NF=1), votes(unknown=10), votes()]
    soft = soft_labels(faces(["happy"] * 3, rows))
    assert soft[0, EMOTIONS.index("happy")] == pytest.approx(0.75)
    assert soft[0, EMOTIONS.index("neutral")] == pytest.approx(0.25)
    assert soft.sum(axis=1).tolist() == pytest.approx([1, 0, 0])


@pytest.mark.parametrize("function", [soft_labels, majority_labels])
def test_without_votes_there_are_no_labels(function: type) -> None:
    with pytest.raises(DataError, match="has no votes"):
        function(faces(["happy"]))


def test_selected_images_keep_their_votes() -> None:
    dataset = faces(["happy", "sad"], [votes(happiness=9), votes(sadness=9)])
    picked = dataset.select(np.array([1]))
    assert picked.votes is not None
    assert picked.votes.tolist() == [votes(sadness=9)]


def test_fer_plus_agrees_with_two_thirds_of_fer2013(fer2013: FaceDataset, real_data: Path) -> None:
    train = fer2013.split("train")
    joined = join_votes(train, read_votes(real_data / "fer2013new.csv"))
    majority = majority_labels(joined)
    decided = majority >= 0
    assert 26_000 < decided.sum() < 28_000
    assert 0.6 < (majority == train.labels)[decided].mean() < 0.7
    assert soft_labels(joined).sum(axis=1).max() == pytest.approx(1)
