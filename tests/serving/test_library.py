"""``serve --runs``: runs and studies are listed, compared and opened, and nothing else is."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from services import Gate
from starlette.testclient import TestClient

from ferboost.runs import DataRecord, Run, RunRecord
from ferboost.serving import create_app
from ferboost.serving.library import Library, differences
from ferboost.settings import parse_settings
from ferboost.tuning.outcomes import Outcome, SeedScore, write_outcome

LABELS = np.arange(600) % 3


def make_run(
    path: Path,
    right: dict[str, list[float]],
    created: str = "2026-01-01",
    labels: Any = LABELS,
    images: str | None = None,
    fingerprint: str = "f" * 32,
) -> Run:
    """Make a run whose variants are right as often as said, by seed; unfinished if none is."""
    seeds = max(map(len, right.values()), default=1)
    data = DataRecord(path="/data.zip", fingerprint=fingerprint, counts={}, notes=())
    record = RunRecord(
        settings=parse_settings({"seeds": list(range(seeds))}),
        classes=("a", "b", "c"),
        data=data,
        environment={},
        command="ferboost train",
        created=f"{created}T00:00:00+00:00",
    )
    run = Run.create(path, record)
    if right:
        arrays = {"labels": labels, "clean": np.arange(len(labels)) >= 100}
        if images is not None:
            arrays["images"] = np.array(images)
        for variant, shares in right.items():
            for seed, share in enumerate(shares):
                said = np.where(np.arange(len(labels)) < share * len(labels), labels, labels + 1)
                arrays[f"{seed}/{variant}"] = np.eye(4, dtype=np.float32)[said]
                arrays[f"{seed}/{variant}/seconds"] = np.zeros(3)
        np.savez(path / "predictions.npz", **arrays)
        (path / "report.html").write_text(f"<h1>Report of {path.name}</h1>")
    return run


def make_study(path: Path) -> None:
    path.mkdir(parents=True)
    record = {"plan": {"objective": "log_loss"}, "created": "2026-01-03T00:00:00+00:00"}
    (path / "study.json").write_text(json.dumps(record))
    for number, loss in enumerate((1.5, 1.25)):
        score = SeedScore(seed=0, accuracy=0.5, log_loss=loss)
        point = {"cnn.learning_rate": 0.001 * (number + 1)}
        outcome = Outcome(status="done", seconds=1, seeds=(score,), number=number, point=point)
        write_outcome(path / "trials", outcome)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root") / "runs"
    make_run(root / "first", {"cnn": [0.5, 0.6], "fc1": [0.55, 0.65]})
    make_run(root / "deep/er/<b>second & last</b>", {"cnn": [0.7, 0.8, 0.9]}, "2026-01-02")
    make_run(root / "other images", {"cnn": [0.7]}, labels=LABELS[::-1].copy())
    make_run(root / "going-on", {})
    make_study(root / "study")
    (root / "damaged").mkdir()
    (root / "damaged/run.json").write_text("{")
    (root / "half").mkdir()
    (root / "half/study.json").write_text("[]")
    (root / "reproduction.html").write_text("<h1>Repeated</h1>")
    (root / "first/secret.html").write_text("secret")
    (root / "first/log.txt").write_text("secret")
    (root.parent / "report.html").write_text("secret")
    (root / "going-on/report.html").symlink_to(root.parent / "report.html")
    return root


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Gate(), runs=root)) as client:
        yield client


def text_of(page: str) -> str:
    body = page[page.index("<body>") :]
    return " ".join(re.sub(r"<[^>]*>", " ", body).replace("&nbsp;", " ").split())


def test_runs_and_studies_are_listed_newest_first(client: TestClient) -> None:
    answer = client.get("/runs")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    text = text_of(answer.text)
    assert "4 runs and 1 study in runs" in text
    assert "first 2026-01-01 paper clean 2 55.00 ± 7.07 60.00 (fc1) 52.00 report" in text
    assert "going-on 2026-01-01 paper clean 1 not finished" in text
    assert text.index("second &amp; last") < text.index("first 2026")
    assert "study 2026-01-03 2 trials: 2 done 1.2500 log loss cnn.learning_rate=0.002" in text
    assert "<b>second" not in answer.text
    assert "reproduction.html" in text


def test_reports_are_opened_and_run_nothing(client: TestClient) -> None:
    page = client.get("/runs").text
    links = re.findall(r'href="(/runs/files/[^"]*)"', page)
    assert len(links) == 5
    opened = [client.get(link) for link in links if "going-on" not in link]
    assert [answer.status_code for answer in opened] == [200] * 4
    assert "<h1>Report of first</h1>" in [answer.text for answer in opened]
    assert "script-src" not in opened[0].headers["Content-Security-Policy"]
    assert "default-src 'none'" in opened[0].headers["Content-Security-Policy"]


def test_a_run_or_a_study_can_be_the_folder_itself(tmp_path: Path) -> None:
    make_run(tmp_path / "run", {"cnn": [0.5]})
    make_study(tmp_path / "study")
    (tmp_path / "study/study.html").write_text("<h1>Study</h1>")
    for name, title in (("run", "Report of run"), ("study", "Study")):
        with TestClient(create_app(Gate(), runs=tmp_path / name)) as client:
            page = client.get("/runs").text
            assert f"of {name}</span>" in page
            (link,) = re.findall(r'href="(/runs/files/[^"]*)"', page)
            assert f"<h1>{title}</h1>" in client.get(link).text


@pytest.mark.parametrize(
    "path",
    [
        "first/log.txt",
        "first/run.json",
        "first/secret.html",
        "first",
        "first/",
        "",
        "../report.html",
        "%2e%2e/report.html",
        "..%2freport.html",
        "first/../../report.html",
        "first/..%2f..%2freport.html",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "going-on/report.html",
        "first%00/report.html",
        "first/report.html%00",
        "first\\report.html",
    ],
)
def test_nothing_else_is_opened(client: TestClient, path: str) -> None:
    answer = client.get(f"/runs/files/{path}")
    assert answer.status_code == 404
    assert "secret" not in answer.text
    assert "root:" not in answer.text


def test_runs_are_compared_on_the_images_they_share(client: TestClient, root: Path) -> None:
    names = ["first", "deep/er/<b>second & last</b>", "other images"]
    answer = client.get("/runs/compare", params={"run": names})
    text = text_of(answer.text)
    assert "Compared with first" in text
    assert "second &amp; last&lt;/b&gt; cnn 2 +20.00" in text
    assert "better" in text
    assert "other images cnn 70.00" in text
    assert text.count("better") == 1
    runs = {run.name: run for run in Library(root).runs()}
    (found,) = differences(runs["first"], [runs[names[1]], runs[names[2]]])
    assert found.points == pytest.approx(20)
    assert (found.seeds, found.verdict) == (2, "better")
    assert found.interval[0] < 20 < found.interval[1]


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        ({"images": "a"}, {"images": "b"}, 0),
        ({"images": "a", "fingerprint": "1" * 32}, {"images": "a", "fingerprint": "2" * 32}, 1),
        ({"images": "a", "fingerprint": "1" * 32}, {"fingerprint": "2" * 32}, 0),
        ({"images": "a"}, {}, 1),
    ],
    ids=["other images", "same images", "older run of other data", "older run of the same data"],
)
def test_equal_labels_alone_make_no_images_the_same(
    tmp_path: Path, one: dict[str, str], other: dict[str, str], count: int
) -> None:
    make_run(tmp_path / "one", {"cnn": [0.5]}, **one)
    make_run(tmp_path / "other", {"cnn": [0.6]}, **other)
    first, second = Library(tmp_path).runs()
    assert len(differences(first, [second])) == count


def test_a_few_images_are_no_difference(tmp_path: Path) -> None:
    make_run(tmp_path / "one", {"cnn": [0.5]}, images="a")
    make_run(tmp_path / "other", {"cnn": [0.5 + 4 / len(LABELS)]}, images="a")
    runs = {run.name: run for run in Library(tmp_path).runs()}
    (found,) = differences(runs["one"], [runs["other"]])
    assert found.interval[0] > 0  # but McNemar's test of four images has p = 0.125
    assert found.verdict == "no difference shown"


def test_a_folder_whose_name_is_no_utf_8_is_passed_over(root: Path, client: TestClient) -> None:
    folder = os.fsencode(root) + b"/r\xff"
    os.mkdir(folder)  # noqa: PTH102
    (Path(os.fsdecode(folder)) / "report.html").write_text("hello")
    try:
        assert client.get("/runs").status_code == 200
        assert "other images" in client.get("/runs").text
    finally:
        shutil.rmtree(folder)


def test_a_run_is_not_different_from_itself(root: Path) -> None:
    run = Library(root).runs()[-1]
    for found in differences(run, [run]):
        assert (found.points, found.verdict) == (0, "no difference shown")


def test_fewer_than_two_known_runs_cannot_be_compared(client: TestClient) -> None:
    for names in ([], ["first"], ["first", "first"], ["first", "nothing"], ["../first", "first"]):
        answer = client.get("/runs/compare", params={"run": names})
        assert answer.status_code == 422
        assert "choose two runs" in answer.json()["detail"]


def test_a_run_that_goes_on_is_read_anew(tmp_path: Path) -> None:
    make_run(tmp_path / "run", {})
    library = Library(tmp_path)
    assert library.runs()[0].scores == ()
    (tmp_path / "run/run.json").unlink()
    make_run(tmp_path / "run", {"cnn": [0.5]})
    assert library.runs()[0].scores[0].accuracy == 50
    (tmp_path / "run/predictions.npz").write_bytes(b"PK damaged")
    assert library.runs()[0].scores == ()


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("clean", np.ones(3, dtype=bool)),
        ("labels", np.array(["happy", "sad"])),
        ("0/cnn", np.zeros((len(LABELS), 0), dtype=np.float32)),
    ],
)
def test_a_damaged_run_leaves_the_others_readable(
    tmp_path: Path, name: str, damaged: NDArray[Any]
) -> None:
    make_run(tmp_path / "whole", {"cnn": [0.5]})
    make_run(tmp_path / "damaged", {"cnn": [0.5]})
    file = tmp_path / "damaged/predictions.npz"
    with np.load(file) as kept:
        arrays = dict(kept)
    np.savez(file, **arrays | {name: damaged})
    scores = {run.name: run.scores for run in Library(tmp_path).runs()}
    assert scores["damaged"] == ()
    assert scores["whole"][0].accuracy == 50


def test_an_empty_folder_says_how_to_begin(tmp_path: Path) -> None:
    with TestClient(create_app(Gate(), runs=tmp_path)) as client:
        text = text_of(client.get("/runs").text)
    assert "There is none yet: ferboost train DATA" in text


def test_with_a_token_runs_are_private(root: Path) -> None:
    with TestClient(create_app(Gate(), runs=root, token="0123456789abcdef")) as client:  # noqa: S106
        for path in ("/runs", "/runs/compare", "/runs/files/first/report.html"):
            answer = client.get(path)
            assert answer.status_code == 401
            assert "Basic" in answer.headers["WWW-Authenticate"]
            assert client.get(path, auth=("", "0123456789abcdef")).status_code in {200, 422}
