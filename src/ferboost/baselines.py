"""What a reader would try before trees: a logistic regression, a small MLP, LightGBM.

On the same features, rows and start as the trees, so that a comparison says whether *trees* matter.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from ferboost.config import TreeSettings
from ferboost.errors import RunError
from ferboost.files import write_bytes
from ferboost.progress import Tell
from ferboost.soft_targets import class_weights, soft_objective

__all__ = ["Baseline", "LightGBMBaseline", "NeuralBaseline", "load_baseline", "new_baseline"]

_HIDDEN = 64
_L2 = 1e-4
_EPOCHS = 40
_PATIENCE = 5
_BATCH = 256
_LEARNING_RATE = 1e-3
_LBFGS_STEPS = 200

_Validation = tuple[NDArray[np.float32], NDArray[np.int64]]


class Baseline(ABC):
    """What trees are compared with; it is fitted, predicts, and is kept as trees are.

    Parameters
    ----------
    settings : TreeSettings
        Class weights and, for LightGBM, what the trees have.
    classes : int
    seed : int
    residual : bool
        Whether it starts from given logits and corrects them.

    Attributes
    ----------
    rounds_ : int
        Steps, epochs or rounds that are used.
    """

    rounds_: int

    def __init__(
        self, settings: TreeSettings, classes: int, seed: int = 0, *, residual: bool = False
    ) -> None:
        self.settings = settings
        self.classes = classes
        self.seed = seed
        self.residual = residual

    @abstractmethod
    def fit(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
        validation: _Validation | None = None,
        on_round: Tell | None = None,
        *,
        logits: NDArray[np.float32] | None = None,
        validation_logits: NDArray[np.float32] | None = None,
        targets: NDArray[np.float32] | None = None,
    ) -> "Baseline":
        """Fit it; see `ferboost.boosting.BoostedTrees.fit`."""

    def predict_proba(
        self, features: NDArray[np.float32], logits: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return probabilities, float32 of shape (n, classes)."""
        scores = self._scores(features)
        if logits is not None:
            scores = scores + logits
        probabilities: NDArray[np.float32] = torch.from_numpy(scores).softmax(dim=1).numpy()
        return probabilities

    @abstractmethod
    def save(self, path: Path) -> None:
        """Keep it in a file that holds no code."""

    @abstractmethod
    def _scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what is added to the logits, or stands in their place."""


class NeuralBaseline(Baseline):
    """A softmax regression, or a perceptron with one hidden layer of 64 ReLU units.

    Features are standardised; the last layer begins at zero, so that residual ones begin as the
    CNN. The regression has an L2 penalty and is fitted by L-BFGS. The perceptron is fitted by Adam
    and keeps the weights of the epoch of the lowest validation loss, where validation is given.

    Parameters
    ----------
    hidden : int
        Units of the hidden layer; 0 for the regression.
    settings, classes, seed, residual
        As for `Baseline`.
    """

    def __init__(
        self,
        hidden: int,
        settings: TreeSettings,
        classes: int,
        seed: int = 0,
        *,
        residual: bool = False,
    ) -> None:
        super().__init__(settings, classes, seed, residual=residual)
        self.hidden = hidden

    def fit(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
        validation: _Validation | None = None,
        on_round: Tell | None = None,
        *,
        logits: NDArray[np.float32] | None = None,
        validation_logits: NDArray[np.float32] | None = None,
        targets: NDArray[np.float32] | None = None,
    ) -> "NeuralBaseline":
        """Fit it; see `ferboost.boosting.BoostedTrees.fit`."""
        weights = class_weights(labels, self.classes, self.settings.class_weights)
        deviation = features.std(axis=0)
        self._center = torch.from_numpy(features.mean(axis=0))
        self._scale = torch.from_numpy(np.where(deviation > 0, deviation, 1).astype(np.float32))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self._network = self._build(features.shape[1])
            rows = _Rows(self._seen(features), labels, weights[labels], logits, targets)
            watched = None
            if validation is not None:
                seen, true = validation
                watched = _Rows(self._seen(seen), true, weights[true], validation_logits)
            if self.hidden:
                self.rounds_ = self._fit_by_adam(rows, watched, on_round)
            else:
                self.rounds_ = self._fit_by_lbfgs(rows)
        return self

    def save(self, path: Path) -> None:
        """Write the weights as safetensors."""
        tensors = {"center": self._center, "scale": self._scale, **self._network.state_dict()}
        described = {
            "hidden": str(self.hidden),
            "classes": str(self.classes),
            "residual": str(int(self.residual)),
            "rounds": str(self.rounds_),
        }
        write_bytes(path, save_tensors(tensors, described))

    @classmethod
    def load(cls, path: Path, settings: TreeSettings, classes: int) -> "NeuralBaseline":
        """Read what `save` wrote.

        Raises
        ------
        RunError
            If the file is missing or damaged, or has another number of classes.
        """
        try:
            content = path.read_bytes()
            tensors = load_tensors(content)
            described = _metadata(content)
            baseline = cls(
                int(described["hidden"]),
                settings,
                classes,
                residual=described["residual"] == "1",
            )
            baseline._center, baseline._scale = tensors.pop("center"), tensors.pop("scale")
            baseline._network = baseline._build(len(baseline._center))
            baseline._network.load_state_dict(tensors)
            baseline.rounds_ = int(described["rounds"])
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise RunError(
                f"cannot read {path} ({' '.join(str(error).split())[:200]}); restore the run"
            ) from error
        return baseline

    def _build(self, width: int) -> nn.Sequential:
        hidden = [nn.Linear(width, self.hidden), nn.ReLU()] if self.hidden else []
        last = nn.Linear(self.hidden or width, self.classes)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        return nn.Sequential(*hidden, last)

    def _seen(self, features: NDArray[np.float32]) -> Tensor:
        return (torch.from_numpy(features) - self._center) / self._scale

    @torch.inference_mode()
    def _scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = self._network(self._seen(features)).numpy()
        return scores

    def _fit_by_lbfgs(self, rows: "_Rows") -> int:
        weight, bias = self._network.parameters()
        optimizer = torch.optim.LBFGS(
            [weight, bias], max_iter=_LBFGS_STEPS, line_search_fn="strong_wolfe"
        )

        def closure() -> float:
            optimizer.zero_grad()
            loss = rows.loss(self._network) + _L2 * weight.square().sum()
            torch.autograd.backward(loss)
            return float(loss.detach())

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        return int(optimizer.state[weight]["n_iter"])

    def _fit_by_adam(self, rows: "_Rows", watched: "_Rows | None", on_round: Tell | None) -> int:
        optimizer = torch.optim.AdamW(
            self._network.parameters(), lr=_LEARNING_RATE, weight_decay=_L2
        )
        kept, kept_epoch = self._copy(), 0
        best = float("inf") if watched is None else self._loss(watched)
        for epoch in range(1, _EPOCHS + 1):
            for part in rows.batches():
                optimizer.zero_grad()
                torch.autograd.backward(part.loss(self._network))
                optimizer.step()
            loss = -float(epoch) if watched is None else self._loss(watched)
            if loss < best:
                best, kept, kept_epoch = loss, self._copy(), epoch
            if on_round is not None:
                on_round(epoch, _EPOCHS, "")
            if epoch - kept_epoch >= _PATIENCE:
                break
        self._network.load_state_dict(kept)
        return kept_epoch

    @torch.inference_mode()
    def _loss(self, rows: "_Rows") -> float:
        return float(rows.loss(self._network))

    def _copy(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self._network.state_dict().items()}


class _Rows:
    """Rows to fit, and what they start from."""

    def __init__(
        self,
        seen: Tensor,
        labels: NDArray[np.int64],
        weights: NDArray[np.float32],
        logits: NDArray[np.float32] | None,
        targets: NDArray[np.float32] | None = None,
    ) -> None:
        self.seen = seen
        self.targets = torch.from_numpy(labels if targets is None else targets)
        self.weights = torch.from_numpy(np.ascontiguousarray(weights))
        self.logits = None if logits is None else torch.from_numpy(logits)

    def loss(self, network: nn.Module) -> Tensor:
        """Return the weighted mean cross-entropy, in nats."""
        scores = network(self.seen)
        if self.logits is not None:
            scores = scores + self.logits
        losses = nn.functional.cross_entropy(scores, self.targets, reduction="none")
        return (losses * self.weights).sum() / self.weights.sum()

    def batches(self) -> list["_Rows"]:
        """Return the rows in random order, in parts."""
        order = torch.randperm(len(self.seen))
        return [self._part(index) for index in order.chunk(max(1, ceil(len(order) / _BATCH)))]

    def _part(self, index: Tensor) -> "_Rows":
        part = object.__new__(_Rows)
        part.seen, part.targets = self.seen[index], self.targets[index]
        part.weights = self.weights[index]
        part.logits = None if self.logits is None else self.logits[index]
        return part


class LightGBMBaseline(Baseline):
    """LightGBM's trees (Ke et al., 2017) with the settings of XGBoost's, in its units."""

    _booster: Any  # lightgbm.Booster, which is imported where it is used
    _start: NDArray[np.float32]

    def fit(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
        validation: _Validation | None = None,
        on_round: Tell | None = None,
        *,
        logits: NDArray[np.float32] | None = None,
        validation_logits: NDArray[np.float32] | None = None,
        targets: NDArray[np.float32] | None = None,
    ) -> "LightGBMBaseline":
        """Fit it; see `ferboost.boosting.BoostedTrees.fit`."""
        import lightgbm

        settings = self.settings
        of_class = class_weights(labels, self.classes, settings.class_weights)
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
        """Write the trees as LightGBM's text, within JSON."""
        content = {
            "classes": self.classes,
            "residual": self.residual,
            "rounds": self.rounds_,
            "start": [float(value) for value in self._start],
            "trees": self._booster.model_to_string(num_iteration=self.rounds_),
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
            baseline._booster = lightgbm.Booster(model_str=str(content["trees"]))
            baseline._start = np.array(content["start"], np.float32)
            baseline.rounds_ = int(content["rounds"])
            if content["classes"] != classes:
                reason = (
                    f"{path} is for {content['classes']} classes, not {classes}; restore the run"
                )
                raise RunError(reason)
        except (OSError, KeyError, TypeError, ValueError, lightgbm.basic.LightGBMError) as error:
            raise RunError(
                f"cannot read {path} ({' '.join(str(error).split())[:200]}); restore the run"
            ) from error
        return baseline


def _log_loss(margins: NDArray[np.float64], data: Any) -> tuple[str, float, bool]:
    """Return the mean cross-entropy of labels, as LightGBM takes a metric, for own losses."""
    loss = _mean_log_loss(margins, data.get_label().astype(np.int64), data.get_weight())
    return "log loss", loss, False


def _mean_log_loss(
    margins: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[np.float32]
) -> float:
    logs = margins - np.logaddexp.reduce(margins, axis=1, keepdims=True)
    return float(np.average(-logs[np.arange(len(labels)), labels], weights=weights))


def new_baseline(
    kind: str, settings: TreeSettings, classes: int, seed: int, *, residual: bool
) -> Baseline:
    """Return one of `ferboost.variants.BASELINES`, unfitted."""
    if kind == "lightgbm":
        return LightGBMBaseline(settings, classes, seed, residual=residual)
    hidden = _HIDDEN if kind == "mlp" else 0
    return NeuralBaseline(hidden, settings, classes, seed, residual=residual)


def load_baseline(kind: str, path: Path, settings: TreeSettings, classes: int) -> Baseline:
    """Read a baseline that was saved.

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    loader = LightGBMBaseline if kind == "lightgbm" else NeuralBaseline
    return loader.load(path, settings, classes)


def _metadata(content: bytes) -> dict[str, str]:
    """Return the metadata at the head of a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    found: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return found
