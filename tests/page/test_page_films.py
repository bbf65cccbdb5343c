"""In a real browser the page reads the faces of films and of a camera as Python does."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from browsing import (
    assert_same_emotions,
    made_film,
    recorded_film,
    saved_table,
    shown_crops,
    wait_until,
)
from pictures import astronaut
from PIL import Image

from ferboost.inference import Predictor

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def test_a_video_file_is_read_as_python_reads_its_faces(
    page: "Page", browser: "Browser", tmp_path: Path, predictor: Predictor
) -> None:
    page.set_input_files("#file", recorded_film(browser, tmp_path, seconds=1.2))
    page.wait_for_selector("#summary:not(:empty)")
    found = saved_table(page, tmp_path, predictor)
    times = sorted({r.time for r in found if r.time is not None})
    assert len(times) >= 2  # what a recorder keeps depends on what else the machine does
    assert times == pytest.approx(0.2 * np.arange(len(times)))
    assert {reading.face for reading in found} == {"1"}
    for position in ("Home", "End"):
        page.locator("#position").press(position)
        wait_until(page, "!document.querySelector('video').seeking")
        shown = [r for r in found if r.time == (times[0] if position == "Home" else times[-1])]
        assert_same_emotions(shown, predictor.predict_proba(shown_crops(page)))
    assert page.locator("#timeline canvas").get_attribute("aria-label") == (
        f"Face 1: happy in 100\u00a0% of {len(found)} pictures"
    )


def test_the_camera_is_read_as_python_reads_its_faces(
    page: "Page", tmp_path: Path, predictor: Predictor
) -> None:
    page.click("#start-camera")
    page.wait_for_selector(".card")
    page.wait_for_selector("#timeline:not([hidden])")
    why = page.get_by_role("button", name="Why? Explain face 1, once the camera is stopped")
    assert why.first.is_disabled()
    page.click("#stop")
    wait_until(page, "document.querySelector('#summary').textContent.startsWith('Stopped')")
    found = saved_table(page, tmp_path, predictor)
    assert_same_emotions(found[-1:], predictor.predict_proba(shown_crops(page)))
    assert page.evaluate("document.querySelector('video').srcObject.active") is False
    page.get_by_role("button", name="Why?").first.click()
    page.wait_for_selector(".explanation figure")


# The button is pressed once the camera is allowed, before the page learns it; or once the page has it,
# before it shows a picture.
STOP_A_CAMERA_THAT_STARTS = """async (moment) => {
  const [devices, stop] = [navigator.mediaDevices, document.querySelector("#stop")];
  const video = document.querySelector("video");
  const given = await new Promise((resolve) => {
    devices.getUserMedia = async (wish) => {
      const stream = await MediaDevices.prototype.getUserMedia.call(devices, wish);
      if (moment === "allowed") stop.click();
      resolve(stream);
      return stream;
    };
    video.play = () => {
      const playing = HTMLMediaElement.prototype.play.call(video);
      if (moment === "played") stop.click();
      return playing;
    };
    document.querySelector("#start-camera").click();
  });
  window.camera = given;
  delete devices.getUserMedia;
}"""


@pytest.mark.parametrize("moment", ["allowed", "played"])
def test_a_camera_that_is_stopped_while_it_starts_is_turned_off(page: "Page", moment: str) -> None:
    page.evaluate(STOP_A_CAMERA_THAT_STARTS, moment)
    wait_until(page, "camera.getTracks().every(({ readyState }) => readyState === 'ended')")
    page.evaluate("delete document.querySelector('video').play")
    assert page.inner_text("#summary") == "Stopped before the first picture."
    assert page.locator("#busy").is_hidden()
    assert page.locator("#problem").is_hidden()


def test_a_camera_that_is_allowed_late_does_not_replace_what_was_opened_meanwhile(
    page: "Page", browser: "Browser", tmp_path: Path
) -> None:
    film = recorded_film(browser, tmp_path, seconds=1)
    page.evaluate("""() => {
      const devices = navigator.mediaDevices;
      devices.getUserMedia = async (wish) => {
        await new Promise((resolve) => { window.allow = resolve; });
        window.camera = await MediaDevices.prototype.getUserMedia.call(devices, wish);
        return window.camera;
      };
      document.querySelector("#start-camera").click();
      delete devices.getUserMedia;
    }""")
    page.set_input_files("#file", film)
    page.wait_for_selector(".card")
    page.evaluate("allow()")
    wait_until(page, "window.camera?.getTracks().every((track) => track.readyState === 'ended')")
    assert page.evaluate("document.querySelector('video').srcObject") is None


def test_a_camera_that_is_taken_away_is_said_to_be(page: "Page") -> None:
    page.click("#start-camera")
    page.wait_for_selector(".card")
    page.evaluate("""document.querySelector("video").srcObject.getTracks()[0]
      .dispatchEvent(new Event("ended"))""")
    assert page.inner_text("#summary").startswith("The camera was taken away. Stopped after ")
    assert page.locator("#stop").is_hidden()


def test_a_film_that_is_stopped_is_summed_up_once(
    page: "Page", browser: "Browser", tmp_path: Path
) -> None:
    film = recorded_film(browser, tmp_path, seconds=3)
    page.set_input_files("#file", film)
    page.wait_for_selector(".card")
    assert page.get_by_role("button", name="Why?").first.is_disabled()
    page.click("#stop")
    assert page.get_by_role("button", name="Why?").first.is_enabled()
    page.locator("#position").press("End")
    page.wait_for_timeout(1500)  # as long as what was under way can take
    assert page.evaluate("document.querySelector('video').currentTime") > 2


def test_a_face_of_a_film_of_an_hour_keeps_its_number(
    page: "Page", tmp_path: Path, predictor: Predictor
) -> None:
    """Pictures are then further apart than the seconds that a face is remembered in a short film."""
    still = astronaut().crop((60, 0, 444, 288))
    page.set_input_files("#file", made_film(dict.fromkeys((0, 1200, 2400, 3600), still), tmp_path))
    wait_until(page, "document.querySelector('#busy-text').textContent.includes(', 1')")
    page.click("#stop")
    found = saved_table(page, tmp_path, predictor)
    assert [reading.time for reading in found[:3]] == pytest.approx([0, 6, 12], abs=0.1)
    assert {reading.face for reading in found} == {"1"}


def test_what_was_not_looked_through_is_not_said_to_be_empty(page: "Page", tmp_path: Path) -> None:
    empty = Image.new("RGB", (384, 288), "gray")
    page.set_input_files("#file", made_film({0: empty, 1800: empty}, tmp_path))
    wait_until(page, "!document.querySelector('#save-table').disabled")
    page.click("#stop")
    assert page.inner_text("#summary") == "No face found in the part that was looked through."
    page.locator("#position").press("End")
    wait_until(page, "document.querySelector('#clock').textContent.startsWith('30:0')")


def test_cards_are_dimmed_where_a_film_was_not_looked_through(page: "Page", tmp_path: Path) -> None:
    still = astronaut().crop((60, 0, 444, 288))
    page.set_input_files("#file", made_film({0: still, 1800: still}, tmp_path))
    page.wait_for_selector(".card")
    page.click("#stop")
    page.locator("#position").press("End")
    page.wait_for_selector(".card.absent")
    assert page.locator("#save-picture").is_disabled()
    page.locator("#position").press("Home")
    page.wait_for_selector(".card:not(.absent)")
    assert page.locator("#save-picture").is_enabled()
