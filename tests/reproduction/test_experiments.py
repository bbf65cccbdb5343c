"""The study as data."""

import pytest

from ferboost.published import published, published_grid
from ferboost.reproduction.experiments import EXPERIMENTS, GRID, find_experiment
from ferboost.settings import load_settings

KEYS = [experiment.key for experiment in EXPERIMENTS]


def test_every_experiment_has_a_key_of_its_own_and_can_be_found() -> None:
    assert len(set(KEYS)) == len(KEYS)
    assert [find_experiment(key).key for key in KEYS] == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_what_the_authors_chose_is_among_what_they_tried(key: str) -> None:
    experiment = find_experiment(key)
    assert experiment.chosen
    for name, value in experiment.chosen.items():
        assert value in experiment.values[name]


@pytest.mark.parametrize("key", KEYS)
def test_every_experiment_can_start_from_the_published_settings(key: str) -> None:
    experiment = find_experiment(key)
    experiment.space.check(experiment.applied(load_settings(), {}))


def test_the_tables_hold_what_the_authors_print() -> None:
    table = find_experiment("table-2")
    assert table is not None
    assert table.printed_at({"trees.max_depth": 8}) == 57.86
    assert table.chosen == {"trees.max_depth": 8}
    assert "1.0 points" in table.claim
    assert sum(len(e.space.grid()) for e in EXPERIMENTS if e.kind == "trees") == 27


def test_the_grid_has_125_points_and_its_best_where_the_axes_read_right_have_it() -> None:
    printed = published_grid()
    assert len(printed) == len(GRID.space.grid()) == 125
    best = published()["grid_search"]["best_accuracy"]
    place = (best["learning_rate"], best["l2"], best["batch_size"])
    assert max(printed, key=lambda at: printed[at]) == place
    assert round(printed[place], 1) == best["accuracy"]
    point = dict(zip(GRID.values, place, strict=True))
    assert GRID.printed_at(point) == printed[place]


@pytest.mark.parametrize(("step", "points"), [(1, 125), (2, 48), (4, 18)])
def test_a_thinned_grid_keeps_both_ends_and_what_the_authors_call_best(
    step: int, points: int
) -> None:
    thinned = GRID.thinned(step)
    assert len(thinned.space.grid()) == points
    for name, values in thinned.values.items():
        ends = {GRID.values[name][0], GRID.values[name][-1]}
        assert ends | {GRID.chosen[name], GRID.printed_best[name]} <= set(values)


def test_zero_padding_is_fixed_where_the_pooling_varies() -> None:
    experiment = find_experiment("pool-size")
    settings = experiment.applied(load_settings(), {"cnn.pool_size": 4})
    assert (settings.cnn.padding, settings.cnn.pool_size) == ("zero", 4)
