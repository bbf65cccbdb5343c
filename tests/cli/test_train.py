"""``ferboost train``, ``boost``, ``report`` and ``demo``."""

import json
from pathlib import Path

import pytest
from shell import SMALL, Trained, ferboost, vote_for_labels

from ferboost.runs import Run


def test_a_run_directory_holds_models_predictions_and_a_report(trained: Trained) -> None:
    files = {str(path.relative_to(trained.run)) for path in trained.run.rglob("*")}
    assert files >= {"run.json", "log.txt", "predictions.npz", "report.html"}
    for seed in ("seed-0", "seed-1"):
        assert files >= {f"{seed}/network.safetensors", f"{seed}/metrics.csv"}
        assert files >= {f"{seed}/trees-fc1.ubj", f"{seed}/trees-pixels.ubj"}
    assert not [name for name in files if name.endswith(".part") or "state" in name]


def test_train_prints_results_as_json_and_its_decisions_on_standard_error(
    trained: Trained,
) -> None:
    result = json.loads(trained.outcome.out)
    assert result["run"] == str(trained.run)
    assert result["report"] == str(trained.run / "report.html")
    assert list(result["variants"]) == ["cnn", "fc1", "pixels"]
    assert result["seeds"] == 2
    lines = trained.outcome.err.splitlines()
    assert lines[0] == f"run directory: {trained.run}"
    assert any("precision" in line for line in lines)


def test_the_command_is_kept_so_that_it_can_be_repeated(trained: Trained) -> None:
    command = Run.open(trained.run).record.command
    assert command.startswith(f"ferboost train {trained.faces} --seeds 2 ")
    assert "--set=cnn.filters=[4,4]" in command


def test_a_run_without_a_name_gets_the_next_free_number(trained: Trained, no_report: None) -> None:
    Path("runs/paper-paper-1").mkdir(parents=True)
    outcome = ferboost("train", trained.faces, "--protocol", "paper", *SMALL, "--set=trees.taps=[]")
    assert outcome.code == 0
    run = Run.open(Path("runs/paper-paper-2"))
    assert run.settings.protocol == "paper"
    assert outcome.out.rstrip().endswith("report: runs/paper-paper-2/report.html")
    assert "selected on these very images" in outcome.out


def test_the_first_seed_can_be_chosen(trained: Trained, no_report: None) -> None:
    outcome = ferboost("train", trained.faces, "-o", "mine", "--first-seed", 7, *SMALL)
    assert outcome.code == 0
    assert Run.open(Path("mine")).settings.seeds == (7,)
    assert Path("mine/seed-7/network.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "seeds"),
    [
        ((), (0,)),
        (("--preset", "ensemble"), (0, 1, 2)),
        (("--preset", "ensemble", "--first-seed", "4"), (4, 5, 6)),
        (("--preset", "ensemble", "--seeds", "2"), (0, 1)),
        (("--settings", "ensemble.toml", "--first-seed", "4"), (4, 5, 6)),
        (("--set", "seeds=[3,8]"), (3, 8)),
        (("--set", "seeds=[3,8]", "--first-seed", "5"), (5, 6)),
    ],
)
def test_seeds_are_the_presets_unless_said_otherwise(
    trained: Trained,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    seeds: tuple[int, ...],
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ferboost.pipeline.execute_run", stop)
    Path("ensemble.toml").write_text('preset = "ensemble"\n', "utf-8")
    some = ("--set", "data.validation_fraction=0.3")  # which held-out trees of `ensemble` need
    assert ferboost("train", trained.faces, "-o", "mine", *some, *options).code == 130
    assert Run.open(Path("mine")).settings.seeds == seeds


def test_resuming_a_finished_run_gives_its_results_again(
    trained: Trained, run: Path, no_report: None
) -> None:
    outcome = ferboost("train", "--resume", run, "--json")
    assert outcome.code == 0
    first, again = json.loads(trained.outcome.out), json.loads(outcome.out)
    assert again["per_seed"] == first["per_seed"]


def test_boost_makes_a_new_run_of_the_same_cnns(
    trained: Trained, run: Path, no_report: None
) -> None:
    outcome = ferboost("boost", run, "--tap", "output", "--set", "trees.max_depth=2")
    assert outcome.code == 0
    branch = Run.open(Path("run-boost-1"))
    assert branch.settings.trees.taps == ("output",)
    assert branch.settings.trees.max_depth == 2
    network = Path("seed-1/network.safetensors")
    assert (branch.path / network).read_bytes() == (run / network).read_bytes()
    rows = [line.split("  ")[0] for line in outcome.out.splitlines()[4:6]]
    assert rows == ["CNN", "trees: output"]
    assert "report: run-boost-1/report.html" in outcome.out


def test_boost_of_the_folder_one_is_in_makes_the_new_run_beside_it(
    trained: Trained, run: Path, no_report: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Path.cwd()
    data = Path(trained.faces).resolve()
    monkeypatch.chdir(run)
    outcome = ferboost("boost", ".", "--data", data, "--tap", "output", "--set", "trees.rounds=1")
    assert outcome.code == 0, outcome.err
    assert Run.open(before / "run-boost-1").settings.trees.taps == ("output",)


def test_boost_is_told_where_the_data_is(trained: Trained, run: Path, no_report: None) -> None:
    record = json.loads((run / "run.json").read_bytes())
    record["data"]["path"] = "moved.zip"
    (run / "run.json").write_text(json.dumps(record))
    small = ("--tap", "output", "--set", "trees.max_depth=2")
    outcome = ferboost("boost", run, *small)
    assert (outcome.code, outcome.out) == (1, "")
    assert "moved.zip" in outcome.err
    assert ferboost("data", "generate", "other.zip", "--count-per-class=9", "--seed=9").code == 0
    outcome = ferboost("boost", run, *small, "--data", "other.zip")
    assert (outcome.code, outcome.out) == (1, "")
    assert "other.zip" in outcome.err
    outcome = ferboost("boost", run, *small, "--data", trained.faces)
    assert outcome.code == 0
    assert Run.open(Path("run-boost-1")).record.data.path == str(trained.faces)


def test_report_is_written_again(run: Path) -> None:
    page = (run / "report.html").read_text("utf-8")
    (run / "report.html").unlink()
    outcome = ferboost("report", run)
    assert (outcome.code, outcome.out) == (0, "report: run/report.html\n")
    assert "<html" in (run / "report.html").read_text("utf-8")
    assert len((run / "report.html").read_text("utf-8")) == pytest.approx(len(page), rel=0.01)


def test_a_training_that_diverges_says_so_and_what_to_lower(trained: Trained) -> None:
    outcome = ferboost("train", trained.faces, *SMALL, "--set=cnn.learning_rate=1e30")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.count("ferboost: error: ") == 1
    last = outcome.err.splitlines()[-1]
    assert last.startswith("ferboost: error: ")
    assert "cnn.learning_rate" in last


def test_demo_goes_from_drawn_faces_to_a_prediction() -> None:
    outcome = ferboost("demo", "tour", "--count-per-class", 20, "--epochs", 1)
    assert outcome.code == 0
    for name in ("faces.zip", "photo.png", "run/report.html"):
        assert (Path("tour") / name).exists()
    lines = outcome.out.splitlines()
    assert lines[-2] == "report: tour/run/report.html"
    assert lines[-1].startswith("tour/photo.png: ")
    assert "%" in lines[-1]


def test_trees_learn_votes_and_a_stopped_run_finds_them_again(
    trained: Trained, run: Path, no_report: None
) -> None:
    vote_for_labels(trained.faces, Path("votes.csv"))
    outcome = ferboost("boost", run, "--tap", "fc1", "--votes", "votes.csv", "-o", "voted")
    assert (outcome.code, Run.open(Path("voted")).settings.trees.votes) == (0, 1.0)
    Path("voted/seed-0/trees-fc1.ubj").unlink()
    Path("voted/seed-0/train-accuracy.json").unlink()
    assert ferboost("train", "--resume", "voted").code == 0
    Path("labels.toml").write_text("[trees]\nvotes = 0.0\n", "utf-8")
    for name, option in (
        ("set", ("--set", "trees.votes=0")),
        ("file", ("--settings", "labels.toml")),
    ):
        labels = ("--votes", "votes.csv", *option, "-o", name)
        assert ferboost("boost", run, "--tap", "fc1", *labels).code == 0
        assert Run.open(Path(name)).settings.trees.votes == 0
    refused = ferboost("boost", run, "--set", "trees.votes=0.5", "-o", "unvoted")
    assert refused.code == 2
    assert "takes FER+ votes, and there are none; give them by --votes" in refused.err
    missing = ferboost("boost", run, "--votes", "nothing.csv", "-o", "unvoted")
    assert (missing.code, "there is no file of votes nothing.csv" in missing.err) == (1, True)
    assert not Path("unvoted").exists()
