"""Take the pictures of the web page in docs/images/, of the model inside the package.

    python scripts/picture_page.py

Needs Chromium, playwright and scikit-image.
"""

import shutil
import sys
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import skimage.data
from PIL import Image
from playwright.sync_api import sync_playwright

from ferboost.page import write_page

_IMAGES = Path(__file__).parents[1] / "docs" / "images"
#: By name of the picture: width and height of the window, and the colours.
_PICTURES = {
    "page-light": (1120, 760, "light"),
    "page-dark": (1120, 760, "dark"),
    "page-phone": (390, 1200, "light"),
}
_COLOURS = 128
_PATIENCE = 120_000  # milliseconds


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Open a photo on the page, ask why, and take a picture of each kind."""
    program = shutil.which("chromium") or sys.exit("no Chromium here; apt install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        site, photo = Path(folder) / "site", Path(folder) / "astronaut.png"
        write_page(site)
        Image.fromarray(skimage.data.astronaut()).save(photo)
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, (width, height, scheme) in _PICTURES.items():
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page.set_default_timeout(_PATIENCE)
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            page.wait_for_selector("html[data-ready]")
            page.set_input_files("#file", photo)
            page.wait_for_selector(".card")
            page.get_by_role("button", name="Why?").click()
            page.wait_for_selector(".explanation figure")
            page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
            taken = Image.open(BytesIO(page.screenshot(animations="disabled")))
            taken.convert("RGB").quantize(_COLOURS).save(_IMAGES / f"{name}.png", optimize=True)
            page.close()
        browser.close()
        server.shutdown()


if __name__ == "__main__":
    main()
