"""In a real browser the page reads faces as Python does, and sends nothing."""

import base64
import re
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hosting import hosted
from numpy.typing import NDArray
from pictures import PATIENCE, Reading, astronaut, crowd, python_readings, read_table
from PIL import Image

from ferboost.datasets.synthetic import generate_faces
from ferboost.inference import Predictor
from ferboost.inference.pictures import to_face
from ferboost.page import write_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, Response, Route

READ_CROPS = """() => [...document.querySelectorAll(".crop")].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, 48, 48);
  return [...data].filter((_, place) => place % 4 === 0);
})"""

RECORD = """async ([address, seconds]) => {
  const picture = new Image();
  picture.src = address;
  await picture.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [400, 300];
  const context = canvas.getContext("2d");
  const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: "video/webm" });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.start();
  const start = performance.now();
  await new Promise((resolve) => {
    const draw = () => {
      const time = (performance.now() - start) / 1000;
      context.drawImage(picture, -20 - 30 * time, 0);
      if (time > seconds) resolve(); else setTimeout(draw, 15); // also while nobody looks
    };
    draw();
  });
  await new Promise((resolve) => { recorder.onstop = resolve; recorder.stop(); });
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
}"""


def wait_until(page: "Page", condition: str) -> None:
    """Wait for a condition; the page's policy forbids Playwright's own way of asking again."""
    for _ in range(PATIENCE // 100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"{condition} did not come true")


def saved_file(picture: Image.Image, folder: Path, name: str = "photo.png") -> Path:
    path = folder / name
    picture.save(path)
    return path


def recorded_film(browser: "Browser", folder: Path, seconds: float) -> Path:
    recorder = browser.new_page()
    png = saved_file(astronaut(), folder).read_bytes()
    address = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    path = folder / "film.webm"
    path.write_bytes(base64.b64decode(recorder.evaluate(RECORD, [address, seconds])))
    recorder.close()
    return path


def made_film(pictures: dict[int, Image.Image], folder: Path) -> Path:
    """Write a film that changes at the given seconds."""
    av = pytest.importorskip("av", reason="no film: pip install av")
    path = folder / "film.webm"
    with av.open(path, "w") as film:
        stream = film.add_stream("libvpx", rate=1)
        (stream.width, stream.height), stream.pix_fmt = (
            next(iter(pictures.values())).size,
            "yuv420p",
        )
        for second, picture in pictures.items():
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = second, Fraction(1)
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return path


def open_photo(page: "Page", path: Path) -> None:
    page.set_input_files("#file", path)
    page.wait_for_selector("#summary:not(:empty)")


def saved_table(page: "Page", folder: Path, predictor: Predictor) -> list[Reading]:
    with page.expect_download() as download:
        page.click("#save-table")
    download.value.save_as(folder / "table.csv")
    return read_table(folder / "table.csv", predictor.classes)


def shown_crops(page: "Page") -> NDArray[np.uint8]:
    return np.array(page.evaluate(READ_CROPS), dtype=np.uint8).reshape(-1, 48, 48)


def assert_same_emotions(readings: list[Reading], expected: NDArray[np.float32]) -> None:
    found = np.stack([reading.probabilities for reading in readings])
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    np.testing.assert_allclose(found, expected, atol=1e-3)


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


def test_nothing_is_sent_after_loading(page: "Page", tmp_path: Path) -> None:
    requests: list[str] = []

    def note(request: "Request") -> None:
        requests.append(request.url)

    page.context.on("request", note)
    open_photo(page, saved_file(astronaut(), tmp_path))
    page.get_by_role("button", name="Why?").click()
    page.wait_for_selector(".explanation figure")
    for button in ("#save-table", "#save-picture"):
        with page.expect_download():
            page.click(button)
    page.context.remove_listener("request", note)
    assert [url for url in requests if not url.startswith("blob:")] == []


ATTEMPTS = {
    "fetch": "(url) => fetch(url).then(() => 'sent', () => 'forbidden')",
    "import": "(url) => import(url).then(() => 'sent', () => 'forbidden')",
}
ELEMENTS = {
    "script": ("script", "src", "files.js"),
    "style": ("link", "href", "icon.svg"),
    "picture": ("img", "src", "icon.svg"),
    "film": ("video", "src", "icon.svg"),
}
ELEMENT = """([name, attribute, url]) => new Promise((resolve) => {
  document.addEventListener("securitypolicyviolation", () => resolve("forbidden"), { once: true });
  const element = document.createElement(name);
  element.onload = element.onloadeddata = () => resolve("sent");
  if (name === "link") element.rel = "stylesheet";
  element[attribute] = url;
  document.head.append(element);
})"""


@pytest.mark.parametrize("place", ["page", "worker"])
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_no_code_loads_or_sends_anything_once_the_page_is_loaded(
    page: "Page", address: str, place: str, attempt: str
) -> None:
    at_work = page if place == "page" else page.workers[0]
    for url in (f"{address}files.js", f"{address}files.js?picture=1"):
        assert at_work.evaluate(ATTEMPTS[attempt], url) == "forbidden"


@pytest.mark.parametrize("element", ELEMENTS)
def test_no_element_loads_anything_once_the_page_is_loaded(
    page: "Page", address: str, element: str
) -> None:
    name, attribute, file = ELEMENTS[element]
    url = f"{address}{file}?picture=1"
    assert page.evaluate(ELEMENT, [name, attribute, url]) == "forbidden"


def test_a_page_that_is_sealed_opens_no_socket(page: "Page", address: str) -> None:
    socket = """(url) => new Promise((resolve) => {
      document.addEventListener("securitypolicyviolation", () => resolve("forbidden"), { once: true });
      try { new WebSocket(url).onopen = () => resolve("sent"); } catch { resolve("forbidden"); }
    })"""
    assert page.evaluate(socket, address.replace("http", "ws")) == "forbidden"


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


def test_a_cell_that_a_spreadsheet_would_compute_is_text(page: "Page", tmp_path: Path) -> None:
    open_photo(page, saved_file(astronaut(), tmp_path, '=1+1,"x".png'))
    with page.expect_download() as download:
        page.click("#save-table")
    download.value.save_as(tmp_path / "table.csv")
    assert '"\'=1+1,""x"".png",,1,' in (tmp_path / "table.csv").read_text("utf-8-sig")


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


def test_it_works_offline_after_the_first_visit(
    browser: "Browser", site: Path, tmp_path: Path
) -> None:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    visitor = context.new_page()
    with hosted(site) as url:
        visitor.goto(url)
        visitor.wait_for_selector("html[data-ready]")
    visitor.reload()
    visitor.wait_for_selector("html[data-ready]")
    open_photo(visitor, saved_file(astronaut(), tmp_path))
    assert visitor.inner_text(".verdict") == "Happy"
    context.close()


DROP = """(png) => {
  const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], "early.png", { type: "image/png" }));
  const options = { bubbles: true, cancelable: true, dataTransfer };
  const [over, drop] = ["dragover", "drop"].map((name) => new DragEvent(name, options));
  return [over, drop].map((event) => !document.body.dispatchEvent(event));
}"""


def test_a_photo_that_is_dropped_while_the_page_loads_is_opened_when_it_can_be(
    browser: "Browser", address: str, tmp_path: Path
) -> None:
    context = browser.new_context(service_workers="block")
    context.set_default_timeout(PATIENCE)
    visitor = context.new_page()
    held: list[Route] = []

    def hold(route: "Route") -> None:
        held.append(route)

    visitor.route("**/models/emotions.onnx", hold)
    visitor.goto(address)
    png = base64.b64encode(saved_file(astronaut(), tmp_path).read_bytes()).decode()
    assert visitor.evaluate(DROP, png) == [True, True]  # else the browser shows the file itself
    assert visitor.inner_text("#loading-text") == "Loading the models, then opening early.png"
    while not held:
        visitor.wait_for_timeout(50)
    held[0].continue_()
    visitor.wait_for_selector(".card")
    assert visitor.inner_text("#work-title") == "early.png"
    context.close()


def test_each_file_is_loaded_once(browser: "Browser", site: Path) -> None:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    visitor = context.new_page()
    with hosted(site) as url:
        sent: list[str] = []

        def note(answer: "Response") -> None:
            if not answer.from_service_worker and "models/" in answer.url:
                sent.append(answer.url)

        context.on("response", note)
        visitor.goto(url)
        visitor.wait_for_selector("html[data-ready]")
    context.close()
    assert sorted(sent) == [f"{url}models/emotions.onnx", f"{url}models/faces.onnx"]


def change_version(folder: Path) -> None:
    listing = (folder / "files.js").read_text()
    (folder / "files.js").write_text(listing.replace('"version": "', '"version": "x'))


def test_another_page_replaces_what_was_kept(browser: "Browser", tmp_path: Path) -> None:
    """A page that is written anew is what returning visitors get, at once."""
    folder = tmp_path / "site"
    write_page(folder)
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    visitor = context.new_page()
    with hosted(folder) as url:
        visitor.goto(url)
        visitor.wait_for_selector("html[data-ready]")
        index = folder / "index.html"
        index.write_text(index.read_text().replace("What does a face show?", "Another page"))
        change_version(folder)
        visitor.reload()  # the browser looks for another service worker whenever it is opened
        assert visitor.inner_text("h1") == "Another page"
        wait_until(
            visitor,
            "caches.keys().then((names) => names.length === 1 && / x[0-9a-f]+$/.test(names[0]))",
        )
        visitor.reload()
        assert visitor.inner_text("h1") == "Another page"
    context.close()


def test_another_model_is_used_on_the_first_visit_and_kept(
    browser: "Browser", tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    write_page(folder)
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    visitor = context.new_page()
    with hosted(folder) as url:
        visitor.goto(url)
        visitor.wait_for_selector("html[data-ready]")
        assert "two times in three" in visitor.inner_text(".limits")
        model = folder / "models/emotions.onnx"
        model.write_bytes(model.read_bytes().replace(b'"happy"', b'"merry"'))
        change_version(folder)
        visitor.reload()
        visitor.wait_for_selector("html[data-ready]")
        assert "merry" in visitor.inner_text("#model")
        # Nor is anything said of the data of the model before.
        assert "two times in three" not in visitor.inner_text(".limits")
        assert "disgust and fear" not in visitor.inner_text(".limits")
    visitor.reload()  # without a network
    visitor.wait_for_selector("html[data-ready]")
    assert "merry" in visitor.inner_text("#model")
    context.close()


def test_a_network_that_is_silent_is_not_waited_for(browser: "Browser", site: Path) -> None:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    visitor = context.new_page()
    answers = Event()
    answers.set()
    with hosted(site, answers) as url:
        visitor.goto(url)
        visitor.wait_for_selector("html[data-ready]")
        answers.clear()
        visitor.reload()
        visitor.wait_for_selector("html[data-ready]")
        assert not answers.is_set()
    context.close()


def test_another_program_at_the_same_address_is_seen(browser: "Browser", tmp_path: Path) -> None:
    folder = tmp_path / "site"
    write_page(folder)
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    visitor = context.new_page()
    with hosted(folder) as url:
        visitor.goto(url)
        visitor.wait_for_selector("html[data-ready]")
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            path.unlink()
        (folder / "index.html").write_text("<h1>Another program</h1>")
        visitor.goto(url)
        assert visitor.inner_text("h1") == "Another program"
        assert visitor.evaluate("fetch('icon.svg').then(({ status }) => status)") == 404
    context.close()
