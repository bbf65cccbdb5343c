"""``--settings FILE``: what a study found, given to another command."""

import json
from pathlib import Path

import pytest
from shell import Trained, ferboost

from ferboost.runs import Run


def test_train_takes_a_file_and_set_counts_more(trained: Trained, no_report: None) -> None:
    Path("best.toml").write_text('preset = "fast"\n[cnn]\nepochs = 1\nfilters = [4]\n', "utf-8")
    outcome = ferboost(
        "train", trained.faces, "--settings", "best.toml", "--set=cnn.filters=[4,4]",
        '--set=trees.taps=["pixels"]', "--set=trees.rounds=1", "--set=number_format=float32",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    settings = Run.open(Path("runs/fast-clean-1")).settings
    assert (settings.cnn.epochs, settings.cnn.filters, settings.cnn.optimizer) == (
        1,
        (4, 4),
        "muon",
    )


def test_boost_takes_a_file_of_trees(trained: Trained, no_report: None) -> None:
    Path("best.toml").write_text("[trees]\nmax_depth = 2\n", "utf-8")
    outcome = ferboost("boost", trained.run, "--settings", "best.toml", "-o", "deeper", "--json")
    assert json.loads(outcome.out)["run"] == "deeper"
    assert Run.open(Path("deeper")).settings.trees.max_depth == 2


@pytest.mark.parametrize(
    ("content", "command", "message"),
    [
        (
            "[cnn]\nepoch = 1",
            "train",
            "best.toml: no setting 'cnn.epoch'; did you mean cnn.epochs?",
        ),
        ("[cnn]\nepochs = 0", "train", "setting cnn.epochs cannot be 0: input should be greater"),
        ('preset = "fast"', "train --preset strong", "best.toml starts from the preset 'fast'"),
        ("[cnn]\nepochs = 1", "boost", "boost changes trees.* only, the CNN stays; best.toml has"),
        ('preset = "fast"', "boost", "boost changes trees.* only, the CNN stays; best.toml has"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(
    trained: Trained, content: str, command: str, message: str
) -> None:
    Path("best.toml").write_text(content, "utf-8")
    name, *options = command.split()
    source = trained.faces if name == "train" else trained.run
    outcome = ferboost(name, source, *options, "--settings", "best.toml", "-o", "new")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"ferboost: error: {message}")
    assert outcome.err.count("\n") == 1
    assert not Path("new").exists()
