"""``ferboost reproduce``."""

import json
from pathlib import Path

import pytest
from shell import Trained, ferboost

SMALL = ("--set", "cnn.filters=[4,4,4]", "--set", "cnn.epochs=1", "--set", "number_format=float32")


def test_a_part_is_repeated_resumed_and_told(trained: Trained) -> None:
    first = ferboost(
        "reproduce", trained.faces, "--only", "fc2", "--seeds", 1, "-o", "study", *SMALL
    )
    assert first.code == 0, first.err
    assert "7 units of fc2 are best" in first.out
    assert "page: study/reproduction.html" in first.out
    again = ferboost("reproduce", "--resume", "--out", "study", "--json")
    assert again.code == 0, again.err
    described = json.loads(again.out)
    assert described["page"] == "study/reproduction.html"
    assert [claim["what"] for claim in described["claims"]] == ["7 units of fc2 are best"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "reproduce needs DATA, or --resume"),
        (("--resume",), "--resume needs to know which folder"),
        (("--resume", "--out", "nowhere"), "nowhere is not a reproduction: it has no repro"),
        (("nowhere.zip",), "nowhere.zip"),
        (("FACES", "--only", "grids"), "no part 'grids'; did you mean grid?"),
        (("FACES", "--budget", "0"), "a budget is a number of minutes above 0"),
        (("FACES", "--set", "cnn.epoch=1"), "did you mean epochs?"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    trained: Trained, workplace: Path, arguments: tuple[str, ...], message: str
) -> None:
    given = [str(trained.faces) if a == "FACES" else a for a in arguments]
    outcome = ferboost("reproduce", *given)
    assert outcome.code != 0
    assert message in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert not list(workplace.iterdir())


def test_resuming_refuses_another_plan(trained: Trained) -> None:
    ferboost("reproduce", trained.faces, "--only", "stride", "--seeds", 1, "-o", "study", *SMALL)
    outcome = ferboost("reproduce", "--resume", "--out", "study", "--budget", 5)
    assert outcome.code != 0
    assert "leave out --budget" in outcome.err
