"""Studies that run: real trainings, in processes of their own."""

import os
import select
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import FACES, begin, go_on, settings

import ferboost
from ferboost.datasets import hash_images
from ferboost.datasets.splitting import prepare_splits
from ferboost.errors import RunError, SettingsError
from ferboost.models import load_seed_model, network_path
from ferboost.settings import change_settings, load_settings
from ferboost.settings_files import nest, read_settings_file
from ferboost.tuning.dimensions import Value
from ferboost.tuning.faces import open_faces, stored_faces
from ferboost.tuning.outcomes import Outcome
from ferboost.tuning.study import Study, resume_study
from tiny import finish, new_network


def test_a_grid_is_tried_whole_and_each_point_once(tmp_path: Path) -> None:
    study = begin(
        tmp_path / "study",
        {"cnn": {"learning_rate": [1e-3, 1e-2], "filters": [[4, 4], [8]]}},
        settings=settings(seeds=(0, 1)),
    )
    outcomes = go_on(study, jobs=2)
    assert [outcome.status for outcome in outcomes] == ["done"] * 4
    points = [tuple(outcome.point.values()) for outcome in outcomes]
    assert sorted(map(str, points)) == sorted(
        str(tuple(point.values())) for point in study.space.grid()
    )
    for outcome in outcomes:
        assert [score.seed for score in outcome.seeds] == [0, 1]
        assert [len(score.history) for score in outcome.seeds] == [2, 2]
        accuracies = [score.accuracy for score in outcome.seeds]
        assert outcome.accuracy is not None
        assert min(a for a in accuracies if a is not None) <= outcome.accuracy <= 1
    best = study.best()
    assert best is not None
    assert best.accuracy == max(o.accuracy for o in outcomes if o.accuracy is not None)
    preset, changes = read_settings_file(study.best_path)
    found = load_settings(preset or "", (), seeds=(0, 1), **changes)
    assert found.cnn.learning_rate == best.point["cnn.learning_rate"]
    assert found.cnn == study.space.apply(study.plan.settings, best.point).cnn
    assert not (study.path / "faces").exists()


def test_no_trial_is_begun_when_the_time_is_over(tmp_path: Path) -> None:
    study = begin(tmp_path / "study", {"cnn": {"learning_rate": [1e-3, 1e-2]}})
    assert go_on(study, seconds=0) == ()
    first = go_on(study, seconds=0.5)
    assert len(first) <= 1  # whatever was running is finished
    both = go_on(study)
    assert [outcome.status for outcome in both] == ["done"] * 2
    assert both[: len(first)] == first


def test_what_is_done_with_doubted_labels_is_compared(tmp_path: Path) -> None:
    train = FACES.split("train")
    doubts = tmp_path / "doubts.csv"
    doubts.write_text("\n".join(["image", *map(str, train.names[::2]), ""]))
    study = begin(
        tmp_path / "study",
        {"data": {"doubted": ["keep", "drop", "down-weight", "soften"]}},
        settings=settings(data={"doubts": str(doubts)}),
    )
    outcomes = go_on(study)
    assert [outcome.status for outcome in outcomes] == ["done"] * 4
    assert len({outcome.seeds[0].history[-1].train_loss for outcome in outcomes}) == 4
    with pytest.raises(SettingsError, match="a study has one file of them"):
        begin(tmp_path / "other", {"data": {"doubts": ["a.csv", "b.csv"]}})


def search_path() -> str:
    here = Path(__file__)
    source = Path(ferboost.__file__).parents[1]
    return os.pathsep.join(map(str, (here.parent, here.parents[1], source)))


def go_on_in_a_process(study: Study, last: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, Path(__file__).with_name("killed.py"), study.path, str(last)],
        env=os.environ | {"PYTHONPATH": search_path()},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_after_three_kills_each_point_was_tried_exactly_once(tmp_path: Path) -> None:
    rates = [1e-3, 2e-3, 4e-3, 8e-3]
    study = begin(tmp_path / "study", {"cnn": {"learning_rate": rates, "filters": [[4], [8]]}})
    finished: dict[str, bytes] = {}
    for last in (40, 24, 19):
        with go_on_in_a_process(study, last) as process:
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        kept = {file.name: file.read_bytes() for file in study.trials_path.glob("trial-*.json")}
        assert finished.items() <= kept.items()
        finished = kept
    assert 0 < len(finished) < 8
    outcomes = go_on(study, jobs=2)
    kept = {file.name: file.read_bytes() for file in study.trials_path.glob("trial-*.json")}
    assert finished.items() <= kept.items()
    tried = Counter(str(outcome.point) for outcome in outcomes)
    assert tried == Counter(map(str, study.space.grid()))
    assert not list(study.path.rglob("*.part"))
    assert not (study.path / "faces").exists()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux can wait for a grandchild")
def test_workers_end_when_the_study_is_killed(tmp_path: Path) -> None:
    long = settings(cnn={"epochs": 1000})
    study = begin(tmp_path / "study", {"cnn.learning_rate": [1e-3]}, settings=long)
    script = (
        "import sys, ferboost.tuning.workers as workers\n"
        "start = workers.WorkerPool.start\n"
        "def told(pool):\n"
        "    worker = start(pool)\n"
        "    print(worker._process.pid, flush=True)\n"
        "    return worker\n"
        "workers.WorkerPool.start = told\n"
        "from killed import main\n"
        "main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, study.path, "0"],
        env=os.environ | {"PYTHONPATH": search_path()},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        worker = os.pidfd_open(int(process.stdout.readline()))
        process.kill()
        assert select.select([worker], [], [], 60)[0] == [worker]


def test_points_that_cannot_be_are_told_apart_from_bad_ones(tmp_path: Path) -> None:
    study = begin(
        tmp_path / "study",
        {"cnn": {"kernel_size": [3, 40], "learning_rate": [1e-3, 1e30]}},
    )
    ends = {str(list(o.point.values())): (o.status, o.reason) for o in go_on(study)}
    assert ends["[3, 0.001]"] == ("done", "")
    assert ends["[3, 1e+30]"][0] == "diverged"
    assert ends["[40, 0.001]"][0] == "refused"
    assert "would have no rows left" in ends["[40, 0.001]"][1]
    best = study.best()
    assert best is not None
    assert best.point == {"cnn.kernel_size": 3, "cnn.learning_rate": 1e-3}


def test_a_study_of_several_objectives_keeps_its_front(tmp_path: Path) -> None:
    study = begin(
        tmp_path / "study",
        {"cnn.filters": [[4, 4], [16, 16], [4, 40]], "trees.max_depth": [2]},
        settings=settings(trees={"taps": ("fc1",)}, seeds=(0, 1)), costs=("size", "time"),
    )  # fmt: skip
    outcomes = go_on(study)
    sizes = {str(o.point["cnn.filters"]): o.cost("size") or 0 for o in outcomes}
    network = new_network(study.plan.settings.cnn.model_copy(update={"filters": (4, 4)}))
    weights = sum(4 * tensor.numel() for tensor in network.state_dict().values())
    assert weights < sizes["(4, 4)"] < weights + 20_000  # with two rounds of trees
    assert sizes["(4, 4)"] < sizes["(16, 16)"] < sizes["(4, 40)"]
    assert all((o.cost("time") or 0) > 0 for o in outcomes)
    front = study.front()
    assert front[0].point["cnn.filters"] == (4, 4)
    assert study.best() in front
    assert {file.name for file in (study.path / "front").iterdir()} == {
        study.front_path(outcome).name for outcome in front
    }
    for outcome in front:
        _, changes = read_settings_file(study.front_path(outcome))
        assert tuple(changes["cnn"]["filters"]) == outcome.point["cnn.filters"]


def test_a_worker_that_ends_over_the_same_values_twice_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begin(tmp_path / "study", {"cnn.dropout": [0.0, 0.5]})
    deadly = tmp_path / "deadly"
    deadly.mkdir()
    (deadly / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if '-m' in sys.orig_argv and 'ferboost.tuning.worker' in sys.orig_argv:\n"
        "    import ferboost.tuning.scoring as scoring\n"
        "    original = scoring.new_network\n"
        "    def new_network(settings, classes, seed):\n"
        "        if settings.dropout:\n"
        "            os.kill(os.getpid(), 9)\n"
        "        return original(settings, classes, seed)\n"
        "    scoring.new_network = new_network\n",
        "utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(deadly), search_path()]))
    outcomes = {outcome.point["cnn.dropout"]: outcome for outcome in go_on(study)}
    assert outcomes[0.0].status == "done"
    assert outcomes[0.5].status == "crashed"
    assert outcomes[0.5].reason == "its process ended (signal 9), twice"


def test_trees_are_searched_on_the_cnns_of_a_run(tmp_path: Path) -> None:
    chosen = settings(trees={"taps": ("fc1",)}, seeds=(0, 1))
    run, _ = finish(tmp_path / "run", FACES, chosen)
    study = begin(
        tmp_path / "study",
        {"trees": {"max_depth": [2, 3], "mode": ["replace", "residual"]}},
        settings=run.settings, run=run,
    )  # fmt: skip
    outcomes = go_on(study)
    assert [outcome.status for outcome in outcomes] == ["done"] * 4
    for outcome in outcomes:
        assert [score.rounds for score in outcome.seeds] == [2, 2]
        assert [score.history for score in outcome.seeds] == [(), ()]
    preset, changes = read_settings_file(study.best_path)
    assert preset is None
    assert set(changes) == {"trees"}
    # The point that the run was made of gives what the run's own trees give.
    validation = prepare_splits(FACES, chosen.data, validation=True).split("validation")
    same = next(o for o in outcomes if o.point == {"trees.max_depth": 3, "trees.mode": "replace"})
    for score in same.seeds:
        predicted = load_seed_model(run, score.seed).probabilities(validation.images)["fc1"]
        assert score.accuracy == float((predicted.argmax(axis=1) == validation.labels).mean())


def test_a_cnn_that_the_trees_do_not_need_counts_for_nothing(tmp_path: Path) -> None:
    run, _ = finish(tmp_path / "run", FACES, settings(trees={"taps": ("fc1",)}))
    study = begin(
        tmp_path / "study",
        {"trees.taps": [["pixels"], ["fc1"]], "trees.mode": ["replace", "residual"]},
        settings=run.settings,
        run=run,
        costs=("size",),
    )
    sizes = {(o.point["trees.taps"], o.point["trees.mode"]): o.cost("size") for o in go_on(study)}
    weights = sum(4 * t.numel() for t in load_seed_model(run, 0).network.state_dict().values())
    small, *others = sorted((size or 0, point) for point, size in sizes.items())
    assert small[0] < weights < others[0][0]
    assert small[1] == (("pixels",), "replace")


def test_the_best_network_of_another_architecture_can_be_trained(tmp_path: Path) -> None:
    space = {"cnn.architecture": ["published", "residual"]}
    study = begin(tmp_path / "study", space, settings=load_settings("paper"))
    best = Outcome(status="done", seconds=1, number=1, point={"cnn.architecture": "residual"})
    values = study.best_settings(best)
    chosen = load_settings(
        values.pop("preset"), (), **nest({n: v for n, v in values.items() if n != "seeds"})
    )
    assert chosen.cnn.architecture == "residual"
    assert chosen.trees.taps == ("pooled", "output", "pixels")


def test_the_best_trees_on_a_run_keep_what_the_study_set(tmp_path: Path) -> None:
    run, _ = finish(tmp_path / "run", FACES, settings())
    changed = change_settings(run.settings, ["trees.taps=['fc1']", "trees.subsample=0.5"], {})
    study = begin(tmp_path / "study", {"trees.gamma": [0.5]}, settings=changed, run=run)
    point: dict[str, Value] = {"trees.gamma": 0.5}
    best = Outcome(status="done", seconds=1, number=0, point=point)
    assert study.best_settings(best) == {
        "trees.taps": ["fc1"],
        "trees.subsample": 0.5,
        "trees.gamma": 0.5,
    }


def test_a_run_whose_cnns_have_changed_is_refused(tmp_path: Path) -> None:
    run, _ = finish(tmp_path / "run", FACES, settings(trees={"taps": ("fc1",)}))
    study = begin(tmp_path / "study", {"trees.gamma": [0.0]}, settings=run.settings, run=run)
    network_path(run.seed_path(0)).write_bytes(b"other")
    with pytest.raises(RunError, match=r"the CNNs of .*run have changed"):
        resume_study(study.path, FACES)


def test_trees_and_cnn_are_searched_together_and_judged_on_unseen_images(tmp_path: Path) -> None:
    chosen = settings(
        data={"validation_fraction": 0.5},
        trees={"taps": ("fc1",), "features": "held-out", "early_stopping": 1},
    )
    study = begin(
        tmp_path / "study",
        {"trees.max_depth": [2], "cnn.learning_rate": [1e-3, 1e-2]},
        settings=chosen,
    )
    for outcome in go_on(study):
        assert outcome.status == "done"
        assert outcome.seeds[0].rounds in {1, 2}
        assert len(outcome.seeds[0].history) == 2


def test_too_few_images_to_judge_trees_on_unseen_ones_are_told(tmp_path: Path) -> None:
    chosen = settings(trees={"taps": ("fc1",), "features": "held-out"})
    study = begin(tmp_path / "study", {"trees.max_depth": [2]}, settings=chosen)
    (outcome,) = go_on(study)
    assert outcome.status == "refused"
    assert "validation images are too few" in outcome.reason


def test_the_test_images_are_nowhere_near_a_worker(tmp_path: Path) -> None:
    study = begin(tmp_path / "study", {"cnn.learning_rate": [1e-3]})
    prepared = prepare_splits(FACES, study.plan.settings.data, validation=True)
    test = set(prepared.split("test").hashes)
    with stored_faces(tmp_path / "faces", prepared) as folder:
        stored = open_faces(folder)
        seen = {*hash_images(stored.train.images), *hash_images(stored.validation.images)}
        assert len(stored.train.images) + len(stored.validation.images) == sum(
            prepared.splits != "test"
        )
    assert not test & seen


def test_a_pruner_stops_trainings(tmp_path: Path) -> None:
    study = begin(
        tmp_path / "study",
        {"cnn.learning_rate": {"values": [0.01, 0.011, 0.012, 30.0, 31.0, 32.0]}},
        settings=settings(cnn={"epochs": 9}), pruner="halving",
    )  # fmt: skip
    outcomes = go_on(study)
    stopped = [outcome for outcome in outcomes if outcome.status == "stopped"]
    assert stopped
    for outcome in stopped:
        assert outcome.reason == f"stopped after epoch {len(outcome.seeds[0].history)}"
        assert len(outcome.seeds[0].history) < 9


@pytest.mark.parametrize(
    ("space", "options", "message"),
    [
        ({"trees.gamma": [0.0]}, {}, r"trees of one kind .*settings have 2 \(fc1, pixels\)"),
        ({"trees.taps": [["fc1"], ["fc1", "fc2"]]}, {}, r"settings have 2 \(fc1, fc2\)"),
        (
            {"trees.taps": [["fc1"], ["fc2"]]},
            {"sampler": "random", "trials": 2, "settings": settings(trees={"mode": "both"})},
            r"settings have 2 \(fc1, fc1 residual\)",
        ),
        ({"cnn.l2": [0.1]}, {"settings": settings(protocol="paper")}, "never on test images"),
        ({"cnn.l2": [0.1]}, {"sampler": "random"}, "say how many trials"),
        ({"cnn.l2": [0.1]}, {"trials": 3}, "the grid has 1 points"),
        ({"trees.features": ["in-sample", "held-out"]}, {}, "which images a point is judged on"),
        ({"cnn.l2": [0.1]}, {"costs": ["size"], "pruner": "halving"}, "has several; use none"),
        ({"cnn.l2": [0.1]}, {"costs": ["size", "size"]}, "size is given twice"),
        ({"cnn.l2": {"low": 0, "high": 1}}, {}, "too many values for a grid"),
        ({"cnn.l2": [-0.1]}, {}, "setting cnn.l2 cannot be -0.1"),
        (
            {"trees.gamma": [0.0]},
            {"settings": settings(trees={"taps": ["fc1"], "features": "out-of-fold"})},
            "trains a CNN for each fold",
        ),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_leaves_nothing(
    tmp_path: Path, space: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        begin(tmp_path / "study", space, **options)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_other_data_and_another_version_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begin(tmp_path / "study", {"cnn.l2": [0.1]})
    assert resume_study(study.path, FACES).record == study.record
    with pytest.raises(RunError, match="is not the data that .*study was made with; .* start anew"):
        resume_study(study.path, FACES.select(np.arange(50)))
    with pytest.raises(RunError, match="exists already"):
        begin(tmp_path / "study", {"cnn.l2": [0.1]})
    monkeypatch.setattr("ferboost.tuning.study.version", lambda _name: "99.0")
    with pytest.raises(RunError, match=r"was started with ferboost .*, and this is 99\.0"):
        resume_study(study.path, FACES)
    with pytest.raises(RunError, match="is not a study directory"):
        resume_study(tmp_path, FACES)
    (study.path / "study.json").write_text("{}", "utf-8")
    with pytest.raises(RunError, match=r"study\.json is damaged or of another version"):
        resume_study(study.path, FACES)
