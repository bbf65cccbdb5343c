"""Boosted trees as one ONNX node."""

import json
from typing import Any

import numpy as np
import xgboost
from onnx import numpy_helper

from ferboost.errors import ExportError
from ferboost.export.graph import TREE_DOMAIN, Graph

__all__ = ["add_trees"]

# ai.onnx.ml 5, TreeEnsemble: how a node compares, and what the sums become.
_LESS_THAN = 1
_UNCHANGED = 0


def add_trees(
    graph: Graph,
    booster: xgboost.Booster,
    features: str,
    classes: int,
    *,
    residual: bool = False,
) -> str:
    """Add the trees of a booster to `graph`; return their sums, before any softmax.

    Parameters
    ----------
    graph : Graph
    booster : xgboost.Booster
        Multi-class trees. Rounds after the best one, where early stopping says which that is, are
        left out.
    features : str
        The value in `graph` that the trees see, float32 of shape (n, width).
    classes : int
    residual : bool
        Whether the trees were grown from given margins, which then stand in the place of the base
        score.

    Returns
    -------
    str
        The margins, float32 of shape (n, classes), the base score included or, of residual trees,
        what they add.

    Raises
    ------
    ExportError
        If the trees are of a kind that the node cannot hold: DART, linear, vector leaves,
        categorical splits, another objective.
    """
    best = booster.attr("best_iteration")
    if best is not None and int(best) + 1 < booster.num_boosted_rounds():
        booster = booster[: int(best) + 1]
    learner = json.loads(booster.save_raw("json"))["learner"]
    base = _base_margins(learner, classes)
    model = _checked_trees(learner)
    nodes = _Nodes()
    for tree, target in zip(model["trees"], model["tree_info"], strict=True):
        nodes.add_tree(tree, target)
    margins = graph.add(
        "TreeEnsemble",
        features,
        domain=TREE_DOMAIN,
        n_targets=classes,
        post_transform=_UNCHANGED,
        **nodes.attributes(),
    )
    if residual or not base.any():
        return margins
    return graph.add("Add", margins, graph.constant(base))


def _base_margins(learner: dict[str, Any], classes: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    objective = learner["objective"]["name"]
    if not objective.startswith("multi:"):
        raise ExportError(
            f"the trees were grown for the objective {objective}; only the multi-class ones "
            "(multi:softprob) can be exported"
        )
    # One value for all classes, or one for each (XGBoost 3.1 and later).
    base = np.array(json.loads(learner["learner_model_param"]["base_score"]), dtype=np.float32)
    return np.ascontiguousarray(np.broadcast_to(base.ravel(), classes))


def _checked_trees(learner: dict[str, Any]) -> dict[str, Any]:
    kind = learner["gradient_booster"]["name"]
    if kind == "dart":
        raise ExportError(
            "the trees were grown by DART (booster=dart, rate_drop), which weighs them anew at "
            "every round; grow them with booster=gbtree"
        )
    if kind != "gbtree":
        raise ExportError(f"a booster of kind {kind} has no trees; only gbtree can be exported")
    model: dict[str, Any] = learner["gradient_booster"]["model"]
    for tree in model["trees"]:
        if int(tree["tree_param"]["size_leaf_vector"]) > 1:
            raise ExportError(
                "the trees have a vector in each leaf (multi_strategy=multi_output_tree); grow "
                "them with one_output_per_tree"
            )
        if any(tree["split_type"]):
            raise ExportError("the trees split on categories; give them numbers alone")
    return model


class _Nodes:
    """The nodes of all trees, inner ones and leaves numbered apart, as the operator wants them."""

    def __init__(self) -> None:
        self.roots: list[int] = []
        self.features: list[int] = []
        self.thresholds: list[float] = []
        self.missing_to_true: list[int] = []
        self.children: tuple[list[int], list[int]] = ([], [])
        self.children_are_leaves: tuple[list[int], list[int]] = ([], [])
        self.leaf_targets: list[int] = []
        self.leaf_weights: list[float] = []

    def add_tree(self, tree: dict[str, Any], target: int) -> None:
        left, right = tree["left_children"], tree["right_children"]
        self.roots.append(len(self.features))
        numbers = {}
        for node, child in enumerate(left):
            is_leaf = child == -1
            numbers[node] = len(self.leaf_weights) if is_leaf else len(self.features)
            if is_leaf:
                self.leaf_targets.append(target)
                self.leaf_weights.append(tree["split_conditions"][node])
            else:
                self._append(tree, node)
        if left[0] == -1:  # nothing but a leaf: both sides of a split that decides nothing
            self._append(tree, 0)
            left, right = [0], [0]
            numbers, is_leaf_of = {0: numbers[0]}, [True]
        else:
            is_leaf_of = [child == -1 for child in left]
        for side, children in zip((0, 1), (left, right), strict=True):
            inner = [child for child in children if child != -1]
            self.children[side].extend(numbers[child] for child in inner)
            self.children_are_leaves[side].extend(int(is_leaf_of[child]) for child in inner)

    def _append(self, tree: dict[str, Any], node: int) -> None:
        self.features.append(tree["split_indices"][node])
        self.thresholds.append(tree["split_conditions"][node])
        self.missing_to_true.append(int(tree["default_left"][node]))

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of ``TreeEnsemble``; left is where its comparison is true."""
        count = len(self.features)
        return {
            "tree_roots": self.roots,
            "nodes_featureids": self.features,
            "nodes_splits": numpy_helper.from_array(np.array(self.thresholds, dtype=np.float32)),
            "nodes_modes": numpy_helper.from_array(np.full(count, _LESS_THAN, dtype=np.uint8)),
            "nodes_missing_value_tracks_true": self.missing_to_true,
            "nodes_truenodeids": self.children[0],
            "nodes_falsenodeids": self.children[1],
            "nodes_trueleafs": self.children_are_leaves[0],
            "nodes_falseleafs": self.children_are_leaves[1],
            "leaf_targetids": self.leaf_targets,
            "leaf_weights": numpy_helper.from_array(np.array(self.leaf_weights, dtype=np.float32)),
        }
