"""In a real browser the page reads the faces of photos as Python does."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from browsing import assert_same_emotions, open_photo, saved_file, saved_table, shown_crops
from pictures import astronaut, crowd, python_readings
from PIL import Image

from ferboost.datasets.synthetic import generate_faces
from ferboost.inference import Predictor
from ferboost.inference.pictures import to_face

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_faces_of_a_photo_are_found_cut_out_and_read_as_in_python(
    page: "Page", tmp_path: Path, predictor: Predictor
) -> None:
    photo = crowd()
    open_photo(page, saved_file(photo, tmp_path))
    found = saved_table(page, tmp_path, predictor)
    expected, crops = python_readings(photo, predictor)
    assert len(expected) == 5
    np.testing.assert_allclose([r.box for r in found], [r.box for r in expected], atol=0.1)
    assert_same_emotions(found, np.stack([reading.probabilities for reading in expected]))
    differences = np.abs(shown_crops(page).astype(int) - crops)
    assert differences.max() <= 2
    assert differences.mean() < 0.01


def test_a_small_picture_is_searched_at_the_size_that_python_searches_it(
    page: "Page", tmp_path: Path, predictor: Predictor
) -> None:
    photo = astronaut().crop((150, 30, 300, 200))
    open_photo(page, saved_file(photo, tmp_path))
    found = saved_table(page, tmp_path, predictor)
    expected, _ = python_readings(photo, predictor)
    assert len(expected) == 1
    np.testing.assert_allclose([r.box for r in found], [r.box for r in expected], atol=0.1)
    assert_same_emotions(found, np.stack([reading.probabilities for reading in expected]))


@pytest.mark.parametrize("size", [(48, 48), (96, 81), (60, 96)])
def test_a_picture_of_at_most_96_pixels_is_a_face_as_in_python(
    page: "Page", tmp_path: Path, predictor: Predictor, size: tuple[int, int]
) -> None:
    picture = astronaut().crop((178, 60, 272, 170)).resize(size)
    open_photo(page, saved_file(picture, tmp_path))
    assert page.inner_text("#summary").startswith("The whole picture is taken as a face")
    (found,) = saved_table(page, tmp_path, predictor)
    assert found.box == (0, 0, *size)
    shown = shown_crops(page)[0]
    assert np.abs(shown.astype(int) - to_face(picture, 0)).max() <= 1
    # A gray value more or less can be a thousandth of a probability, so of what is shown.
    assert_same_emotions([found], predictor.predict_proba(shown[np.newaxis]))


def test_a_face_outside_of_what_was_trained_is_said_so(
    page: "Page", tmp_path: Path, predictor: Predictor
) -> None:
    dark = crowd().point(lambda value: value * 0.12)
    small = Image.fromarray(np.asarray(dark)[100:180, 480:560])
    open_photo(page, saved_file(small, tmp_path))
    (found,) = saved_table(page, tmp_path, predictor)
    (expected,) = predictor.warn(to_face(small, 0)[np.newaxis])
    assert expected is not None
    assert found.warning == expected
    assert page.inner_text(".warning") == expected[0].upper() + expected[1:] + "."
    assert expected in page.inner_text("#announcement")


def test_not_sure_is_said_where_the_set_holds_several_emotions(
    page: "Page", tmp_path: Path, predictor: Predictor
) -> None:
    sets = predictor.info.sets
    assert sets is not None
    drawn = generate_faces(5).images
    unsure = drawn[sets.predict(predictor.predict_proba(drawn), 0.9).sum(axis=1) > 1]
    seen: set[bool] = set()
    for picture in (crowd(), Image.fromarray(unsure[0])):
        open_photo(page, saved_file(picture, tmp_path))
        found = saved_table(page, tmp_path, predictor)
        sizes = sets.predict(np.stack([r.probabilities for r in found]), 0.9).sum(axis=1)
        said = [t.startswith("Not sure: ") for t in page.locator(".verdict").all_inner_texts()]
        assert said == list(sizes > 1)
        assert [len(reading.set) for reading in found] == list(sizes)
        seen |= set(said)
    assert seen == {True, False}


def test_why_says_what_a_verdict_rests_on(page: "Page", tmp_path: Path) -> None:
    open_photo(page, saved_file(astronaut(), tmp_path))
    why = page.get_by_role("button", name="Why?")
    why.click()
    page.wait_for_selector(".explanation figure")
    text = page.inner_text(".explanation")
    # A model may be so sure of a smile that no patch of the face shakes it.
    assert re.search("lowers “happy” most: from |No single patch matters for “happy”", text)
    assert why.get_attribute("aria-expanded") == "true"
    why.click()
    assert page.locator(".explanation figure").count() == 0


def test_a_photo_without_faces_is_said_to_have_none(page: "Page", tmp_path: Path) -> None:
    open_photo(page, saved_file(Image.new("RGB", (128, 96), "gray"), tmp_path))
    assert page.inner_text("#summary").startswith("No face found. ")
    assert page.locator(".card").count() == 0


@pytest.mark.parametrize("name", ["notes.txt", "broken.png", "broken.webm"])
def test_a_file_that_cannot_be_read_is_named(page: "Page", tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no picture")
    page.set_input_files("#file", tmp_path / name)
    page.wait_for_selector("#problem:not([hidden])")
    assert page.inner_text("#problem").startswith(f"{name} cannot be ")
    assert page.locator("#open").is_visible()
    open_photo(page, saved_file(Image.new("RGB", (64, 48), "gray"), tmp_path))
    assert page.locator("#problem").is_hidden()


def test_a_picture_with_boxes_is_saved_in_its_own_size(page: "Page", tmp_path: Path) -> None:
    photo = astronaut()
    open_photo(page, saved_file(photo, tmp_path, "smile.of.one.png"))
    with page.expect_download() as download:
        page.click("#save-picture")
    assert download.value.suggested_filename == "smile.of.one-faces.png"
    download.value.save_as(tmp_path / "saved.png")
    saved = Image.open(tmp_path / "saved.png").convert("RGB")
    assert saved.size == photo.size
    changed = np.abs(np.asarray(saved, dtype=int) - np.asarray(photo)).max(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert (columns.min(), columns.max()) == pytest.approx((178, 290), abs=25)
    assert rows.max() == pytest.approx(179, abs=12)


def test_a_cell_that_a_spreadsheet_would_compute_is_text(page: "Page", tmp_path: Path) -> None:
    open_photo(page, saved_file(astronaut(), tmp_path, '=1+1,"x".png'))
    with page.expect_download() as download:
        page.click("#save-table")
    download.value.save_as(tmp_path / "table.csv")
    assert '"\'=1+1,""x"".png",,1,' in (tmp_path / "table.csv").read_text("utf-8-sig")
