"""``ferboost drift``."""

import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from shell import Trained, ferboost


def unpack(trained: Trained, *, divide: int = 1) -> None:
    Path("new").mkdir()
    with zipfile.ZipFile(trained.faces) as faces:
        for place, name in enumerate(n for n in faces.namelist() if n.startswith("test/")):
            with faces.open(name) as stream:
                gray = np.asarray(Image.open(stream)) // divide
            Image.fromarray(gray).save(f"new/{place}.png")


def test_dark_faces_have_drifted(trained: Trained) -> None:
    unpack(trained, divide=5)
    outcome = ferboost("drift", trained.run, "new")
    assert (outcome.code, outcome.err) == (0, "")
    assert "new faces differ from" in outcome.out
    assert "brightness" in outcome.out
    found = json.loads(ferboost("drift", trained.run, "new", "--json").out)
    assert found["drifted"] is True
    assert found["outside"] > found["outside_reference"]


def test_faces_like_those_of_the_run_have_not(trained: Trained) -> None:
    unpack(trained)
    outcome = ferboost("drift", trained.run, "new", "--data", trained.faces)
    assert outcome.code == 0
    assert "No difference is shown" in outcome.out


def test_unreadable_pictures_are_named_and_the_rest_is_compared(trained: Trained) -> None:
    unpack(trained)
    Path("new/notes.png").write_text("happy")
    outcome = ferboost("drift", trained.run, "new")
    assert outcome.code == 1
    assert "No difference is shown" in outcome.out
    assert outcome.err.startswith("ferboost: error: new/notes.png is not an image")


def test_misuse_is_one_line(trained: Trained) -> None:
    Path("empty").mkdir()
    Image.fromarray(np.zeros((48, 48), np.uint8)).save("face.png")
    for arguments, message, code in (
        (("empty",), "no file below the folder empty", 2),
        (("*.jpg",), "no file fits the pattern *.jpg", 2),
        (("gone.png",), "cannot read gone.png", 1),
        (("*.png",), "10 faces or more, found 1 new ones", 1),
        (("face.png", "--data", "gone.zip"), "gone.zip", 1),
    ):
        outcome = ferboost("drift", trained.run, *arguments)
        assert (outcome.code, outcome.out) == (code, "")
        assert message in outcome.err
        assert outcome.err.count("\n") == 1
