"""LightGBM's trees."""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.baselines.base import Baseline, Validation, unreadable
from ferboost.config import TreeSettings
from ferboost.errors import RunError
from ferboost.files import write_bytes
from ferboost.progress import Tell
from ferboost.soft_targets import class_weights, soft_objective

__all__ = ["LightGBMBaseline"]


class LightGBMBaseline(Baseline):
    """LightGBM's trees (Ke et al., 2017) with the settings of XGBoost's, in its units."""

    _booster: Any  # lightgbm.Booster, which is imported where it is used
    _start: NDArray[np.float32]

    def fit(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
        validation: Validation | None = None,
        on_round: Tell | None = None,
        *,
        logits: NDArray[np.float32] | None = None,
        validation_logits: NDArray[np.float32] | None = None,
        targets: NDArray[np.float32] | None = None,
    ) -> "LightGBMBaseline":
        """Fit it; see `ferboost.boosting.BoostedTrees.fit`."""
        import lightgbm

        settings = self.settings
        of_class = class_weights(labels, self.classes, settings, logits)
        weights = of_class[labels]
        # LightGBM's own start would be lost where its trees are added to given scores.
        shares = np.bincount(labels, weights, self.classes) / weights.sum()
        if targets is not None:
            shares = np.average(targets, axis=0, weights=weights)
        self._start = (
            np.zeros(self.classes, np.float32)
            if self.residual
            else np.log(np.maximum(shares, np.finfo(np.float32).tiny)).astype(np.float32)
        )
        train = lightgbm.Dataset(
            features, labels, weight=weights, init_score=self._from(logits, len(labels))
        )
        callbacks: list[Callable[..., Any]] = []
        watched, unboosted = [], np.inf
        if validation is not None and settings.early_stopping is not None:
            seen, true = validation
            start = self._from(validation_logits, len(true))
            weight = of_class[true]
            watched = [
                lightgbm.Dataset(seen, true, weight=weight, reference=train, init_score=start)
            ]
            if self.residual:
                unboosted = _mean_log_loss(start, true, weight)
            callbacks.append(lightgbm.early_stopping(settings.early_stopping, verbose=False))
        if on_round is not None:
            callbacks.append(lambda at: on_round(at.iteration + 1, settings.rounds, ""))
        # For second derivatives, LightGBM takes K / (K - 1) p (1 - p) (Friedman, 2001; measured by
        # the weights of its leaves, 4.7: 1.1667 p (1 - p) for 7 classes), XGBoost and
        # `soft_objective` 2 p (1 - p).
        factor = self.classes / (self.classes - 1) if targets is None else 2.0
        parameters = self._parameters(factor / 2)
        if targets is not None:
            parameters |= {"objective": soft_objective(targets, weights), "metric": "none"}
        booster = lightgbm.train(
            parameters,
            train,
            settings.rounds,
            valid_sets=watched,
            feval=None if targets is None else _log_loss,
            callbacks=callbacks,
        )
        self.rounds_ = booster.best_iteration if watched else settings.rounds
        if watched and min(booster.best_score["valid_0"].values()) >= unboosted:
            self.rounds_ = 0
        self._booster = booster
        return self

    def _parameters(self, curvature: float) -> dict[str, object]:
        """Return what gives the trees of XGBoost where second derivatives are so many of its."""
        settings = self.settings
        return {
            "objective": "multiclass",
            "num_class": self.classes,
            "boost_from_average": False,
            "max_depth": settings.max_depth,
            "num_leaves": 2 ** min(settings.max_depth, 10),
            "learning_rate": curvature * settings.learning_rate,
            "min_gain_to_split": settings.gamma / curvature,
            "lambda_l2": curvature * settings.reg_lambda,
            "min_sum_hessian_in_leaf": curvature * settings.min_child_weight,
            "min_data_in_leaf": 1,  # 20 by default, which XGBoost does not ask for
            "bagging_fraction": settings.subsample,
            "bagging_freq": int(settings.subsample < 1),
            "feature_fraction": settings.columns,
            "seed": self.seed,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }

    def _from(self, logits: NDArray[np.float32] | None, n: int) -> NDArray[np.float64]:
        start = np.broadcast_to(self._start, (n, self.classes)) if logits is None else logits
        return start.astype(np.float64)

    def _scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self.rounds_:  # LightGBM would take 0 for all of them
            return np.zeros((len(features), self.classes), dtype=np.float32)
        raw = self._booster.predict(features, raw_score=True, num_iteration=self.rounds_)
        return (np.asarray(raw) + self._start).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write the trees as LightGBM's text and its SHA-256, within JSON."""
        trees = self._booster.model_to_string(num_iteration=self.rounds_)
        content = {
            "classes": self.classes,
            "residual": self.residual,
            "rounds": self.rounds_,
            "start": [float(value) for value in self._start],
            "trees": trees,
            "sha256": sha256(trees.encode()).hexdigest(),
        }
        write_bytes(path, json.dumps(content).encode())

    @classmethod
    def load(cls, path: Path, settings: TreeSettings, classes: int) -> "LightGBMBaseline":
        """Read what `save` wrote.

        Raises
        ------
        RunError
            If the file is missing or damaged, or has another number of classes.
        """
        import lightgbm

        try:
            content: Mapping[str, Any] = json.loads(path.read_bytes())
            baseline = cls(settings, classes, residual=bool(content["residual"]))
            baseline._booster = lightgbm.Booster(model_str=_checked(content))
            baseline._start = np.array(content["start"], np.float32)
            baseline.rounds_ = int(content["rounds"])
            if content["classes"] != classes:
                reason = (
                    f"{path} is for {content['classes']} classes, not {classes}; restore the run"
                )
                raise RunError(reason)
        except (OSError, KeyError, TypeError, ValueError, lightgbm.basic.LightGBMError) as error:
            raise unreadable(path, error) from error
        return baseline


def _checked(content: Mapping[str, Any]) -> str:
    trees = str(content["trees"])
    recorded = content.get("sha256")  # which files of older versions lack
    if recorded is not None and sha256(trees.encode()).hexdigest() != recorded:
        raise ValueError("the SHA-256 of its trees is not the recorded one")
    return trees


def _log_loss(margins: NDArray[np.float64], data: Any) -> tuple[str, float, bool]:
    """Return the mean cross-entropy of labels, as LightGBM takes a metric, for own losses."""
    loss = _mean_log_loss(margins, data.get_label().astype(np.int64), data.get_weight())
    return "log loss", loss, False


def _mean_log_loss(
    margins: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[np.float32]
) -> float:
    logs = margins - np.logaddexp.reduce(margins, axis=1, keepdims=True)
    return float(np.average(-logs[np.arange(len(labels)), labels], weights=weights))
