"""What a visitor does on the page, and what is seen of it."""

import base64
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import PATIENCE, Reading, astronaut, read_table
from PIL import Image

from ferboost.inference import Predictor

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


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
