"""The page sends nothing, and cannot."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import open_photo, saved_file
from pictures import astronaut

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request


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
