"""Files, folders and patterns become a list of files."""

from pathlib import Path

import pytest

from ferboost.errors import SettingsError
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


@pytest.mark.parametrize(
    ("given", "named"),
    [("empty", "the folder empty ends in one of: .avif"), ("*.tiff", "no file fits the pattern")],
)
def test_what_stands_for_nothing_is_refused(given: str, named: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(SettingsError, match=named):
        listed(given)
