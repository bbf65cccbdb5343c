"""Figures of a model's inside."""

import json

import numpy as np
import pytest
import xgboost
from fabricated import fabricate_face, fabricate_tree

from ferboost.errors import DataError
from ferboost.report.anatomy import plot_feature_maps, plot_filters
from ferboost.report.tree import plot_tree


def texts(dump: str, levels: int = 3) -> list[str]:
    (axes,) = plot_tree(dump, "a tree", levels=levels).axes
    return [text.get_text() for text in axes.texts]


def test_the_maps_that_vary_most_are_shown_under_the_name_of_their_layer() -> None:
    maps = np.zeros((9, 4, 4), np.float32)
    maps[:, 0, 0] = [0, 3, 1, 9, 2, 8, 5, 4, 7]
    (axes,) = plot_feature_maps(fabricate_face(), [("convolution 1", maps)]).axes
    shown = [image.get_array() for image in axes.images[1:]]
    assert [int(np.max(array)) for array in shown if array is not None] == [9, 8, 7, 5, 4, 3]
    assert [text.get_text() for text in axes.texts] == [
        "input: 48 by 48",
        "convolution 1: 9 maps, 4 by 4",
    ]


def test_a_layer_with_few_maps_shows_them_all() -> None:
    maps = np.ones((2, 4, 4), np.float32)
    (axes,) = plot_feature_maps(fabricate_face(), [("convolution 1", maps)]).axes
    assert len(axes.images) == 1 + 2


def test_filters_share_one_symmetric_scale() -> None:
    filters = np.linspace(-1, 3, 9 * 10, dtype=np.float32).reshape(10, 3, 3)
    figure = plot_filters(filters)
    assert len(figure.axes[0].images) == 10
    assert {image.get_clim() for image in figure.axes[0].images} == {(-3.0, 3.0)}


def test_filters_of_zeros_can_be_drawn() -> None:
    plot_filters(np.zeros((4, 3, 3), np.float32)).draw_without_rendering()


def test_a_tree_of_xgboost_shows_its_conditions_and_leaves() -> None:
    features = np.array([[0.0], [1.0], [2.0], [3.0]] * 5)
    booster = xgboost.train(
        {"max_depth": 1, "base_score": 0.0, "eta": 1.0, "lambda": 0.0},
        xgboost.DMatrix(features, label=np.repeat([0], 20) + (features[:, 0] > 1) * 2),
        num_boost_round=1,
    )
    (dump,) = booster.get_dump(dump_format="json")
    assert set(texts(dump)) == {"yes", "no", "f0\n< 2", "+0.000", "+2.000"}


def test_yes_goes_up_and_no_goes_down() -> None:
    tree = {
        "nodeid": 0,
        "split": "fc1_3",
        "split_condition": -0.5,
        "yes": 2,
        "no": 1,
        "children": [{"nodeid": 1, "leaf": -0.25}, {"nodeid": 2, "leaf": 0.5}],
    }
    (axes,) = plot_tree(json.dumps(tree), "a tree").axes
    rows = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert rows["+0.500"] < rows["fc1_3\n< \u22120.5"] < rows["\u22120.250"]


def test_what_grows_below_the_levels_is_counted() -> None:
    shown = texts(json.dumps(fabricate_tree(depth=2)), levels=1)
    assert shown.count("… 2 leaves") == 2


def test_a_tree_of_one_leaf_is_drawn() -> None:
    assert texts('{"nodeid": 0, "leaf": 0.125}') == ["+0.125"]


@pytest.mark.parametrize("dump", ["", "[]", "{}", '{"nodeid": 0, "split": "f0"}', "0:[f0<2]"])
def test_what_is_not_a_tree_is_refused(dump: str) -> None:
    with pytest.raises(DataError, match="not one tree"):
        plot_tree(dump, "a tree")
