"""Files, folders and patterns become a list of files."""

import errno
import os
from pathlib import Path

import pytest

from ferboost.datasets.images import read_face
from ferboost.errors import ImageError, SettingsError
from ferboost.inference.sources import find_sources


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.jpg", "a.PNG", "notes.txt", "deep/er/c.webp", "deep/d[1].jpg"):
        Path("photos", name).parent.mkdir(parents=True, exist_ok=True)
        Path("photos", name).touch()


def listed(*inputs: str, leave_out: str | None = None) -> list[str]:
    outside = None if leave_out is None else Path(leave_out)
    return [str(source.path) for source in find_sources([*map(Path, inputs)], leave_out=outside)]


def test_a_folder_stands_for_the_pictures_below_it_in_the_order_of_their_names() -> None:
    assert listed("photos") == [
        "photos/a.PNG",
        "photos/b.jpg",
        "photos/deep/d[1].jpg",
        "photos/deep/er/c.webp",
    ]
    assert [str(source.name) for source in find_sources([Path("photos")])][-1] == "deep/er/c.webp"


def test_a_pattern_stands_for_the_files_that_fit() -> None:
    assert listed("photos/*.jpg") == ["photos/b.jpg"]
    assert listed("photos/**/*.webp") == ["photos/deep/er/c.webp"]
    assert listed(str(Path("photos/b*").absolute())) == [str(Path("photos/b.jpg").absolute())]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file() -> None:
    assert listed("photos/deep/d[1].jpg") == ["photos/deep/d[1].jpg"]


def test_a_named_file_is_listed_whatever_it_is_and_once() -> None:
    assert listed("photos/notes.txt", "missing.jpg", "photos/notes.txt") == [
        "photos/notes.txt",
        "missing.jpg",
    ]
    assert len(listed("photos", "photos/b.jpg", "photos/*.jpg")) == 4


def test_the_folder_of_results_is_passed_over() -> None:
    assert listed("photos", leave_out="photos/deep") == ["photos/a.PNG", "photos/b.jpg"]


def test_a_link_in_a_circle_is_not_followed() -> None:
    Path("photos/deep/again").symlink_to(Path("photos").absolute())
    assert len(listed("photos")) == 4


def test_a_link_to_another_folder_is_followed_once() -> None:
    Path("elsewhere").mkdir()
    Path("elsewhere/e.png").touch()
    for name in ("linked", "linked-again"):
        Path("photos", name).symlink_to(Path("elsewhere").absolute())
    assert listed("photos")[-1] == "photos/linked/e.png"
    assert len(listed("photos")) == 5


def test_what_is_no_picture_is_counted() -> None:
    for name in ("film.mp4", "deep/other.MP4", "README"):
        Path("photos", name).touch()
    told: dict[Path, dict[str, int]] = {}
    found = find_sources([Path("photos")], on_others=lambda f, n: told.update({f: dict(n)}))
    assert len(found) == 4
    assert told == {Path("photos"): {".txt": 1, ".mp4": 2, "": 1}}


def test_a_folder_that_cannot_be_listed_is_listed_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("deep"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert listed("photos") == ["photos/a.PNG", "photos/b.jpg", "photos/deep"]
    assert [str(source.name) for source in find_sources([Path("photos/deep")])] == ["deep"]
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ImageError, match=r"the folder photos/deep cannot be listed; check its"):
        read_face(Path("photos/deep"))


@pytest.mark.parametrize(
    ("given", "named"),
    [("empty", "the folder empty ends in one of: .avif"), ("*.tiff", "no file fits the pattern")],
)
def test_what_stands_for_nothing_is_refused(given: str, named: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(SettingsError, match=named):
        listed(given)
