"""``ferboost data info``, ``check``, ``convert`` and ``generate``."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from shell import Trained, ferboost

from ferboost.datasets import FaceDataset, load_dataset
from ferboost.datasets.audit import Audit, Finding, audit
from ferboost.datasets.doubts import join_doubts
from ferboost.datasets.images import encode_png
from ferboost.emotions import EMOTIONS, FERPLUS_COLUMNS


def test_info_counts_the_images_of_each_class_and_split(trained: Trained) -> None:
    outcome = ferboost("data", "info", trained.faces)
    assert (outcome.code, outcome.err) == (0, "")
    title, _, header, _, *rows = outcome.out.splitlines()
    assert title == f"{trained.faces}: 168 images"
    assert header.split() == ["class", "train", "test"]
    assert [row.split()[0] for row in rows[:8]] == [*EMOTIONS, "all"]
    assert sum(int(count) for count in rows[7].split()[1:]) == 168


def test_info_as_json_has_the_fingerprint(trained: Trained) -> None:
    result = json.loads(ferboost("data", "info", trained.faces, "--json").out)
    assert result["fingerprint"] == load_dataset(trained.faces).fingerprint
    assert result["images"] == sum(map(sum, result["counts"].values())) == 168


def test_info_draws_the_distribution_and_samples(trained: Trained) -> None:
    outcome = ferboost("data", "info", trained.faces, "--out", "figures/new")
    assert outcome.code == 0
    for name in ("class-distribution.png", "samples.png"):
        assert f"drew figures/new/{name}\n" in outcome.out
        with Image.open(Path("figures/new") / name) as figure:
            assert min(figure.size) > 300


def test_info_says_how_far_votes_agree_with_the_labels(trained: Trained) -> None:
    faces = load_dataset(trained.faces)
    emotions = list(FERPLUS_COLUMNS.values())
    rows = [",".join(("Usage", "Image name", *FERPLUS_COLUMNS))]
    for name, label in zip(faces.names, faces.labels, strict=True):
        voted = emotions.index(faces.classes[label])
        counts = ["10" if i == voted else "0" for i in range(len(emotions))]
        rows.append(",".join(("Training", Path(str(name)).name, *counts)))
    Path("votes.csv").write_text("\n".join(rows) + "\n")
    outcome = ferboost("data", "info", trained.faces, "--votes", "votes.csv")
    assert (
        "168 images have FER+ votes, 168 of them a clear majority, which is the label in 100.0%."
    ) in outcome.out


def test_check_of_good_data_succeeds(trained: Trained) -> None:
    outcome = ferboost("data", "check", trained.faces)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("train\n\nclass")
    assert outcome.out.endswith("\nNothing wrong was found.\n")


def test_check_names_what_it_found(trained: Trained) -> None:
    face = encode_png(load_dataset(trained.faces).images[0])
    for folder in ("train/happy", "train/sad", "test/happy", "test/sad"):
        Path("faces", folder).mkdir(parents=True)
        Path("faces", folder, "a.png").write_bytes(face)
    outcome = ferboost("data", "check", "faces")
    assert (outcome.code, outcome.err) == (0, "")
    assert "\nwarning: " in outcome.out
    assert "test/happy/a.png" in outcome.out


def test_check_draws_and_lists_the_worst(trained: Trained) -> None:
    faces = load_dataset(trained.faces)
    for split, label in (("train", "happy"), ("train", "sad"), ("test", "happy"), ("test", "sad")):
        for number in range(3):
            target = Path("faces", split, label, f"{label}-{split}-{number}.png")
            target.parent.mkdir(parents=True, exist_ok=True)
            drawn = (number + 1) * (1 if label == "happy" else 7) + 40 * (split == "test")
            target.write_bytes(encode_png(faces.images[0 if number == 2 else drawn]))
    Path("doubts.csv").write_text("image,suggested\nhappy-train-0.png,sad\nhappy-test-1.png,\n")
    options = ("--doubts", "doubts.csv", "--sheet", "worst.png", "--count", "2")
    outcome = ferboost("data", "check", "faces", *options, "--list", "new/again.csv")
    assert (outcome.code, outcome.err) == (0, "")
    assert "worst.png: 2 of 6 images to look at\n" in outcome.out
    assert outcome.out.endswith("new/again.csv: 6 of 6 images to look at\n")
    with Image.open("worst.png") as sheet:
        assert sheet.width > 1000
    with Path("new/again.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["why"] for row in rows] == ["two labels"] * 4 + ["doubted"] * 2
    doubted = {row["image"]: (row["label"], row["suggested"]) for row in rows[4:]}
    assert doubted["train/happy/happy-train-0.png"] == ("happy", "sad")
    assert doubted["test/happy/happy-test-1.png"][0] == "happy"
    again = join_doubts(load_dataset("faces"), Path("new/again.csv"))
    assert again.doubted.sum() == 3  # of the training images
    Path("new/again.csv").write_text("edited")
    outcome = ferboost("data", "check", "faces", *options, "--list", "new/again.csv")
    assert (outcome.code, outcome.out) == (2, "")
    assert "new/again.csv exists already and may have been edited" in outcome.err
    assert Path("new/again.csv").read_text() == "edited"
    outcome = ferboost("data", "check", "faces", *options, "--list", "new/again.csv", "--force")
    assert outcome.code == 0
    assert Path("new/again.csv").read_text() != "edited"


def test_check_of_good_data_has_nothing_to_draw(trained: Trained) -> None:
    outcome = ferboost("data", "check", trained.faces, "--sheet", "worst.png")
    assert outcome.code == 0
    assert outcome.out.endswith("There is no image to look at.\n")
    assert not Path("worst.png").exists()
    outcome = ferboost("data", "check", trained.faces, "--doubts", "gone.csv")
    assert (outcome.code, outcome.out) == (1, "")
    assert "no file gone.csv of doubted labels" in outcome.err


def test_check_fails_where_there_is_an_error(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = Finding("error", "relabelled", "labels are wrong", ("a.png",))

    def find(dataset: FaceDataset) -> Audit:
        return replace(audit(dataset), findings=(finding,))

    monkeypatch.setattr("ferboost.datasets.audit.audit", find)
    outcome = ferboost("data", "check", trained.faces)
    assert (outcome.code, outcome.err) == (1, "")
    assert outcome.out.endswith("\nerror: labels are wrong (a.png)\n")
    outcome = ferboost("data", "check", trained.faces, "--json")
    assert (outcome.code, outcome.err) == (1, "")
    assert json.loads(outcome.out)["findings"][0]["code"] == "relabelled"


@pytest.mark.parametrize("target", ["faces", "faces.csv", "faces.parquet", "other.zip"])
def test_convert_keeps_pixels_labels_and_splits(trained: Trained, target: str) -> None:
    outcome = ferboost("data", "convert", trained.faces, target)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"wrote 168 images to {target}\n"
    assert load_dataset(target).fingerprint == load_dataset(trained.faces).fingerprint


def test_generate_draws_the_same_faces_from_the_same_seed() -> None:
    for name, seed in (("a.zip", 1), ("b.zip", 1), ("c.zip", 2)):
        outcome = ferboost("data", "generate", name, "--count-per-class", 3, "--seed", seed)
        assert (outcome.code, outcome.out) == (0, f"drew 21 faces into {name}\n")
    a, b, c = (load_dataset(name).fingerprint for name in ("a.zip", "b.zip", "c.zip"))
    assert a == b != c
