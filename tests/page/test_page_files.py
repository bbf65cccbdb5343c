"""The page as a folder of static files."""

import json
import re
from pathlib import Path

import pytest

from ferboost.errors import ModelError, StorageError
from ferboost.inference import BUNDLED_MODEL
from ferboost.inference.centerface import BUNDLED_DETECTOR
from ferboost.page import content_security_policy, page_files, static_files, write_page

MAX_BYTES = 5_000_000  # of the wheel's 15 MB, the models apart


def listed(files: dict[str, bytes]) -> dict[str, list[str]]:
    text = files["files.js"].decode()
    listing: dict[str, list[str]] = json.loads(text.removeprefix("self.PAGE = ").rstrip(";\n"))
    return listing


def test_the_page_has_the_models_and_all_that_it_names(site: Path) -> None:
    assert (site / "models/emotions.onnx").read_bytes() == BUNDLED_MODEL.read_bytes()
    assert (site / "models/faces.onnx").read_bytes() == BUNDLED_DETECTOR.read_bytes()
    index = (site / "index.html").read_text()
    named = re.findall(r'(?:src|href)="\./([^"]+)"', index)
    assert len(named) >= 4
    assert all((site / name).is_file() for name in named)


def test_the_service_worker_knows_every_file() -> None:
    files = page_files()
    named = set(listed(files)["files"])
    assert named == {"./", *files} - {"index.html", "service-worker.js", "files.js"}
    assert set(listed(files)["shell"]) < named
    assert not [name for name in listed(files)["shell"] if name.startswith("models/")]


def test_the_version_changes_with_a_file_and_not_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = listed(page_files())["version"]
    assert listed(page_files())["version"] == first
    detector = tmp_path / "faces.onnx"
    detector.write_bytes(BUNDLED_DETECTOR.read_bytes() + b"\0")
    monkeypatch.setattr("ferboost.page.files.BUNDLED_DETECTOR", detector)
    assert listed(page_files())["version"] != first


def test_nothing_of_another_host_and_nothing_inline_is_in_the_page() -> None:
    index = (static_files() / "index.html").read_text()
    assert "http://" not in index
    assert "https://" not in index
    assert not re.search(r"<script(?![^>]*\bsrc=)", index)
    assert not re.search(r"<style|\sstyle=|\son\w+=", index)


def test_the_policy_allows_the_page_itself_alone() -> None:
    rules = dict(rule.strip().split(" ", 1) for rule in content_security_policy().split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert rules["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert not [value for value in rules.values() if "unsafe-inline" in value or "*" in value]


def test_the_page_takes_little_of_the_wheel() -> None:
    built = [path for path in static_files().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in built) < MAX_BYTES


def test_a_folder_that_is_not_free_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="a folder with something in it"):
        write_page(tmp_path)
    with pytest.raises(StorageError, match=r"notes\.txt: it is no folder"):
        write_page(tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_folder_and_a_new_one_are_written(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "deep/new"):
        size = write_page(tmp_path / name)
        written = [path for path in (tmp_path / name).rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in written) == size
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "deep"}


def test_a_model_that_is_none_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        write_page(tmp_path / "site", Path(__file__))
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    write_bytes = Path.write_bytes

    def fill_up(path: Path, content: bytes) -> int:
        nonlocal written
        written += len(content)
        if written > 5_000_000:
            raise OSError(28, "No space left on device", str(path))
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(StorageError, match="the disk is full"):
        write_page(tmp_path / "site")
    assert not list(tmp_path.iterdir())
