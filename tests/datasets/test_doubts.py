"""Labels that are doubted, by a table or by votes; training images alone."""

from pathlib import Path

import numpy as np
import pytest

from ferboost.config import DataSettings
from ferboost.datasets import FaceDataset
from ferboost.datasets.doubts import join_doubts, prepare_training
from ferboost.emotions import EMOTIONS, FERPLUS_COLUMNS
from ferboost.errors import DataError

COLUMNS = list(FERPLUS_COLUMNS)
HAPPY, SAD, ANGRY = (EMOTIONS.index(name) for name in ("happy", "sad", "angry"))


def dataset() -> FaceDataset:
    labels = np.array([HAPPY, HAPPY, SAD, SAD, HAPPY])
    splits = np.array(["train", "train", "train", "train", "test"])
    names = [
        f"{s}/{EMOTIONS[y]}/{i}.png" for i, (s, y) in enumerate(zip(splits, labels, strict=True))
    ]
    images = np.arange(5, dtype=np.uint8)[:, None, None] + np.zeros((1, 48, 48), np.uint8)
    return FaceDataset(images, labels, splits, np.array(names), EMOTIONS, "faces.zip")


def write(folder: Path, text: str) -> Path:
    (folder / "doubts.csv").write_text(text)
    return folder / "doubts.csv"


def test_a_table_of_labels_says_how_far_each_is_believed(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "image,split,label,suggested,suspect,label_probability,suggested_probability\n"
        "train/happy/0.png,train,happy,sad,yes,0.1,0.3\n"
        "train/happy/1.png,train,happy,sad,no,0.6,0.3\n"
        "train/sad/2.png,train,sad,angry,yes,0,0.9\n"
        "test/happy/4.png,test,happy,sad,yes,0.1,0.9\n",
    )
    joined = join_doubts(dataset(), path)
    assert joined.beliefs is not None
    assert joined.doubted.tolist() == [True, False, True, False, False]  # never a test image
    assert joined.beliefs[0, [HAPPY, SAD]] == pytest.approx([0.25, 0.75])
    assert joined.beliefs[2, [SAD, ANGRY]].tolist() == [0, 1]
    np.testing.assert_allclose(joined.beliefs.sum(axis=1), 1, rtol=1e-6)
    assert joined.notes[-1].endswith("doubts the labels of 2 of 4 training images.")
    assert joined.fingerprint == dataset().fingerprint


def test_a_list_of_names_doubts_them_by_half(tmp_path: Path) -> None:
    joined = join_doubts(dataset(), write(tmp_path, "image,suggested\n3.png,\n1.png,angry\n"))
    assert joined.beliefs is not None
    assert joined.doubted.tolist() == [False, True, False, True, False]
    assert joined.beliefs[1, [HAPPY, ANGRY]].tolist() == [0.5, 0.5]
    assert joined.beliefs[3] == pytest.approx([1 / 12] * 5 + [0.5] + [1 / 12])
    assert EMOTIONS.index("sad") == 5


def test_votes_doubt_what_most_voters_call_otherwise(tmp_path: Path) -> None:
    header = "Usage,Image name," + ",".join(COLUMNS)

    def row(name: str, **votes: int) -> str:
        return f"Training,{name}," + ",".join(str(votes.get(c, 0)) for c in COLUMNS)

    rows = [
        row("0.png", happiness=3, sadness=6, contempt=1),
        row("1.png", happiness=6, sadness=4),
        row("2.png", sadness=5, anger=5),
        row("3.png", sadness=8),
        row("4.png", sadness=10),
    ]
    joined = join_doubts(dataset(), write(tmp_path, "\n".join([header, *rows])))
    assert joined.beliefs is not None
    assert joined.doubted.tolist() == [True, False, False, False, False]
    assert joined.beliefs[0, [HAPPY, SAD]] == pytest.approx([1 / 3, 2 / 3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'image'"),
        ("image\nx.png\n", "doubts no training image of faces.zip; ferboost labels"),
        ("image\n4.png\n", "doubts no training image"),
        ("image\n0.png\n0.png\n", "line 3 .*: 0.png stands there twice"),
        ("image,label\n0.png,sad\n", "labelled sad, and in faces.zip happy"),
        ("image,suspect\n0.png,maybe\n", "'maybe' under suspect; it is yes or no"),
        ("image,suggested\n0.png,happy\n", "suggests 'happy' instead of happy"),
        ("image,suggested\n0.png,bored\n", "suggests 'bored' instead of happy"),
        ("image,label_probability\n0.png,nan\n", "'nan' under label_probability"),
        ("image,label_probability\n0.png,7\n", "a number from 0 to 1"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        join_doubts(dataset(), write(tmp_path, text))


def test_a_missing_file_is_named() -> None:
    settings = DataSettings(doubts="gone.csv", doubted="drop")
    with pytest.raises(DataError, match=r"no file gone.csv of doubted labels"):
        prepare_training(dataset().with_classes(("happy", "sad")), settings, validation=False)


def test_no_class_may_be_dropped_wholly(tmp_path: Path) -> None:
    path = write(tmp_path, "image\n2.png\n3.png\n")
    two = dataset().with_classes(("happy", "sad"))
    for doubted in ("soften", "down-weight"):
        settings = DataSettings.model_validate({"doubts": str(path), "doubted": doubted})
        assert prepare_training(two, settings, validation=False).doubted.sum() == 2
    settings = DataSettings(doubts=str(path), doubted="drop")
    with pytest.raises(DataError, match=r"every training image of the class 'sad'"):
        prepare_training(two, settings, validation=False)


def test_beliefs_follow_the_images_and_the_order_of_the_classes(tmp_path: Path) -> None:
    joined = join_doubts(dataset(), write(tmp_path, "image,suggested\n1.png,sad\n"))
    few = joined.select(np.array([1, 2])).with_classes(("sad", "happy"))
    assert few.beliefs is not None
    assert few.beliefs.tolist() == [[0.5, 0.5], [1, 0]]
    assert few.doubted.tolist() == [True, False]


def taught(*rows: str) -> str:
    columns = ",".join(f"probability of {name}" for name in EMOTIONS)
    return "\n".join((f"image,suspect,{columns}", *rows)) + "\n"


def test_probabilities_count_as_much_as_labels_whatever_is_doubted(tmp_path: Path) -> None:
    shares = ["0.1"] * len(EMOTIONS)
    shares[HAPPY] = "0.4"
    text = taught(f"0.png,no,{','.join(shares)}", f"4.png,yes,{','.join(shares)}")
    joined = join_doubts(dataset(), write(tmp_path, text), distil=True)
    assert joined.beliefs is not None
    assert joined.beliefs[0, HAPPY] == pytest.approx(0.7)
    assert joined.beliefs[0, SAD] == pytest.approx(0.05)
    assert joined.doubted.tolist() == [True, False, False, False, False]  # no row, no belief
    assert "gives probabilities to learn of 1 of 4 training images" in joined.notes[-1]


def test_classes_that_the_data_lacks_are_left_out(tmp_path: Path) -> None:
    columns = ",".join(f"probability of {name}" for name in (*EMOTIONS, "bored"))
    shares = ["0.0"] * len(EMOTIONS)
    shares[HAPPY], shares[SAD] = "0.4", "0.1"
    text = f"image,{columns}\n0.png,{','.join(shares)},0.5\n"
    joined = join_doubts(dataset(), write(tmp_path, text), distil=True)
    assert joined.beliefs is not None
    assert joined.beliefs[0, HAPPY] == pytest.approx(0.9)
    assert joined.beliefs[0, SAD] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,suggested\n1.png,angry\n", "has no column 'probability of angry'"),
        (taught("1.png,no" + ",0.1" * 7), "probabilities of 1.png do not sum to 1"),
        (taught("1.png,no,2" + ",0.1" * 6), "has '2' under probability of angry"),
    ],
)
def test_a_table_without_probabilities_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        join_doubts(dataset(), write(tmp_path, text), distil=True)
