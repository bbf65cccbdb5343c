"""Trees as an ONNX node: what it computes, and the kinds of trees that it cannot hold."""

import re
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import xgboost
from numpy.typing import NDArray
from onnx import TensorProto, helper

from ferboost.errors import ExportError
from ferboost.export.graph import FACES, PROBABILITIES, Graph
from ferboost.export.trees import add_trees

CLASSES = 3
GENERATOR = np.random.default_rng(3)
FEATURES = GENERATOR.normal(size=(400, 5)).astype(np.float32)
LABELS = (np.digitize(FEATURES[:, 0] + 0.3 * FEATURES[:, 1], [-0.5, 0.5])).astype(np.int64)
PARAMETERS = {"objective": "multi:softprob", "num_class": CLASSES, "max_depth": 4, "verbosity": 0}


def grow(rounds: int = 6, **parameters: Any) -> xgboost.Booster:
    return xgboost.train(PARAMETERS | parameters, xgboost.DMatrix(FEATURES, LABELS), rounds)


def exported(booster: xgboost.Booster) -> onnx.ModelProto:
    graph = Graph()
    graph.name_output(add_trees(graph, booster, FACES, CLASSES), PROBABILITIES)
    model = graph.model([PROBABILITIES])
    entry = helper.make_tensor_value_info(FACES, TensorProto.FLOAT, ["n", FEATURES.shape[1]])
    model.graph.input[0].CopyFrom(entry)
    return model


def margins(model: onnx.ModelProto, features: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {FACES: features})[0])


def splits(booster: xgboost.Booster) -> list[float]:
    dumps = booster.get_dump(dump_format="json")
    return [
        float(value) for dump in dumps for value in re.findall(r'"split_condition": ([^,]+)', dump)
    ]


def assert_alike(booster: xgboost.Booster, features: NDArray[np.float32] = FEATURES) -> None:
    expected = booster.inplace_predict(features, predict_type="margin")
    np.testing.assert_allclose(margins(exported(booster), features), expected, atol=1e-5)


def test_margins_are_those_of_the_trees() -> None:
    assert_alike(grow())


def test_a_value_equal_to_a_threshold_goes_to_the_same_side() -> None:
    booster = grow(max_depth=1, rounds=1)
    thresholds = np.array(splits(booster), dtype=np.float32)
    assert len(thresholds) == CLASSES
    at_thresholds = np.zeros((len(thresholds), FEATURES.shape[1]), dtype=np.float32)
    at_thresholds[:] = thresholds[:, None]
    assert_alike(booster, at_thresholds)


def test_one_row_gives_what_it_gives_among_others() -> None:
    model = exported(grow())
    whole = margins(model, FEATURES[:20])
    alone = np.concatenate([margins(model, FEATURES[i : i + 1]) for i in range(20)])
    np.testing.assert_array_equal(alone, whole)


@pytest.mark.parametrize("base_score", [0.0, 0.5, -2.0])
def test_the_base_score_is_part_of_the_margins(base_score: float) -> None:
    assert_alike(grow(base_score=base_score))


def test_the_base_score_that_xgboost_estimates_is_part_of_the_margins() -> None:
    booster = grow(boost_from_average=1)
    assert_alike(booster)


def test_trees_without_a_split_are_their_leaf() -> None:
    booster = grow(gamma=1e9)
    assert not splits(booster)
    assert_alike(booster)


def test_missing_values_go_where_the_trees_send_them() -> None:
    holes = FEATURES.copy()
    holes[::3, 0] = np.nan
    booster = xgboost.train(PARAMETERS, xgboost.DMatrix(holes, LABELS), 4)
    assert_alike(booster, holes)


def test_several_trees_a_round_are_added_up() -> None:
    assert_alike(grow(num_parallel_tree=3, subsample=0.5))


def test_rounds_after_the_best_are_left_out() -> None:
    noise = GENERATOR.integers(0, CLASSES, len(LABELS))
    watched = xgboost.DMatrix(FEATURES, noise)
    booster = xgboost.train(
        PARAMETERS,
        xgboost.DMatrix(FEATURES, LABELS),
        30,
        evals=[(watched, "validation")],
        early_stopping_rounds=4,
        verbose_eval=False,
    )
    assert booster.best_iteration + 1 < booster.num_boosted_rounds()
    best = booster[: booster.best_iteration + 1]
    found = margins(exported(booster), FEATURES)
    np.testing.assert_allclose(
        found, best.inplace_predict(FEATURES, predict_type="margin"), atol=1e-5
    )


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"booster": "dart", "rate_drop": 0.5}, "DART"),
        ({"booster": "gblinear"}, "gblinear"),
        ({"multi_strategy": "multi_output_tree", "tree_method": "hist"}, "multi_output_tree"),
        ({"objective": "reg:squarederror", "num_class": 1}, "reg:squarederror"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*gblinear.*")
def test_other_kinds_of_trees_are_refused_by_name(parameters: dict[str, Any], named: str) -> None:
    booster = grow(**{"rounds": 2, **parameters})
    with pytest.raises(ExportError, match=named):
        exported(booster)


def test_splits_on_categories_are_refused() -> None:
    kinds = GENERATOR.integers(0, 4, (300, 1)).astype(np.float32)
    matrix = xgboost.DMatrix(
        kinds,
        (kinds[:, 0] % CLASSES).astype(np.int64),
        feature_types=["c"],
        enable_categorical=True,
    )
    booster = xgboost.train(PARAMETERS | {"tree_method": "hist"}, matrix, 2)
    with pytest.raises(ExportError, match="categories"):
        exported(booster)
