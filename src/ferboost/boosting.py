"""Gradient boosted trees on features: the published method, in which they replace upper layers."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import xgboost
from numpy.typing import NDArray

from ferboost.config import TreeSettings
from ferboost.errors import DataError, RunError
from ferboost.files import write_bytes, write_text
from ferboost.progress import Tell

__all__ = ["BoostedTrees"]

# One row a batch for each thread would be slow; all at once would copy a large matrix.
_PREDICT_ROWS = 65_536


class BoostedTrees:
    """Multi-class XGBoost on a feature matrix, with the published settings by default.

    The objective is the softmax cross-entropy (``multi:softprob``; Chen and Guestrin, 2016).

    Parameters
    ----------
    settings : TreeSettings
    classes : int
        Number of classes.
    seed : int

    Attributes
    ----------
    booster_ : xgboost.Booster
        The fitted trees, cut after the best round where early stopping is on.
    rounds_ : int
        Rounds that are used.
    """

    booster_: xgboost.Booster
    rounds_: int

    def __init__(self, settings: TreeSettings, classes: int, seed: int = 0) -> None:
        self.settings = settings
        self.classes = classes
        self.seed = seed

    def fit(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
        validation: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None,
        on_round: Tell | None = None,
    ) -> "BoostedTrees":
        """Grow the trees.

        Parameters
        ----------
        features : ndarray of float32, shape (n, width)
        labels : ndarray of int64, shape (n,)
        validation : tuple of ndarray, optional
            Features and labels that early stopping watches; it is off without them.
        on_round : callable, optional
            Called with (done, total, "") after every round.

        Raises
        ------
        DataError
            If a class has no row.
        """
        counts = np.bincount(labels, minlength=self.classes)
        if counts.min() == 0:
            raise DataError(
                f"class {counts.argmin()} of {self.classes} has no image for the trees to learn "
                "from; add some"
            )
        settings = self.settings
        parameters = {
            "objective": "multi:softprob",
            "eval_metric": "mlogloss",
            "num_class": self.classes,
            "max_depth": settings.max_depth,
            "eta": settings.learning_rate,
            "gamma": settings.gamma,
            "lambda": settings.reg_lambda,
            "tree_method": "hist",
            "seed": self.seed,
            "verbosity": 0,
        }
        train = xgboost.QuantileDMatrix(features, labels)
        watched, patience = [], None
        if validation is not None and settings.early_stopping is not None:
            watched = [(xgboost.QuantileDMatrix(*validation, ref=train), "validation")]
            patience = settings.early_stopping
        booster = xgboost.train(
            parameters,
            train,
            num_boost_round=settings.rounds,
            evals=watched,
            early_stopping_rounds=patience,
            verbose_eval=False,
            callbacks=[_Rounds(on_round, settings.rounds)] if on_round else None,
        )
        self.rounds_ = booster.best_iteration + 1 if patience else settings.rounds
        self.booster_ = booster[: self.rounds_]
        return self

    def predict_proba(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities, float32 of shape (n, classes), of features (n, width)."""
        probabilities = np.empty((len(features), self.classes), dtype=np.float32)
        for start in range(0, len(features), _PREDICT_ROWS):
            rows = slice(start, start + _PREDICT_ROWS)
            probabilities[rows] = self.booster_.inplace_predict(features[rows])
        return probabilities

    def save(self, path: Path) -> None:
        """Write the trees to `path` as UBJSON, and their SHA-256 beside them as sha256sum does."""
        content = bytes(self.booster_.save_raw("ubj"))
        write_text(_checksum_path(path), f"{sha256(content).hexdigest()}  {path.name}\n")
        write_bytes(path, content)

    @classmethod
    def load(cls, path: Path, settings: TreeSettings, classes: int) -> "BoostedTrees":
        """Read trees that `save` wrote.

        Raises
        ------
        RunError
            If the file is missing or damaged, or has another number of classes.
        """
        trees = cls(settings, classes)
        trees.booster_ = xgboost.Booster(model_file=bytearray(_read_checked(path)))
        config = json.loads(trees.booster_.save_config())
        found = int(config["learner"]["learner_model_param"]["num_class"])
        if found != classes:
            raise RunError(f"{path} has trees for {found} classes, not {classes}; restore the run")
        trees.rounds_ = trees.booster_.num_boosted_rounds()
        return trees


def _checksum_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _read_checked(path: Path) -> bytes:
    # Given 120 damaged files, xgboost 3.2 ended the whole process on 15 and hung on 2.
    try:
        content = path.read_bytes()
        recorded = _checksum_path(path).read_bytes().split()
    except OSError as error:
        raise RunError(f"cannot read the trees {path} ({error}); restore the run") from error
    if recorded[:1] != [sha256(content).hexdigest().encode()]:
        raise RunError(f"{path} is damaged: its SHA-256 is not the recorded one; restore the run")
    return content


class _Rounds(xgboost.callback.TrainingCallback):
    def __init__(self, on_round: Tell, total: int) -> None:
        self._on_round = on_round
        self._total = total

    def after_iteration(self, model: xgboost.Booster, epoch: int, evals_log: object) -> bool:  # noqa: ARG002
        self._on_round(epoch + 1, self._total, "")
        return False
