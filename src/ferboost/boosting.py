"""Gradient boosted trees on features: in place of a network's upper layers, or correcting it."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
import xgboost
from numpy.typing import NDArray

from ferboost.config import TreeSettings
from ferboost.errors import DataError, RunError
from ferboost.files import write_bytes, write_text
from ferboost.progress import Tell
from ferboost.soft_targets import class_weights, soft_objective, soft_start

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
    residual : bool
        Whether the trees start from given logits and correct them, instead of starting from the
        frequencies of the classes. Without a tree, the logits then stay what they are.

    Attributes
    ----------
    booster_ : xgboost.Booster
        The fitted trees, cut after the best round where early stopping is on.
    rounds_ : int
        Rounds that are used.
    """

    booster_: xgboost.Booster
    rounds_: int

    def __init__(
        self, settings: TreeSettings, classes: int, seed: int = 0, *, residual: bool = False
    ) -> None:
        self.settings = settings
        self.classes = classes
        self.seed = seed
        self.residual = residual

    def fit(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
        validation: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None,
        on_round: Tell | None = None,
        *,
        logits: NDArray[np.float32] | None = None,
        validation_logits: NDArray[np.float32] | None = None,
        targets: NDArray[np.float32] | None = None,
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
        logits, validation_logits : ndarray of float32, shape (n, classes)
            What residual trees start from; they need both where there is a validation.
        targets : ndarray of float32, shape (n, classes), optional
            What the trees learn in place of the labels; rows sum to 1. Weights of classes and early
            stopping go by the labels.

        Raises
        ------
        DataError
            If a class has no row, or logits are missing or not wanted.

        Notes
        -----
        Residual trees that early stopping watches may be none at all: where no round gives a lower
        validation loss than the logits alone.
        """
        settings = self.settings
        weights = class_weights(labels, self.classes, settings, logits)
        of_rows = weights[labels]
        self._check_logits(logits)
        parameters = {
            "objective": "multi:softprob",
            "eval_metric": "mlogloss",
            "num_class": self.classes,
            "max_depth": settings.max_depth,
            "eta": settings.learning_rate,
            "gamma": settings.gamma,
            "lambda": settings.reg_lambda,
            "min_child_weight": settings.min_child_weight,
            "subsample": settings.subsample,
            "colsample_bytree": settings.columns,
            "tree_method": "hist",
            "seed": self.seed,
            "verbosity": 0,
        }
        objective = None
        if targets is not None:
            objective = soft_objective(targets, of_rows)
            if logits is None:  # which XGBoost estimates for losses of its own alone
                parameters["base_score"] = soft_start(targets, of_rows).tolist()
        train = xgboost.QuantileDMatrix(features, labels, weight=of_rows, base_margin=logits)
        watched, patience, unboosted = [], None, np.inf
        if validation is not None and settings.early_stopping is not None:
            self._check_logits(validation_logits)
            seen, true = validation
            weight = weights[true]
            matrix = xgboost.QuantileDMatrix(
                seen, true, weight=weight, base_margin=validation_logits, ref=train
            )
            watched = [(matrix, "validation")]
            patience = settings.early_stopping
            if validation_logits is not None:
                chosen = _softmax(validation_logits)[np.arange(len(true)), true]
                losses = -np.log(np.maximum(chosen, np.finfo(np.float32).tiny))
                unboosted = float(np.average(losses, weights=weight))
        booster = xgboost.train(
            parameters,
            train,
            num_boost_round=settings.rounds,
            evals=watched,
            early_stopping_rounds=patience,
            verbose_eval=False,
            obj=objective,
            callbacks=[_Rounds(on_round, settings.rounds)] if on_round else None,
        )
        self.rounds_ = booster.best_iteration + 1 if patience else settings.rounds
        if patience and booster.best_score >= unboosted:
            self.rounds_ = 0
            booster = xgboost.train(parameters, train, num_boost_round=0)
        # A slice of no rounds would be all of them.
        self.booster_ = booster[: self.rounds_] if self.rounds_ else booster
        if self.residual:
            self.booster_.set_attr(residual="true")
        return self

    def predict_proba(
        self, features: NDArray[np.float32], logits: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return probabilities, float32 of shape (n, classes).

        Parameters
        ----------
        features : ndarray of float32, shape (n, width)
        logits : ndarray of float32, shape (n, classes)
            What residual trees correct; for others there are none.

        Raises
        ------
        DataError
            If logits are missing or not wanted.
        """
        self._check_logits(logits)
        if logits is not None:
            return _softmax(self._corrected(features, logits))
        probabilities = np.empty((len(features), self.classes), dtype=np.float32)
        for start in range(0, len(features), _PREDICT_ROWS):
            rows = slice(start, start + _PREDICT_ROWS)
            probabilities[rows] = self.booster_.inplace_predict(features[rows])
        return probabilities

    def contributions(
        self, features: NDArray[np.float32], logits: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return what each feature adds to each class's score: SHAP values of the trees.

        Parameters
        ----------
        features, logits
            As for `predict_proba`.

        Returns
        -------
        ndarray of float32, shape (n, classes, width + 1)
            The last is what no feature of the row decides: the mean of the trees, and for residual
            trees the logits. The sum over all is the class's score.

        References
        ----------
        .. [1] Lundberg, S. M. et al. (2020). From local explanations to global understanding with
           explainable AI for trees. Nature Machine Intelligence, 2, 56-67.
        """
        self._check_logits(logits)
        if logits is not None and not self.rounds_:
            none = np.zeros((*logits.shape, features.shape[1]), dtype=np.float32)
            return np.concatenate((none, logits[:, :, None]), axis=2)
        matrix = xgboost.DMatrix(features, base_margin=logits)
        values: NDArray[np.float32] = self.booster_.predict(matrix, pred_contribs=True)
        return values.reshape(len(features), self.classes, -1)

    def _corrected(
        self, features: NDArray[np.float32], logits: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        if not self.rounds_:
            return logits
        corrected = np.empty_like(logits)
        for start in range(0, len(features), _PREDICT_ROWS):
            rows = slice(start, start + _PREDICT_ROWS)
            corrected[rows] = self.booster_.inplace_predict(
                features[rows], predict_type="margin", base_margin=logits[rows]
            )
        return corrected

    def _check_logits(self, logits: NDArray[np.float32] | None) -> None:
        if self.residual and logits is None:
            raise DataError("residual trees correct logits, and none are given")
        if not self.residual and logits is not None:
            raise DataError("these trees replace the layers above and take no logits")

    @property
    def size(self) -> int:
        """Bytes of the file that `save` writes."""
        return len(self.booster_.save_raw("ubj"))

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
        trees.residual = trees.booster_.attr("residual") == "true"
        return trees


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    # The network's own, so that no tree at all gives its probabilities to the last bit.
    probabilities: NDArray[np.float32] = torch.from_numpy(logits).softmax(dim=1).numpy()
    return probabilities


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
