"""What a visitor loads, keeps, and has without a network."""

import base64
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest
from browsing import open_photo, saved_file, wait_until
from hosting import hosted
from pictures import astronaut

from ferboost.page import write_page

if TYPE_CHECKING:
    from playwright.sync_api import Page, Response, Route


def test_it_works_offline_after_the_first_visit(
    visitor: "Page", site: Path, tmp_path: Path
) -> None:
    with hosted(site) as url:
        visitor.goto(url)
        visitor.wait_for_selector("html[data-ready]")
    visitor.reload()
    visitor.wait_for_selector("html[data-ready]")
    open_photo(visitor, saved_file(astronaut(), tmp_path))
    assert visitor.inner_text(".verdict") == "Happy"


DROP = """(png) => {
  const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], "early.png", { type: "image/png" }));
  const options = { bubbles: true, cancelable: true, dataTransfer };
  const [over, drop] = ["dragover", "drop"].map((name) => new DragEvent(name, options));
  return [over, drop].map((event) => !document.body.dispatchEvent(event));
}"""


@pytest.mark.parametrize("visitor", [{"service_workers": "block"}], indirect=True)
def test_a_photo_that_is_dropped_while_the_page_loads_is_opened_when_it_can_be(
    visitor: "Page", address: str, tmp_path: Path
) -> None:
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


def test_each_file_is_loaded_once(visitor: "Page", site: Path) -> None:
    with hosted(site) as url:
        sent: list[str] = []

        def note(answer: "Response") -> None:
            if not answer.from_service_worker and "models/" in answer.url:
                sent.append(answer.url)

        visitor.context.on("response", note)
        visitor.goto(url)
        visitor.wait_for_selector("html[data-ready]")
    assert sorted(sent) == [f"{url}models/emotions.onnx", f"{url}models/faces.onnx"]


def change_version(folder: Path) -> None:
    listing = (folder / "files.js").read_text()
    (folder / "files.js").write_text(listing.replace('"version": "', '"version": "x'))


def test_another_page_replaces_what_was_kept(visitor: "Page", tmp_path: Path) -> None:
    """A page that is written anew is what returning visitors get, at once."""
    folder = tmp_path / "site"
    write_page(folder)
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


def test_another_model_is_used_on_the_first_visit_and_kept(visitor: "Page", tmp_path: Path) -> None:
    folder = tmp_path / "site"
    write_page(folder)
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


def test_a_network_that_is_silent_is_not_waited_for(visitor: "Page", site: Path) -> None:
    answers = Event()
    answers.set()
    with hosted(site, answers) as url:
        visitor.goto(url)
        visitor.wait_for_selector("html[data-ready]")
        answers.clear()
        visitor.reload()
        visitor.wait_for_selector("html[data-ready]")
        assert not answers.is_set()


def test_another_program_at_the_same_address_is_seen(visitor: "Page", tmp_path: Path) -> None:
    folder = tmp_path / "site"
    write_page(folder)
    with hosted(folder) as url:
        visitor.goto(url)
        visitor.wait_for_selector("html[data-ready]")
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            path.unlink()
        (folder / "index.html").write_text("<h1>Another program</h1>")
        visitor.goto(url)
        assert visitor.inner_text("h1") == "Another program"
        assert visitor.evaluate("fetch('icon.svg').then(({ status }) => status)") == 404
