"""``ferboost labels``."""

import csv
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from shell import Trained, ferboost

from ferboost.emotions import EMOTIONS, FERPLUS_COLUMNS


def vote(faces: Path, said: Callable[[int, str], str | None]) -> None:
    """Write votes.csv, in which ten people say the same of a face, or none says anything."""
    columns = tuple(FERPLUS_COLUMNS)
    rows = [("Usage", "Image name", *columns)]
    with zipfile.ZipFile(faces) as archive:
        for place, name in enumerate(sorted(archive.namelist())):
            emotion = said(place, name)
            counts = [10 * (FERPLUS_COLUMNS[column] == emotion) for column in columns]
            rows.append(("Training", Path(name).name, *map(str, counts)))
    Path("votes.csv").write_text("\n".join(map(",".join, rows)))


def test_it_lists_and_draws_what_should_be_looked_at_again(trained: Trained) -> None:
    outcome = ferboost("labels", trained.run, trained.faces, "--count", "10")
    assert (outcome.code, outcome.err) == (0, "")
    assert "labels are suspect" in outcome.out
    with Path("labels/labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["split"] for row in rows} == {"validation", "test"}
    assert all(row["label"] != row["suggested"] and row["suggested"] in EMOTIONS for row in rows)
    with Image.open("labels/sheet.png") as sheet:
        assert sheet.width > 1000
    assert not Path("labels/finder.png").exists()


def test_votes_judge_the_finder_and_say_who_agrees(trained: Trained) -> None:
    vote(trained.faces, lambda place, name: Path(name).parent.name if place % 4 else "happy")
    outcome = ferboost("labels", trained.run, trained.faces, "--votes", "votes.csv", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    found = json.loads(outcome.out)
    finder = found["finder"]["no voter gave the label"]
    assert 0.1 < finder["base_rate"] < 0.35
    assert set(found["agreement"]) == {"all", "validation", "test"}
    assert found["agreement"]["test"]["vote_by_best"] == 1
    assert 0 <= found["agreement"]["all"]["model_with_majority"] <= 1
    assert Path("labels/finder.png").is_file()
    printed = ferboost("labels", trained.run, trained.faces, "--votes", "votes.csv", "--force")
    assert "who agrees with whom" in printed.out
    page = (trained.run / "report.html").read_text()
    assert "Can its labels be believed?" in page
    assert "no voter gave the label" in page
    assert ferboost("report", trained.run).code == 0
    assert (trained.run / "report.html").read_text() == page


def test_votes_of_one_split_alone_say_so(trained: Trained) -> None:
    vote(
        trained.faces,
        lambda place, name: (
            None
            if name.startswith("test/")
            else "sad"
            if place % 4 == 0
            else Path(name).parent.name
        ),
    )
    outcome = ferboost("labels", trained.run, trained.faces, "--votes", "votes.csv", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert set(json.loads(outcome.out)["agreement"]) == {"all", "validation"}
    assert "No test image has votes" in (trained.run / "report.html").read_text()


def test_a_table_that_may_have_been_edited_is_kept(trained: Trained) -> None:
    Path("labels").mkdir()
    Path("labels/labels.csv").write_text("edited")
    outcome = ferboost("labels", trained.run, trained.faces)
    assert (outcome.code, outcome.out) == (2, "")
    assert "labels/labels.csv exists already and may have been edited" in outcome.err
    assert [path.name for path in Path("labels").iterdir()] == ["labels.csv"]
    assert Path("labels/labels.csv").read_text() == "edited"


def test_labels_of_other_data_are_not_kept_in_the_run(trained: Trained) -> None:
    with zipfile.ZipFile("test.zip", "w") as test, zipfile.ZipFile(trained.faces) as faces:
        for name in faces.namelist():
            if name.startswith("test/"):
                test.writestr(name, faces.read(name))
    (trained.run / "labels.json").unlink(missing_ok=True)
    assert ferboost("labels", trained.run, "test.zip").code == 0
    assert not (trained.run / "labels.json").exists()


def test_data_that_the_run_has_learnt_is_refused(trained: Trained) -> None:
    with zipfile.ZipFile("train.zip", "w") as train, zipfile.ZipFile(trained.faces) as faces:
        for name in faces.namelist():
            if name.startswith("train/"):
                train.writestr(name, faces.read(name))
    outcome = ferboost("labels", trained.run, "train.zip")
    assert outcome.code == 1
    assert "was trained on every image of train.zip" in outcome.err
    assert not Path("labels").exists()


def test_voters_who_agree_with_every_label_leave_a_list_and_no_curve(trained: Trained) -> None:
    vote(trained.faces, lambda _, name: Path(name).parent.name)
    outcome = ferboost("labels", trained.run, trained.faces, "--votes", "votes.csv")
    assert (outcome.code, outcome.err) == (0, "")
    assert "No label is wrong by the votes" in outcome.out
    assert "who agrees with whom" in outcome.out
    assert Path("labels/labels.csv").is_file()
    assert not Path("labels/finder.png").exists()
    page = (trained.run / "report.html").read_text()
    assert "No label is wrong by the votes" in page
    assert "Who agrees with whom" in page
