"""How a budget is shared out."""

import pytest

from ferboost.config import CNNSettings, Settings, TreeSettings
from ferboost.reproduction import costs
from ferboost.reproduction.costs import CostMeter, all_trees_seconds, tree_seconds
from ferboost.reproduction.experiments import EXPERIMENTS, GRID, find_experiment
from ferboost.reproduction.planning import planned_length, run_length, share_of, training_length
from ferboost.settings import load_settings
from ferboost.tuning.jobs import Jobs
from tiny import PLAIN, cnn_settings

ALONE = Jobs(1, 1.0, "")
SETTINGS = load_settings("paper", seeds=(0, 1, 2))
DROPOUT = [e for e in EXPERIMENTS if e.key == "dropout"]  # 5 points


class OneSecond(CostMeter):
    """Takes a second for every epoch."""

    def __init__(self) -> None:
        super().__init__(PLAIN, images=100, classes=7)

    def epoch_seconds(self, settings: CNNSettings) -> float:
        del settings
        return 1.0


@pytest.mark.parametrize(
    ("seconds", "epochs", "seeds"),
    [
        (None, 50, 3),
        (0.0, 1, 1),
        (20.0, 4, 1),  # epochs first
        (45.0, 9, 1),
        (50.0, 5, 2),  # then seeds
        (75.0, 5, 3),
        (300.0, 20, 3),  # then epochs
        (1e6, 50, 3),  # never more than the authors had
    ],
)
def test_epochs_come_first_then_seeds_then_epochs(
    seconds: float | None, epochs: int, seeds: int
) -> None:
    length = training_length(DROPOUT, SETTINGS, OneSecond(), ALONE, seconds)
    assert (length.epochs, length.seeds, length.thinned) == (epochs, seeds, 1)
    assert length.seconds == 5 * epochs * seeds
    assert length.longest == epochs * seeds


@pytest.mark.parametrize(
    ("seconds", "thinned", "epochs"), [(249.0, 2, 5), (250.0, 1, 2), (50.0, 4, 2), (None, 1, 300)]
)
def test_the_grid_is_thinned_where_its_points_would_have_one_epoch(
    seconds: float | None, thinned: int, epochs: int
) -> None:
    one_seed = load_settings("paper")
    length = training_length([GRID], one_seed, OneSecond(), ALONE, seconds)
    assert (length.thinned, length.epochs) == (thinned, epochs)


def test_fewer_epochs_of_the_settings_are_kept() -> None:
    few = load_settings("paper", ["cnn.epochs=4"])
    assert training_length(DROPOUT, few, OneSecond(), ALONE, None).epochs == 4


def test_the_shares_of_what_is_left_add_up_to_one() -> None:
    left = ["layers", "data", "grid"]
    assert sum(share_of(part, left) for part in left) == pytest.approx(1)
    assert share_of("grid", ["grid"]) == 1


def test_a_network_that_cannot_be_costs_nothing_and_a_larger_one_more() -> None:
    meter = CostMeter(PLAIN, images=64, classes=3)
    stride = find_experiment("stride")
    assert stride is not None
    impossible = stride.applied(SETTINGS, {"cnn.stride": 4}).cnn
    assert meter.epoch_seconds(impossible) == 0
    small = meter.epoch_seconds(cnn_settings())
    assert 0 < small < meter.epoch_seconds(cnn_settings(filters=(64, 64)))
    assert meter.epoch_seconds(cnn_settings(learning_rate=0.5)) == small  # measured once


def test_what_took_longer_makes_what_is_left_longer() -> None:
    meter = CostMeter(PLAIN, images=64, classes=3)
    before = meter.epoch_seconds(cnn_settings())
    meter.learn(10, 30)
    assert meter.epoch_seconds(cnn_settings()) == pytest.approx(3 * before)
    meter.learn(10, 1)  # one that went fast does not show that the next will
    assert meter.epoch_seconds(cnn_settings()) == pytest.approx(1.5 * before)
    meter.learn(0, 1)
    assert meter.epoch_seconds(cnn_settings()) == pytest.approx(1.5 * before)


@pytest.mark.parametrize(
    ("jobs", "at_a_time", "seconds", "longest"),
    [
        (ALONE, 1, 5.0, 1.0),
        (Jobs(2, 1.5, ""), 2, 4.0, 4 / 3),  # the fifth has a core for itself, and one is idle
        (Jobs(5, 2.5, ""), 5, 2.0, 2.0),
        (Jobs(4, 1.5, ""), 1, 5.0, 1.0),  # the fifth alone would make it slower than one by one
        (Jobs(8, 4.0, ""), 8, 2.0, 2.0),
    ],
)
def test_several_at_a_time_take_as_long_as_the_last_of_them(
    jobs: Jobs, at_a_time: int, seconds: float, longest: float
) -> None:
    settings = load_settings("paper", ["cnn.epochs=1"])
    length = training_length(DROPOUT, settings, OneSecond(), jobs, None)
    assert length.jobs == at_a_time
    assert length.seconds == pytest.approx(seconds)
    assert length.longest == pytest.approx(longest)


def test_the_grid_has_epochs_for_its_claim_before_it_has_more_seeds() -> None:
    one_epoch = 125.0
    for epochs, seeds in ((29, 1), (30, 1), (59, 1), (30, 2), (30, 3)):
        seconds = epochs * seeds * one_epoch
        length = training_length([GRID], SETTINGS, OneSecond(), ALONE, seconds)
        assert (length.epochs, length.seeds) == (epochs, seeds)


def test_what_is_planned_already_takes_as_long_as_its_plan() -> None:
    settings = load_settings("paper", ["cnn.epochs=3"], seeds=(0, 1))
    [dropout] = DROPOUT
    length = planned_length(dropout, dropout.space, settings, OneSecond(), ALONE)
    assert (length.epochs, length.seeds, length.seconds) == (3, 2, 5 * 3 * 2)
    assert length.longest == 3 * 2


def test_what_other_programs_take_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = CostMeter(PLAIN, images=64, classes=3)
    seconds = iter([1.0, 2.0, 3.0])  # of three steps, of which one is left alone
    monkeypatch.setattr(costs, "_seconds_of", lambda _step: next(seconds))
    meter.observe(cnn_settings())
    alone = CostMeter(PLAIN, images=64, classes=3)
    monkeypatch.setattr(costs, "_seconds_of", lambda _step: 1.0)
    expected = 2.0 * alone.epoch_seconds(cnn_settings())
    assert meter.epoch_seconds(cnn_settings()) == pytest.approx(expected)


def test_trees_on_every_tap_are_counted() -> None:
    few = load_settings("paper", ["cnn.filters=[4, 4, 4]", "trees.rounds=1", 'trees.taps=["fc2"]'])
    more = load_settings("paper", ["cnn.filters=[4, 4, 4]", "trees.rounds=1"])
    assert 0 < all_trees_seconds(few, 60, 3) < all_trees_seconds(more, 60, 3)


def few_trees(*changes: str) -> Settings:
    small = ["cnn.filters=[4, 4, 4]", "trees.rounds=1", 'trees.taps=["fc1"]']
    return load_settings("paper", small + list(changes))


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        ([], 70 * 64),
        (["trees.mode=both"], 2 * 70 * 64),
        (['trees.baselines=["logistic", "mlp"]'], 3 * 70 * 64),
        (["trees.mode=both", 'trees.baselines=["mlp"]'], 4 * 70 * 64),
        (["trees.view_rows=true"], 2 * 70 * 64),
        (["trees.view_rows=true", "trees.views=jitter"], 10 * 70 * 64),
        (['trees.taps=["fc1-centres", "fc1-views", "fc1+output"]'], 70 * (7 + 64 + 64 + 7)),
        (
            [
                'trees.taps=["stacked", "fc1+stacked"]',
                'trees.stacked=["run-1", "run-2"]',
                "trees.features=out-of-fold",
            ],
            70 * (14 + 64 + 14),
        ),
    ],
)
def test_all_that_grows_on_a_cnn_is_counted(
    monkeypatch: pytest.MonkeyPatch, changes: list[str], values: int
) -> None:
    def second_for_each_value(
        settings: TreeSettings, images: int, features: int, classes: int, baseline: str | None
    ) -> float:
        del settings, classes, baseline
        return float(images * features)

    monkeypatch.setattr("ferboost.reproduction.costs.tree_seconds", second_for_each_value)
    assert all_trees_seconds(few_trees(*changes), 70, 7) == values


@pytest.mark.parametrize("baseline", [None, "logistic", "mlp"])
def test_trees_and_baselines_take_longer_on_more_images(baseline: str | None) -> None:
    trees = few_trees().trees
    seconds = [tree_seconds(trees, images, 8, 3, baseline) for images in (600, 60_000)]
    assert 0 < seconds[0] < seconds[1]


def test_cnns_without_a_fold_take_time_too() -> None:
    out_of_fold = load_settings("paper", ["trees.features=out-of-fold"], seeds=(0, 1, 2))
    assert run_length(SETTINGS, OneSecond(), 0.0, 100.0, 10) == (33, 3)
    assert run_length(out_of_fold, OneSecond(), 0.0, 100.0, 10) == (10, 2)


def test_trees_leave_less_time_for_epochs() -> None:
    assert run_length(SETTINGS, OneSecond(), 20.0, 100.0, 10) == (13, 3)
    assert run_length(SETTINGS, OneSecond(), 200.0, 100.0, 10) == (1, 1)


def test_the_time_of_the_first_experiment_is_told_not_of_those_after_it() -> None:
    two = DROPOUT + [e for e in EXPERIMENTS if e.key == "conv-layers"]
    length = training_length(two, SETTINGS, OneSecond(), ALONE, 100.0)
    assert length.seconds == 5 * length.epochs * length.seeds < 100
