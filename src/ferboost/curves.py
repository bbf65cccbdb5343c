"""Learning curves."""

from dataclasses import dataclass

__all__ = ["EpochRecord"]


@dataclass(frozen=True)
class EpochRecord:
    """One row of the learning curves. Losses are in nats, accuracies from 0 to 1."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float
    validation_penalty: float = 0.0
    """What L2 regularisation adds to `validation_loss`; 0 in records that do not have it."""
