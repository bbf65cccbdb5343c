"""What all baselines have in common."""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ferboost.config import TreeSettings
from ferboost.errors import RunError
from ferboost.progress import Tell

__all__ = ["Baseline", "Validation", "unreadable"]

#: Features and labels that stop a fit.
Validation = tuple[NDArray[np.float32], NDArray[np.int64]]


def unreadable(path: Path, error: Exception) -> RunError:
    """Return the error that says that a baseline's file cannot be read, and why."""
    reason = " ".join(str(error).split())[:200]
    return RunError(f"cannot read {path} ({reason}); restore the run")


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
        Penalties, epochs or rounds that are used.
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
        validation: Validation | None = None,
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
