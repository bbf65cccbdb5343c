"""``ferboost explain``."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shell import Trained, ferboost

from ferboost.datasets.images import encode_png
from ferboost.models import SeedModel, load_seed_model
from ferboost.runs import Run


@pytest.fixture
def photo(workplace: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (60, 50), dtype=np.uint8)
    Path("photo.png").write_bytes(encode_png(noise))
    return Path("photo.png")


def test_a_picture_is_explained_by_a_figure(trained: Trained, photo: Path) -> None:
    Path("others").mkdir()
    Path("others/photo.png").write_bytes(photo.read_bytes())
    outcome = ferboost("explain", trained.run, photo, "others", "--variant", "fc1")
    assert outcome.code == 0
    first, second = outcome.out.splitlines()
    assert first.endswith(": explanations/photo.png")
    assert second.endswith(": explanations/photo-2.png")
    with Image.open("explanations/photo.png") as figure:
        assert figure.size == (1350, 840)


def test_the_numbers_are_printed_instead(trained: Trained, photo: Path) -> None:
    outcome = ferboost("explain", trained.run, photo, "--emotion", "sad", "--json")
    assert outcome.code == 0
    (found,) = json.loads(outcome.out)
    assert (found["image"], found["explained"]) == ("photo.png", "sad")
    assert np.shape(found["maps"]["Grad-CAM"]) == (48, 48)
    assert not Path("explanations").exists()


def test_the_models_of_a_run_are_loaded_once(
    trained: Trained, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []

    def load(run: Run, seed: int) -> SeedModel:
        loaded.append(seed)
        return load_seed_model(run, seed)

    monkeypatch.setattr("ferboost.pipeline.explaining.load_seed_model", load)
    Path("again.png").write_bytes(photo.read_bytes())
    outcome = ferboost("explain", trained.run, "*.png", "--json")
    assert [found["image"] for found in json.loads(outcome.out)] == ["again.png", "photo.png"]
    assert loaded == [0, 1]


def test_what_is_no_picture_is_named_and_the_rest_is_done(trained: Trained, photo: Path) -> None:
    Path("notes.txt").write_text("happy")
    outcome = ferboost("explain", trained.run, "notes.txt", photo, "-o", "why")
    assert outcome.code == 1
    assert outcome.err == (
        "ferboost: error: notes.txt is not an image in a known format; remove or replace it\n"
    )
    assert Path("why/photo.png").is_file()


def test_maps_are_checked_and_the_report_shows_how(trained: Trained, run: Path) -> None:
    outcome = ferboost("explain", run, trained.faces, "--check", "--faces", "14", "--json")
    assert outcome.code == 0
    checked = json.loads(outcome.out)
    assert checked["faces"] >= 7
    assert (checked["source"], checked["left_out"]) == ("test faces of faces.zip", 0)
    assert [own["method"] for own in checked["methods"]] == [
        "Grad-CAM", "integrated gradients", "occlusion",
    ]  # fmt: skip
    assert json.loads((run / "explanations.json").read_bytes()) == checked
    page = (run / "report.html").read_text()
    assert "Can its explanations be believed?" in page
    assert f"on {checked['faces']} test faces of faces.zip: pixels" in page


def test_maps_of_faces_that_a_run_has_learnt_are_not_checked(trained: Trained, run: Path) -> None:
    outcome = ferboost("explain", run, trained.faces, "--check", "--split", "train")
    assert outcome.code == 1
    assert "choose others by --split, or give other data" in outcome.err
    assert not (run / "explanations.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("photo.png", "--variant", "fc9"), "has no variant 'fc9'; it has: cnn, fc1, pixels"),
        (("photo.png", "--json", "-o", "why"), "--json draws nothing; leave out --out"),
        (("photo.png", "--emotion", "smug"), "there is no emotion 'smug'; there are: angry"),
        (("a.zip", "b.zip", "--check"), "--check takes one data set, found 2 paths"),
        (("a.zip", "--check", "--split", "best"), "no split 'best'"),
        (("a.zip", "--check"), "there is no"),
        (("a.zip", "--check", "--emotion", "sad"), "--emotion has no effect with --check"),
        (("a.zip", "--check", "-o", "why"), "--out has no effect with --check"),
        (("photo.png", "--split", "all"), "--split is for --check"),
        (("photo.png", "--faces", "20"), "--faces is for --check"),
    ],
)
def test_misuse_is_one_line(
    trained: Trained, photo: Path, arguments: tuple[str, ...], message: str
) -> None:
    outcome = ferboost("explain", trained.run, *arguments)
    assert outcome.code in {1, 2}
    assert outcome.out == ""
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not Path("explanations").exists()


def test_a_damaged_check_is_named(run: Path) -> None:
    for content in ("{}", "[]", '{"shares": 1}', "\x00"):
        (run / "explanations.json").write_text(content)
        outcome = ferboost("report", run)
        assert outcome.code == 1
        assert "explanations.json is damaged" in outcome.err
