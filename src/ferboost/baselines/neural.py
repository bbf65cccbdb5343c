"""A logistic regression and a small MLP."""

import json
from math import ceil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from ferboost.baselines.base import Baseline, Validation, unreadable
from ferboost.config import TreeSettings
from ferboost.files import write_bytes
from ferboost.progress import Tell
from ferboost.soft_targets import class_weights

__all__ = ["HIDDEN", "NeuralBaseline"]

#: Units of the MLP's hidden layer.
HIDDEN = 64

#: Weights of the regression's penalty, from none of its features to nearly all of them.
_PENALTIES = (1.0, 0.1, 0.01, 1e-3, 1e-4)
_DECAY = 1e-4
_EPOCHS = 40
_PATIENCE = 5
_BATCH = 256
_LEARNING_RATE = 1e-3
_LBFGS_STEPS = 200


class NeuralBaseline(Baseline):
    """A softmax regression, or a perceptron with one hidden layer of 64 ReLU units.

    Features are standardised; the last layer begins at zero, so that residual ones begin as the
    CNN. The regression has an L2 penalty and is fitted by L-BFGS, with each of five weights of the
    penalty from 1 down to 1e-4 in turn. The perceptron is fitted
    by Adam for as many epochs as gain, and stops after five that do not. Both keep the weights of
    the lowest validation loss, which may be those that they begin with, or, without validation, the
    last.

    Parameters
    ----------
    hidden : int
        Units of the hidden layer; 0 for the regression.
    settings, classes, seed, residual
        As for `Baseline`.
    epochs : int, optional
        Of the perceptron, at most, by default 40; or how many penalties the regression goes
        through, by default all five.
    """

    def __init__(
        self,
        hidden: int,
        settings: TreeSettings,
        classes: int,
        seed: int = 0,
        *,
        residual: bool = False,
        epochs: int | None = None,
    ) -> None:
        super().__init__(settings, classes, seed, residual=residual)
        self.hidden = hidden
        self._epochs = (_EPOCHS if hidden else len(_PENALTIES)) if epochs is None else epochs

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
    ) -> "NeuralBaseline":
        """Fit it; see `ferboost.boosting.BoostedTrees.fit`."""
        weights = class_weights(labels, self.classes, self.settings, logits)
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
                self.rounds_ = self._fit_by_lbfgs(rows, watched, on_round)
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
            raise unreadable(path, error) from error
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

    def _fit_by_lbfgs(self, rows: "_Rows", watched: "_Rows | None", on_round: Tell | None) -> int:
        """Return how many penalties led to what is kept; weaker ones go on from stronger ones."""
        penalties = _PENALTIES[: self._epochs]
        kept, kept_number = self._copy(), 0
        best = float("inf") if watched is None else self._loss(watched)
        for number, penalty in enumerate(penalties, 1):
            self._minimize(rows, penalty)
            loss = -float(number) if watched is None else self._loss(watched)
            if loss < best:
                best, kept, kept_number = loss, self._copy(), number
            if on_round is not None:
                on_round(number, len(penalties), f"L2 {penalty:g}")
        self._network.load_state_dict(kept)
        return kept_number

    def _minimize(self, rows: "_Rows", penalty: float) -> None:
        weight, bias = self._network.parameters()
        optimizer = torch.optim.LBFGS(
            [weight, bias], max_iter=_LBFGS_STEPS, line_search_fn="strong_wolfe"
        )

        def closure() -> float:
            optimizer.zero_grad()
            loss = rows.loss(self._network) + penalty * weight.square().sum()
            torch.autograd.backward(loss)
            return float(loss.detach())

        optimizer.step(closure)  # type: ignore[no-untyped-call]

    def _fit_by_adam(self, rows: "_Rows", watched: "_Rows | None", on_round: Tell | None) -> int:
        optimizer = torch.optim.AdamW(
            self._network.parameters(), lr=_LEARNING_RATE, weight_decay=_DECAY
        )
        kept, kept_epoch = self._copy(), 0
        best = float("inf") if watched is None else self._loss(watched)
        for epoch in range(1, self._epochs + 1):
            for part in rows.batches():
                optimizer.zero_grad()
                torch.autograd.backward(part.loss(self._network))
                optimizer.step()
            loss = -float(epoch) if watched is None else self._loss(watched)
            if loss < best:
                best, kept, kept_epoch = loss, self._copy(), epoch
            if on_round is not None:
                on_round(epoch, self._epochs, "")
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


def _metadata(content: bytes) -> dict[str, str]:
    """Return the metadata at the head of a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    found: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return found
