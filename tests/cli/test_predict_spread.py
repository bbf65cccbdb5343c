"""``ferboost predict --ray`` on a cluster of two nodes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from shell import ferboost, ferboost_process
from test_startup import without

from clusters import two_nodes

# Ray Data warns of what it deprecates in its own defaults.
pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with two_nodes() as cluster:
        yield cluster.address


@pytest.fixture
def folder(workplace: Path) -> Path:
    """Make a folder of 140 pictures, of which one is none."""
    folder = Path("photos")
    folder.mkdir()
    for number in range(140):
        values = np.random.default_rng(number).integers(0, 256, (48, 48), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{number:03}.png")
    (folder / "070.png").write_bytes(b"no picture")
    return folder


def rows_of(path: str) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def test_a_cluster_writes_the_table_that_one_machine_does(folder: Path, address: str) -> None:
    here = ferboost("predict", folder, "--parquet", "here.parquet", "--coverage", 0.9)
    spread = ferboost(
        "predict", folder, "--parquet", "spread.parquet", "--coverage", 0.9, "--ray", address
    )
    assert here.code == spread.code == 1  # one is no picture
    assert "070.png" in spread.err
    expected, found = rows_of("here.parquet"), rows_of("spread.parquet")
    assert len(found) == 139
    assert [row["image"] for row in found] == [row["image"] for row in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["candidates"] == other["candidates"]
        assert one["emotion"] == other["emotion"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-6)
    assert len(list(Path().glob(".*.part*"))) == 2  # for when the one is repaired


def test_a_node_with_another_version_is_said_so(
    folder: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferboost.inference.spreading.version", lambda _: "0.0.1")
    outcome = ferboost("predict", folder, "--parquet", "out.parquet", "--ray", address)
    assert outcome.code == 1
    assert "install the same everywhere" in outcome.err
    assert not Path("out.parquet").exists()


def test_what_was_done_before_an_interruption_is_not_done_again(
    folder: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ferboost.inference import records

    add, added = records.Journal.add, 0

    def interrupted(journal: records.Journal, kept: list[records.Record]) -> None:
        nonlocal added
        added += 1
        if added == 40:
            raise KeyboardInterrupt
        add(journal, kept)

    command = ("predict", folder, "--parquet", "faces.parquet", "--ray", address)
    with monkeypatch.context() as patch:
        patch.setattr(records.Journal, "add", interrupted)
        outcome = ferboost(*command)
    assert outcome.code == 130
    assert outcome.err.rstrip().endswith(f"--parquet faces.parquet --ray {address}")
    again = ferboost(*command, "--json")
    assert "39 of 140 pictures are done already" in again.err
    assert len({record["image"] for record in json.loads(again.out)}) == 139
    assert len(rows_of("faces.parquet")) == 139


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        ("--parquet t --ray 127.0.0.1:1", "there is no Ray cluster at 127.0.0.1:1: ", 1),
        ("--ray auto", "--ray is for many pictures, and so for a table; give --parquet FILE", 2),
        ("--ray auto --parquet t --annotate drawn", "leave out --ray", 2),
        ("--ray auto --parquet t --model .", "--ray sends one file to the nodes", 2),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(
    workplace: Path, options: str, message: str, code: int
) -> None:
    Image.new("L", (48, 48)).save("a.png")
    before = set(workplace.iterdir())
    outcome = ferboost("predict", "a.png", *options.split())
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert set(workplace.iterdir()) == before


def test_a_missing_ray_is_one_line(workplace: Path) -> None:
    Image.new("L", (48, 48)).save("a.png")
    outcome = ferboost_process(
        "predict", "a.png", "--ray", "auto", "--parquet", "t", before=without("ray")
    )
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "ferboost: error: --ray needs the package ray, which is not installed; install it: "
        "pip install 'ferboost[ray]'\n"
    )
