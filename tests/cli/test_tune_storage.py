"""``ferboost tune --storage``, with a real PostgreSQL server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from shell import SMALL, Trained, ferboost, ferboost_process
from test_startup import without

from postgres import PASSWORD, QUOTED, Server, private_server

TUNE = [change for change in SMALL if "trees" not in change]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    started = private_server()
    yield started
    started.remove()


@pytest.fixture(autouse=True)
def space(workplace: Path) -> None:
    Path("grid.toml").write_text("[cnn]\nlearning_rate = [1e-3, 1e-2]\n", "utf-8")


def test_the_password_is_shown_and_written_nowhere(
    trained: Trained, no_report: None, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("tune", trained.faces, "--space", "grid.toml", "--sampler", "grid", *TUNE)
    storage = f"--storage={server.url()}"
    first = ferboost(*command, storage, "--out", "hidden")
    assert first.code == 0, first.err
    assert "2 trials: 2 done" in first.out
    joined = ferboost(*command, storage, "--out", "elsewhere/hidden", "--json")
    assert [trial["number"] for trial in json.loads(joined.out)["trials"]] == [0, 1]
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    again = ferboost("tune", "--resume", "--out", "hidden")
    assert again.code == 0, again.err
    monkeypatch.setenv("PGPASSWORD", "other")
    refused = ferboost("tune", "--resume", "--out", "hidden")
    assert refused.code == 1
    assert refused.err.startswith("ferboost: error: cannot use the database postgresql://me@")
    assert refused.err.count("\n") == 1

    record = json.loads(Path("hidden/study.json").read_bytes())
    assert record["storage"] == server.url(password="")
    assert f"--storage={server.url(password='')}" in record["command"]
    kept = [file.read_text("utf-8", "replace") for file in Path().rglob("*") if file.is_file()]
    shown = [text for run in (first, joined, again, refused) for text in (run.out, run.err)]
    for text in (*kept, *shown):
        assert PASSWORD not in text
        assert QUOTED not in text


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        ("--storage postgresql://h/x", "has a name; give it by --out STUDY", 2),
        ("--storage mysql://me:secret@h/x --out s", "takes the address of a PostgreSQL", 2),
        ("--storage postgresql://me:secret@127.0.0.1:1/x --out s", "cannot use the database", 1),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(
    trained: Trained, options: str, message: str, code: int
) -> None:
    before = set(Path().iterdir())
    outcome = ferboost("tune", trained.faces, "--space", "grid.toml", *options.split())
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err
    assert "secret" not in outcome.err
    assert outcome.err.count("\n") == 1
    assert set(Path().iterdir()) == before


def test_a_missing_driver_is_one_line(trained: Trained) -> None:
    outcome = ferboost_process(
        "tune", trained.faces, "--space", "grid.toml", "--sampler", "grid", "--out", "s",
        "--storage", "postgresql://me@127.0.0.1:1/x", before=without("psycopg"),
    )  # fmt: skip
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "ferboost: error: this needs psycopg; run: pip install 'ferboost[train,tune,postgres]'\n"
    )
