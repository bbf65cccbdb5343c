"""Points are handed out once each, whatever happens in between. No training is run here."""

import json
from collections import Counter
from pathlib import Path

import pytest
from studies import begin

from ferboost.errors import RunError, SettingsError
from ferboost.tuning.ledger import open_journal
from ferboost.tuning.outcomes import Outcome, SeedScore, write_outcome
from ferboost.tuning.sampling import Sampling
from ferboost.tuning.space import Point
from ferboost.tuning.study import Study

GRID = {"cnn": {"learning_rate": [1e-4, 1e-3], "filters": [[4, 4], [8]], "dropout": [0.0, 0.5]}}
CONDITIONS = {
    "cnn.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "cnn.batch_size": {"low": 8, "high": 64, "step": 8},
    "cnn.optimizer": ["adam", "muon"],
    "cnn.weight_decay": {"low": 0.0, "high": 0.1, "when": {"cnn.optimizer": "muon"}},
}


def outcome(number: int, point: Point, accuracy: float = 0.5) -> Outcome:
    score = SeedScore(seed=0, accuracy=accuracy, log_loss=1.0)
    return Outcome(status="done", seconds=1, seeds=(score,), number=number, point=point)


def finish(study: Study, sampling: Sampling, number: int, point: Point) -> None:
    assert sampling.tell(outcome(number, point))


def finish_all(study: Study) -> list[Point]:
    """Finish all that is left, and return its points."""
    sampling, points = Sampling(study, None), []
    while asked := sampling.ask():
        finish(study, sampling, *asked)
        points.append(asked[1])
    return points


def assert_each_once(study: Study) -> None:
    tried = Counter(str(sorted(o.point.items())) for o in study.outcomes())
    assert tried == Counter(str(sorted(point.items())) for point in study.space.grid())


def test_a_grid_is_handed_out_in_order_and_then_no_more(tmp_path: Path) -> None:
    study = begin(tmp_path / "study", GRID)
    assert finish_all(study) == list(study.space.grid())
    assert finish_all(study) == []
    assert_each_once(study)


def test_what_was_running_is_handed_out_again_and_what_is_over_is_not(tmp_path: Path) -> None:
    study = begin(tmp_path / "study", GRID)
    for _ in range(3):  # three sessions are killed with two trials running, one of them finished
        sampling = Sampling(study, None)
        first, second = sampling.ask(), sampling.ask()
        assert first
        assert second
        finish(study, sampling, *first)
    assert len(study.outcomes()) == 3
    finish_all(study)
    assert_each_once(study)


def test_a_result_that_the_journal_does_not_know_yet_counts(tmp_path: Path) -> None:
    study = begin(tmp_path / "study", GRID)
    asked = Sampling(study, None).ask()
    assert asked
    write_outcome(study.trials_path, outcome(*asked))  # killed here
    assert asked[1] not in finish_all(study)
    assert_each_once(study)
    assert open_journal(study).best_trial.number == asked[0]


def test_a_result_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    study = begin(tmp_path / "study", GRID)
    finish_all(study)
    (study.trials_path / "trial-00002.json").unlink()
    assert finish_all(study) == [study.space.grid()[2]]
    assert_each_once(study)


def test_every_line_of_the_journal_may_be_the_last(tmp_path: Path) -> None:
    whole = begin(tmp_path / "whole", GRID)
    sampling = Sampling(whole, None)
    for _ in range(3):
        asked = sampling.ask()
        assert asked
        finish(whole, sampling, *asked)
    lines = whole.journal.read_bytes().splitlines(keepends=True)
    for kept in range(0, len(lines), 3):
        cut = begin(tmp_path / f"cut-{kept}", GRID)
        torn = lines[kept][: len(lines[kept]) // 2]
        cut.journal.write_bytes(b"".join(lines[:kept]) + torn)
        cut.journal.with_name("journal.log.lock").touch()  # of the process that was killed
        finish_all(cut)
        assert_each_once(cut)


def test_another_damage_of_the_journal_is_named(tmp_path: Path) -> None:
    study = begin(tmp_path / "study", GRID)
    Sampling(study, None)
    study.journal.write_bytes(b"{}\n" + study.journal.read_bytes())
    with pytest.raises(RunError, match=r"journal\.log is damaged"):
        Sampling(study, None)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_drawn_points_keep_the_conditions_and_are_as_many_as_asked(
    tmp_path: Path, sampler: str
) -> None:
    study = begin(tmp_path / "study", CONDITIONS, sampler=sampler, trials=16)
    points = finish_all(study)
    assert len(points) == 16
    for point in points:
        assert ("cnn.weight_decay" in point) == (point["cnn.optimizer"] == "muon")
        assert point["cnn.batch_size"] in range(8, 65, 8)
    assert len({point["cnn.learning_rate"] for point in points}) == 16
    assert finish_all(study) == []


def test_random_points_are_the_same_however_often_it_was_interrupted(tmp_path: Path) -> None:
    whole = begin(tmp_path / "whole", CONDITIONS, sampler="random", trials=6)
    expected = finish_all(whole)
    halting = begin(tmp_path / "halting", CONDITIONS, sampler="random", trials=6)
    found: list[Point] = []
    for _ in range(6):
        sampling = Sampling(halting, None)
        asked = sampling.ask()
        assert asked
        finish(halting, sampling, *asked)
        found.append(asked[1])
    assert found == expected


def test_a_drawn_point_that_was_interrupted_is_tried_again(tmp_path: Path) -> None:
    study = begin(tmp_path / "study", CONDITIONS, sampler="random", trials=4)
    interrupted = Sampling(study, None).ask()
    assert interrupted
    points = finish_all(study)
    assert points[0] == interrupted[1]
    assert len(points) == 4


def test_more_trials_can_be_asked_for_later(tmp_path: Path) -> None:
    study = begin(tmp_path / "study", CONDITIONS, sampler="random", trials=2)
    finish_all(study)
    assert Sampling(study, 5).total == 5
    assert Sampling(study, 5).ask() is not None
    grid = begin(tmp_path / "grid", GRID)
    with pytest.raises(SettingsError, match="the grid has 8 points"):
        Sampling(grid, 5)


def test_values_over_which_a_process_ended_are_tried_once_more(tmp_path: Path) -> None:
    study = begin(tmp_path / "study", GRID)
    sampling = Sampling(study, None)
    asked = sampling.ask()
    assert asked
    assert sampling.crashes(asked[0]) == 0
    sampling.try_again(asked[0])
    numbers = {}
    while again := sampling.ask():
        numbers[again[0]] = again[1]
    last = max(numbers)
    assert numbers[last] == asked[1]
    assert sampling.crashes(last) == 1


def test_points_of_several_objectives_are_drawn(tmp_path: Path) -> None:
    plan = {"sampler": "tpe", "trials": 14, "costs": ("size", "time")}
    study = begin(tmp_path / "study", CONDITIONS, **plan)
    sampling = Sampling(study, None)
    while asked := sampling.ask():
        number, point = asked
        assert not sampling.report(number, 1, 1.0)
        score = SeedScore(seed=0, accuracy=0.5 + number / 100, log_loss=1, size=9, time=number)
        ended = Outcome(status="done", seconds=1, seeds=(score,), number=number, point=point)
        if number % 5 == 4:
            ended = Outcome(status="diverged", seconds=1, number=number, point=point)
        assert sampling.tell(ended)
    assert len(study.outcomes()) == 14
    best = open_journal(study).best_trials
    assert [trial.number for trial in best] == [o.number for o in study.front()]


@pytest.mark.parametrize("pruner", ["halving", "hyperband"])
def test_a_pruner_stops_the_worst_by_its_loss(tmp_path: Path, pruner: str) -> None:
    study = begin(
        tmp_path / "study",
        {"cnn.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}},
        sampler="random", trials=30, pruner=pruner,
    )  # fmt: skip
    nine = study.plan.model_copy(
        update={
            "settings": study.plan.settings.model_copy(
                update={"cnn": study.plan.settings.cnn.model_copy(update={"epochs": 9})}
            )
        }
    )
    study = Study(study.path, study.record.model_copy(update={"plan": nine}))
    sampling = Sampling(study, None)
    reached: dict[float, int] = {}
    for trial in range(18):
        asked = sampling.ask()
        assert asked
        loss = 1.0 + trial / 10  # each is worse than all before
        reached[loss] = 9
        for epoch in range(1, 10):
            if sampling.report(asked[0], epoch, loss):
                reached[loss] = epoch
                break
        status = "done" if reached[loss] == 9 else "stopped"
        ended = outcome(*asked).model_copy(update={"status": status})
        sampling.tell(ended)
    assert reached[1.0] == 9
    assert min(reached.values()) < 9
    assert sum(epoch < 9 for epoch in reached.values()) >= 6


def test_the_journal_can_be_read_by_optuna(tmp_path: Path) -> None:
    study = begin(tmp_path / "study", GRID)
    finish_all(study)
    trials = open_journal(study).trials
    assert [trial.params["cnn.filters"] for trial in trials[:4]] == [
        "[4, 4]",
        "[4, 4]",
        "[8]",
        "[8]",
    ]
    assert json.loads(study.journal.read_bytes().splitlines()[0])
