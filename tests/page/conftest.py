"""Debian's Chromium with the page open in it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hosting import hosted
from pictures import PATIENCE, astronaut

from ferboost.inference import Predictor
from ferboost.page import write_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_ABSENT: list[str] = []


def _absent(what: str, remedy: str) -> None:
    reason = f"the page was not tried in a browser: no {what} here; {remedy}"
    _ABSENT.append(reason)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was left out."""
    for reason in dict.fromkeys(_ABSENT):
        terminalreporter.write_line(reason.upper(), red=True, bold=True)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the page and the bundled model."""
    folder = tmp_path_factory.mktemp("page") / "site"
    write_page(folder)
    return folder


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    with hosted(site) as url:
        yield url


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    return Predictor(threads=1)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Browser]":
    """Start a browser whose camera shows an astronaut."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        _absent("Chromium", "apt install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        _absent("playwright", "pip install playwright")
    before_camera = tmp_path_factory.mktemp("camera") / "astronaut.mjpeg"
    with before_camera.open("wb") as stream:
        for shift in range(0, 40, 4):
            frame = astronaut().crop((60 - shift, 0, 444 - shift, 288)).resize((640, 480))
            frame.save(stream, format="jpeg", quality=95)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program,
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-video-capture={before_camera}",
            ],
        )
        yield started
        started.close()


@pytest.fixture(scope="session")
def loaded(browser: "Browser", address: str) -> "Iterator[Page]":
    """Return the page, loaded once for all tests; complaints of the browser are failures."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    opened.goto(address)
    opened.wait_for_selector("html[data-ready]")
    yield opened
    context.close()


@pytest.fixture
def page(loaded: "Page") -> "Iterator[Page]":
    """Return the page with nothing open."""
    complaints: list[str] = []

    def note(message: object) -> None:
        complaints.append(str(message))

    loaded.on("pageerror", note)
    yield loaded
    loaded.remove_listener("pageerror", note)
    if loaded.locator("#work").is_visible():
        loaded.click("#another")
    assert complaints == []


@pytest.fixture
def visitor(browser: "Browser", request: pytest.FixtureRequest) -> "Iterator[Page]":
    """Return an empty page of somebody who was never there; a test may give options of it."""
    context = browser.new_context(**getattr(request, "param", {}))
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()
