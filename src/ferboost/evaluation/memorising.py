"""What it does to trees that they grow on images which their CNN knows by heart."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Familiarity", "Judged", "MemorisedFeatures", "judge"]

#: Whether the CNN was trained on the images that the trees grow on.
Familiarity = Literal["learnt", "unseen"]


@dataclass(frozen=True)
class Judged:
    """How a model fares on some images.

    Attributes
    ----------
    accuracy : float
        0 to 1.
    entropy : float
        Mean entropy of its probabilities, in nats: how unsure it is.
    """

    accuracy: float
    entropy: float


@dataclass(frozen=True)
class MemorisedFeatures:
    """Trees that replace layers, on as many images that their CNN has and has not learnt.

    Attributes
    ----------
    tap : str
        What they grow on.
    rows : int
        On how many images, by seed and fold the least.
    new_images : int
        How many new images judge them.
    grown : mapping of Familiarity to tuple of mapping
        For each seed the `Judged` of the CNN and of the trees, on the rows (``"cnn rows"``,
        ``"trees rows"``) and on the new images (``"cnn new"``, ``"trees new"``).
    """

    tap: str
    rows: int
    new_images: int
    grown: Mapping[Familiarity, Sequence[Mapping[str, Judged]]]

    def mean(self, familiarity: Familiarity, which: str) -> Judged:
        """Return the mean over the seeds of what `grown` holds."""
        own = [seed[which] for seed in self.grown[familiarity]]
        return Judged(
            float(np.mean([judged.accuracy for judged in own])),
            float(np.mean([judged.entropy for judged in own])),
        )

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return it as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "MemorisedFeatures":
        """Read what `to_dict` gave."""
        grown: dict[Familiarity, tuple[dict[str, Judged], ...]] = {
            name: tuple(
                {which: Judged(**judged) for which, judged in seed.items()}
                for seed in content["grown"][name]
            )
            for name in ("learnt", "unseen")
        }
        return cls(str(content["tap"]), int(content["rows"]), int(content["new_images"]), grown)


def judge(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Judged:
    """Return accuracy and mean entropy of probabilities, shape (n, classes)."""
    shares = np.maximum(probabilities.astype(np.float64), np.finfo(np.float32).tiny)
    entropy = -(shares * np.log(shares)).sum(axis=1)
    return Judged(float((probabilities.argmax(axis=1) == labels).mean()), float(entropy.mean()))
