"""What a model says of pictures, as frozen objects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Prediction", "Predictions"]


@dataclass(frozen=True)
class Prediction:
    """What a model says of one picture.

    Attributes
    ----------
    source : str or None
        Path of the picture; None for one that is no file.
    classes : tuple of str
    shares : tuple of float
        Probability of each class, 0 to 1.
    """

    source: str | None
    classes: tuple[str, ...]
    shares: tuple[float, ...]

    @property
    def emotion(self) -> str:
        """The class with the highest probability."""
        return self.classes[self.shares.index(self.probability)]

    @property
    def probability(self) -> float:
        """The probability of `emotion`."""
        return max(self.shares)

    @property
    def probabilities(self) -> dict[str, float]:
        """The probabilities by class."""
        return dict(zip(self.classes, self.shares, strict=True))

    def to_dict(self) -> dict[str, str | float | dict[str, float] | None]:
        """Return source, emotion, probability and probabilities, as JSON can hold them."""
        return {
            "source": self.source,
            "emotion": self.emotion,
            "probability": self.probability,
            "probabilities": self.probabilities,
        }


@dataclass(frozen=True)
class Predictions(Sequence[Prediction]):
    """What a model says of several pictures, in their order; a sequence of `Prediction`.

    Attributes
    ----------
    items : tuple of Prediction
    """

    items: tuple[Prediction, ...]

    @classmethod
    def of(
        cls,
        classes: tuple[str, ...],
        probabilities: NDArray[np.float32],
        sources: Sequence[str | None],
    ) -> "Predictions":
        """Make predictions of probabilities, shape (n, classes), and the n pictures' names."""
        rows = zip(sources, probabilities, strict=True)
        return cls(tuple(Prediction(s, classes, tuple(map(float, row))) for s, row in rows))

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.items)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> "Predictions": ...
    def __getitem__(self, index: int | slice) -> "Prediction | Predictions":
        if isinstance(index, slice):
            return Predictions(self.items[index])
        return self.items[index]

    def to_dict(self) -> list[dict[str, str | float | dict[str, float] | None]]:
        """Return one dictionary for each picture, see `Prediction.to_dict`."""
        return [item.to_dict() for item in self.items]

    def to_dataframe(self) -> "pd.DataFrame":
        """Return a pandas table: source, emotion, probability, and a column for each class.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "to_dataframe needs the package pandas, which is not installed; "
                "install it: pip install pandas"
            ) from error
        fixed = ("source", "emotion", "probability")
        columns = (*fixed, *self.items[0].classes) if self.items else fixed
        rows = [(item.source, item.emotion, item.probability, *item.shares) for item in self.items]
        return pd.DataFrame(rows, columns=list(columns))
