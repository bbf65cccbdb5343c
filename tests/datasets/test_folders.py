import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import ExifTags, Image
from samples import draw, encode, load, named, png, published, refused, write_folder, write_zip

from ferboost.datasets import folders, load_dataset
from ferboost.datasets.folders import parse_folders
from ferboost.emotions import EMOTIONS, FER2013_ORDER

Pack = Callable[[Mapping[str, bytes]], Path]


@pytest.fixture(params=["folder", "zip"])
def pack(request: pytest.FixtureRequest, tmp_path: Path) -> Pack:
    """Return what writes files to a folder or a zip: both must read the same."""
    if request.param == "folder":
        return lambda files: write_folder(tmp_path / "faces", files)
    return lambda files: write_zip(tmp_path / "faces.zip", files)


def test_the_published_folders_are_read(pack: Pack) -> None:
    files = published()
    dataset = load(pack(files))
    assert dataset.classes == EMOTIONS
    assert dataset.counts("train").tolist() == [2] * 7
    assert dataset.counts("test").tolist() == [1] * 7
    assert dataset.names.tolist() == sorted(files)
    seeds = {path: seed for seed, path in enumerate(files)}
    for name, image in zip(dataset.names, dataset.images, strict=True):
        assert (image == draw(seeds[str(name)])).all()
    assert not dataset.notes


@pytest.mark.parametrize(
    "classes",
    [
        ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
        ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
        ("0_angry", "1_disgusted", "2_fearful", "3_happy", "4_neutral", "5_sad", "6_surprised"),
        ("ANGRY", "Disgusted", "Fear", "HAPPY", "Neutral", "Sad", "Surprise"),
    ],
    ids=lambda names: names[0],
)
def test_other_names_of_the_emotions_are_read(pack: Pack, classes: tuple[str, ...]) -> None:
    dataset = load(pack(published(classes)))
    assert dataset.classes == EMOTIONS
    meaning = dict(zip(classes, EMOTIONS, strict=True))
    for name, emotion in named(dataset).items():
        assert meaning[PurePosixPath(name).parts[1]] == emotion


def test_train_and_test_may_name_the_emotions_differently(pack: Pack) -> None:
    train = {k: v for k, v in published().items() if k.startswith("train")}
    test = published(("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"))
    test = {k: v for k, v in test.items() if k.startswith("test")}
    dataset = load(pack(train | test))
    assert dataset.counts("train").tolist() == [2] * 7
    assert dataset.counts("test").tolist() == [1] * 7


def test_numbered_folders_are_in_the_order_of_fer2013(pack: Pack) -> None:
    dataset = load(pack(published([str(i) for i in range(7)])))
    for name, emotion in named(dataset).items():
        assert FER2013_ORDER[int(PurePosixPath(name).parts[1])] == emotion


@pytest.mark.parametrize("prefix", ["fer2013/", "archive/data/images/"])
def test_deeper_folders_do_not_matter(pack: Pack, prefix: str) -> None:
    dataset = load(pack(published(prefix=prefix)))
    assert dataset.classes == EMOTIONS
    assert (dataset.splits == "train").sum() == 14


def test_folders_below_the_class_do_not_matter(pack: Pack) -> None:
    dataset = load(pack({"train/happy/ann/1.png": png(1), "train/sad/bob/2.png": png(2)}))
    assert dataset.classes == ("happy", "sad")


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("val", "validation"),
        ("valid", "validation"),
        ("validation", "validation"),
        ("test", "test"),
        ("PublicTest", "test"),
        ("private_test", "test"),
    ],
)
def test_published_names_of_splits_are_known(folder: str, split: str) -> None:
    assert parse_folders(PurePosixPath(folder, "happy", "1.png")) == (split, "happy")


def test_without_split_folders_all_images_are_for_training(pack: Pack) -> None:
    dataset = load(pack({"happy/1.png": png(1), "sad/2.png": png(2)}))
    assert dataset.splits.tolist() == ["train", "train"]


def test_the_class_may_stand_above_the_split(pack: Pack) -> None:
    dataset = load(pack({"happy/train/1.png": png(1), "sad/test/2.png": png(2)}))
    assert dataset.splits.tolist() == ["train", "test"]
    assert dataset.classes == ("happy", "sad")


def test_a_test_folder_alone_is_read(pack: Pack) -> None:
    dataset = load(pack({"test/happy/1.png": png(1), "test/sad/2.png": png(2)}))
    assert dataset.splits.tolist() == ["test", "test"]


def test_classes_that_are_no_emotions_keep_their_names(pack: Pack) -> None:
    dataset = load(pack({"train/yawning/1.png": png(1), "train/awake/2.png": png(2)}))
    assert dataset.classes == ("awake", "yawning")
    assert dataset.labels.tolist() == [0, 1]


def test_a_few_emotions_are_in_the_order_of_all(pack: Pack) -> None:
    assert load(pack({"surprise/1.png": png(), "anger/2.png": png()})).classes == (
        "angry",
        "surprised",
    )


def test_names_in_any_script_are_read(pack: Pack) -> None:
    dataset = load(pack({"train/радость/лицо.png": png(1), "train/悲しい/顔.png": png(2)}))
    assert set(dataset.classes) == {"радость", "悲しい"}


def test_a_users_own_pictures_are_converted_and_the_notes_say_so(pack: Pack) -> None:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 90, 3), np.uint8))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    files = {
        "happy/photo.JPG": encode(photo, "jpeg"),
        "happy/turned.jpeg": encode(photo, "jpeg", exif=exif),
        "happy/see through.png": encode(Image.new("RGBA", (48, 48))),
        "sad/palette.gif": encode(photo.quantize(8), "gif"),
        "sad/deep.png": encode(Image.fromarray(np.zeros((48, 48), np.uint16))),
    }
    dataset = load(pack(files))
    assert dataset.images.shape == (5, 48, 48)
    assert dataset.notes == (
        "Images turned upright, as their EXIF data says: 1.",
        "Images converted from colour to gray: 4.",
        "Images laid on white where they were transparent: 1.",
        "Images converted from 16 or 32 bits to 8: 1.",
        "Images cut to a centred square and resized to 48 x 48 pixels: 3.",
    )


def test_other_files_are_left_out_and_the_notes_say_so(pack: Pack) -> None:
    others = {"README.md": b"x", "train/happy/Thumbs.db": b"x", "votes.csv": b"x", "z.txt": b"x"}
    dataset = load(pack(published() | others))
    assert len(dataset) == 21
    assert dataset.notes == (
        "Files of other kinds, left out: 4 (README.md, train/happy/Thumbs.db, votes.csv, ...).",
    )


def test_hidden_files_and_those_of_macos_are_not_there(pack: Pack) -> None:
    hidden = {
        ".DS_Store": b"x",
        "train/happy/._face.png": b"x",
        "__MACOSX/train/happy/face.png": b"x",
        ".thumbnails/train/happy/face.png": b"x",
    }
    dataset = load(pack(published() | hidden))
    assert len(dataset) == 21
    assert not dataset.notes


def test_the_order_is_that_of_the_paths(tmp_path: Path) -> None:
    files = published()
    backwards = dict(reversed(files.items()))
    as_folder = load(write_folder(tmp_path / "faces", files))
    as_zip = load(write_zip(tmp_path / "faces.zip", backwards))
    assert as_folder.names.tolist() == as_zip.names.tolist()
    assert as_folder.fingerprint == as_zip.fingerprint
    assert (as_folder.images == as_zip.images).all()


def test_progress_is_told_for_every_image(pack: Pack) -> None:
    told: list[tuple[int, int]] = []
    load_dataset(pack(published()), on_progress=lambda *done: told.append(done), cache=False)
    assert told == [(done, 21) for done in range(1, 22)]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "holds no images"),
        ({"README.md": b"x"}, "holds no images"),
        ({"train/happy/a.png": b"a text"}, "train/happy/a.png .* is not an image"),
        ({"train/happy/a.png": b""}, "train/happy/a.png .* is an empty file"),
        ({"train/happy/a.png": png()[:900]}, "train/happy/a.png .* is a damaged image"),
        ({"loose.png": png(), "happy/1.png": png()}, "loose.png .* is in no class folder"),
        ({"train/loose.png": png()}, "train/loose.png .* is in no class folder"),
        (
            published() | {"train/contempt/1.png": png(), "test/contempt/2.png": png()},
            "seven emotions and the unknown label 'contempt' .2 images.",
        ),
        (published() | {"train/angry2/1.png": png()}, "unknown label 'angry2'"),
    ],
)
def test_unusable_folders_are_refused(pack: Pack, files: dict[str, bytes], reason: str) -> None:
    assert re.search(reason, refused(pack(files)))


@pytest.mark.parametrize("empty", ["train/fear/", "test/2_fear/"])
def test_an_empty_class_folder_is_refused(pack: Pack, empty: str) -> None:
    files = published() | {empty: b""}
    assert f"class folder {empty.rstrip('/')} " in refused(pack(files))


def test_a_class_folder_without_images_is_refused(pack: Pack) -> None:
    files = published(EMOTIONS[1:]) | {"train/angry/notes.txt": b"x"}
    assert "class folder train/angry " in refused(pack(files))


def test_an_empty_split_folder_and_a_folder_of_texts_do_no_harm(pack: Pack) -> None:
    files = {"happy/1.png": png(1), "sad/2.png": png(2), "test/": b"", "docs/readme.txt": b"x"}
    assert len(load(pack(files))) == 2


def test_a_huge_file_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "MAX_IMAGE_BYTES", 1000)
    assert "at most 1,000" in refused(write_folder(tmp_path / "faces", {"happy/1.png": png()}))
