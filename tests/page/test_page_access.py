"""The page is worked by keyboard, is read aloud, and fits its window."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import open_photo, saved_file, wait_until
from pictures import astronaut, crowd
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page


def faces_all_over() -> Image.Image:
    """Return a photo whose faces leave little room: on the left, at the top right and at the right."""
    face = astronaut().crop((160, 40, 310, 220))
    photo = Image.new("RGB", (600, 400), (96, 110, 124))
    photo.paste(face.resize((300, 400)), (0, 0))
    photo.paste(face.crop((0, 20, 150, 180)).resize((130, 150)), (470, 0))
    photo.paste(face.resize((120, 144)), (480, 256))
    return photo


@pytest.mark.parametrize("width", [360, 1280])
def test_every_label_is_in_the_picture(page: "Page", tmp_path: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    nothing_else = astronaut().crop((178, 64, 290, 176)).resize((96, 96))  # is taken as a face
    for photo in (faces_all_over(), nothing_else):
        open_photo(page, saved_file(photo, tmp_path))
        media = page.locator("#media").bounding_box()
        tags = [tag.bounding_box() for tag in page.locator(".tag").all()]
        assert media is not None
        assert tags
        for tag in tags:
            assert tag is not None
            assert tag["x"] >= media["x"] - 0.5
            assert tag["y"] >= media["y"] - 0.5
            assert tag["x"] + tag["width"] <= media["x"] + media["width"] + 0.5
            assert tag["y"] + tag["height"] <= media["y"] + media["height"] + 0.5
    page.set_viewport_size({"width": 1280, "height": 900})


def test_boxes_and_cards_are_worked_by_keyboard(page: "Page", tmp_path: Path) -> None:
    open_photo(page, saved_file(astronaut(), tmp_path))
    box = page.get_by_role("button", name="Face 1: happy")
    box.focus()
    box.press("Enter")
    assert page.evaluate("document.activeElement.classList.contains('card')")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".explanation figure")


def test_what_is_found_is_announced(page: "Page", tmp_path: Path) -> None:
    open_photo(page, saved_file(astronaut(), tmp_path))
    announced = page.inner_text("#announcement")
    assert re.fullmatch("1 face found\\. Face 1: happy, \\d\\d\u00a0%\\.", announced)
    assert page.locator("#announcement").get_attribute("role") == "status"


def test_the_same_verdict_on_another_photo_is_announced_again(page: "Page", tmp_path: Path) -> None:
    page.evaluate("""() => {
      const [status, told] = [document.querySelector("#announcement"), []];
      window.told = told;
      new MutationObserver(() => told.push(status.textContent)).observe(status, { childList: true });
    }""")
    path = saved_file(astronaut(), tmp_path)
    for _ in range(2):
        page.set_input_files("#file", path)
        wait_until(page, "document.querySelector('#announcement').textContent !== ''")
    told = page.evaluate("told.filter((text) => text !== '')")
    assert len(told) == 2
    assert told[0] == told[1]


def focused(page: "Page") -> str:
    name: str = page.evaluate("document.activeElement.id")
    return name


def test_the_focus_is_on_what_was_opened_also_when_it_is_stopped(
    page: "Page", tmp_path: Path
) -> None:
    page.focus("#choose")
    open_photo(page, saved_file(astronaut(), tmp_path))
    assert focused(page) == "work-title"
    page.click("#another")
    assert focused(page) == "choose"
    page.click("#start-camera")
    assert focused(page) == "work-title"
    page.wait_for_selector(".card")
    page.focus("#stop")
    page.keyboard.press("Enter")
    assert page.locator("#stop").is_hidden()
    assert focused(page) == "work-title"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_finding(page: "Page", tmp_path: Path, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    # Without transitions, whose colours are between two schemes for a moment.
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    findings = []
    for step in ("open", "read", "explained"):
        if step == "read":
            open_photo(page, saved_file(crowd(), tmp_path))
        elif step == "explained":
            page.get_by_role("button", name="Why?").first.click()
            page.wait_for_selector(".explanation figure")
        violations = Axe().run(page).response["violations"]
        findings += [(step, v["id"], v["nodes"][0]["html"]) for v in violations]
    page.emulate_media(color_scheme="light", reduced_motion="no-preference")
    assert findings == []
