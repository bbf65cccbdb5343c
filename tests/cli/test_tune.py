"""``ferboost tune``."""

import json
import signal
import sys
from pathlib import Path

import pytest
from shell import SMALL, Trained, ferboost, ferboost_process, process, vote_for_labels
from test_startup import without

SPACE = "[cnn]\nlearning_rate = [1e-3, 1e-2]\ndropout = { low = 0.0, high = 0.5 }\n"
TUNE = [change for change in SMALL if "trees" not in change]


@pytest.fixture(autouse=True)
def space(workplace: Path) -> None:
    Path("space.toml").write_text(SPACE, "utf-8")
    Path("grid.toml").write_text("[cnn]\nlearning_rate = [1e-3, 1e-2]\n", "utf-8")
    Path("trees.toml").write_text("[trees]\nmax_depth = [2, 3]\n", "utf-8")


def test_a_study_ends_in_a_table_and_settings_that_train(trained: Trained, no_report: None) -> None:
    outcome = ferboost(
        "tune", trained.faces, "--space", "space.toml", "--trials", 3, "-o", "s", *TUNE
    )
    assert outcome.code == 0, outcome.err
    title, _, columns, *_ = outcome.out.splitlines()
    assert title == "3 trials: 3 done; on validation images, best first"
    for name in ("trial", "accuracy %", "log loss", "cnn.learning_rate", "cnn.dropout", "seconds"):
        assert name in columns
    assert f"ferboost train {trained.faces} --settings s/best.toml --seeds 3" in outcome.out
    found = ferboost(
        "train", trained.faces, "--settings", "s/best.toml", "-o", "run", *SMALL, "--json"
    )
    assert found.code == 0, found.err

    more = ("tune", "--resume", "-o", "s", "--trials", 4, "--json")
    resumed = json.loads(ferboost(*more).out)
    assert len(resumed["trials"]) == 4
    assert resumed["best"] in resumed["trials"]
    assert json.loads(ferboost(*more).out) == resumed


def test_a_data_set_is_tuned_without_a_space(trained: Trained, no_report: None) -> None:
    outcome = ferboost("tune", trained.faces, "--trials", 2, "-o", "s", "--json", *TUNE)
    assert outcome.code == 0, outcome.err
    tried = json.loads(outcome.out)["trials"]
    assert len(tried) == 2
    names = {"cnn.learning_rate", "cnn.l2", "cnn.dropout", "cnn.batch_size"}
    assert set(tried[0]["point"]) == names


def test_trees_of_a_run_are_searched_and_grown(trained: Trained, no_report: None) -> None:
    outcome = ferboost(
        "tune", "--run", trained.run, "--space", "trees.toml", "--sampler", "grid",
        "--set", 'trees.taps=["fc1"]', "-o", "s",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert f"ferboost boost {trained.run} --settings s/best.toml" in outcome.out
    assert ferboost("boost", trained.run, "--settings", "s/best.toml", "-o", "b").code == 0


def test_trees_of_folds_are_searched_with_votes_and_grown(
    trained: Trained, no_report: None
) -> None:
    folds = ["trees.features=out-of-fold", "trees.folds=2", "cnn.epochs=1"]
    sets = [word for change in folds for word in ("--set", change)]
    assert ferboost("train", trained.faces, "-o", "f", *SMALL, *sets).code == 0
    vote_for_labels(trained.faces, Path("votes.csv"))
    search = (
        "tune", "--run", "f", "--space", "trees.toml", "--sampler", "grid",
        "--set", 'trees.taps=["fc1"]', "--set", "trees.votes=0.5",
    )  # fmt: skip
    assert "give them by --votes" in ferboost(*search, "-o", "s").err
    outcome = ferboost(*search, "--votes", "votes.csv", "-o", "s")
    assert outcome.code == 0, outcome.err
    resumed = ferboost("tune", "--resume", "-o", "s", "--json")  # finds the votes again
    assert len(json.loads(resumed.out)["trials"]) == 2
    grown = ferboost("boost", "f", "--settings", "s/best.toml", "--votes", "votes.csv", "-o", "b")
    assert grown.code == 0, grown.err


def test_several_objectives_end_in_a_front(trained: Trained, no_report: None) -> None:
    outcome = ferboost(
        "tune", trained.faces, "--space", "grid.toml", "--sampler", "grid", "-o", "s",
        "--against", "both", *TUNE,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "the front: no other trial beats these, cheapest first" in outcome.out
    assert " kB" in outcome.out
    assert " ms a face" in outcome.out
    found = json.loads(ferboost("tune", "--resume", "-o", "s", "--json").out)
    assert found["front"]
    assert set(found["front"]) <= {0, 1}
    assert all(trial["size"] > 0 and trial["time"] > 0 for trial in found["trials"])
    refused = ferboost("tune", "--resume", "-o", "s", "--against", "size")
    assert refused.err.endswith("s was started with --against both, and that stays\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_ctrl_c_says_how_to_go_on(trained: Trained) -> None:
    grid = ("tune", trained.faces, "--space", "grid.toml", "--sampler", "grid", "-o", "my study")
    with process(*grid, *TUNE) as started:
        assert started.stderr is not None
        while "trial 0" not in started.stderr.readline():
            assert started.poll() is None
        started.send_signal(signal.SIGINT)
        assert started.wait() == 130
        assert started.stderr.read().endswith(
            "ferboost: interrupted; go on with: ferboost tune --resume --out 'my study'\n"
        )
    repeated = ferboost(*grid, "--resume", "--json")
    assert repeated.code == 0, repeated.err
    assert [trial["status"] for trial in json.loads(repeated.out)["trials"]] == ["done", "done"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--trials 2", "tune needs DATA; see: ferboost tune --help"),
        ("DATA --sampler grid", "has too many values for a grid"),
        ("DATA --space nowhere.toml", "there is no file nowhere.toml; check the path"),
        ("DATA --space space.toml", "the sampler tpe does not end by itself"),
        ("DATA --space space.toml --sampler grid", "cnn.dropout has too many values for a grid"),
        ("DATA --space grid.toml --sampler grid --trials 2", "the grid has 2 points"),
        ("DATA --space trees.toml --sampler grid", "trees of one kind are tried at a time"),
        ("--resume", "--resume needs to know which study; give it by --out STUDY"),
        ("--run RUN --space grid.toml --trials 2", "on the CNNs of a run only trees.* can be"),
        ("--run RUN --space trees.toml --seeds 2", "leave out --seeds"),
        ("--run RUN --space trees.toml --set cnn.epochs=2", "stay; --set cnn.epochs=2 cannot be"),
        ("DATA --space space.toml --trials 2 --set cnn.dense=3", "setting cnn.dense cannot be 3"),
        ("DATA --space space.toml --trials 2 --pruner best", "invalid value for '--pruner'"),
        ("DATA --space space.toml --trials 2 --ray here", "--ray takes HOST:PORT of a head node"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(
    trained: Trained, arguments: str, message: str
) -> None:
    names = {"DATA": str(trained.faces), "RUN": str(trained.run)}
    before = set(Path().iterdir())
    outcome = ferboost("tune", *(names.get(word, word) for word in arguments.split()))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("ferboost: error: ")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert set(Path().iterdir()) == before


def test_a_study_of_other_data_or_another_plan_is_not_gone_on_with(trained: Trained) -> None:
    grid = ("tune", trained.faces, "--space", "grid.toml", "--sampler", "grid", "-o", "s", *TUNE)
    assert ferboost(*grid).code == 0
    assert "s exists already; go on with it by --resume" in ferboost(*grid).err
    ferboost("data", "generate", "other.zip", "--count-per-class", 10)
    for options, message in (
        (("other.zip",), "is not the data that s was made with; give it "),
        (("--space", "space.toml"), "space.toml is not the space that s was started with"),
        (("--sampler", "tpe"), "s was started with --sampler grid, and that stays"),
        (("--seeds", 3), "s was started with --seeds 1, and that stays"),
        (("--set", "cnn.l2=1"), "leave out --set"),
        (("--trials", 9), "the grid has 2 points"),
    ):
        outcome = ferboost("tune", "--resume", "-o", "s", *options)
        assert outcome.code in {1, 2}
        assert message in outcome.err
        assert outcome.err.splitlines()[-1].startswith("ferboost: error: ")


def test_a_cluster_that_is_not_there_is_one_line_and_leaves_nothing(trained: Trained) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    before = set(Path().iterdir())
    outcome = ferboost(
        "tune", trained.faces, "--space", "space.toml", "--trials", 2, "--ray", "127.0.0.1:1"
    )
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("ferboost: error: there is no Ray cluster at 127.0.0.1:1: ")
    assert outcome.err.count("\n") == 1
    assert set(Path().iterdir()) == before


def test_a_missing_package_is_one_line(trained: Trained, workplace: Path) -> None:
    before = set(workplace.iterdir())
    outcome = ferboost_process(
        "tune", trained.faces, "--space", "space.toml", "--trials", 2, before=without("optuna")
    )
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "ferboost: error: this needs optuna; run: pip install 'ferboost[train,tune]'\n"
    )
    options = ("--space", "space.toml", "--trials", 2, "--ray", "auto")
    outcome = ferboost_process("tune", trained.faces, *options, before=without("ray"))
    assert outcome.err == (
        "ferboost: error: this needs ray; run: pip install 'ferboost[train,tune,ray]'\n"
    )
    assert set(workplace.iterdir()) == before
