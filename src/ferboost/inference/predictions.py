"""What a model says of faces, as frozen objects."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from ferboost.extras import needed_for
from ferboost.inference.faces import Face
from ferboost.inference.sets import SetThresholds

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Prediction", "Predictions"]

_FACE_COLUMNS = ("left", "top", "right", "bottom", "score")


@dataclass(frozen=True)
class Prediction:
    """What a model says of one face.

    Attributes
    ----------
    source : str or None
        Path of the picture; None for one that is no file.
    classes : tuple of str
    shares : tuple of float
        Probability of each class, 0 to 1.
    face : Face or None
        Where the face is in the picture; None where the whole picture was taken as a face.
    candidates : tuple of str or None
        The classes among which the true one is as often as was asked (``coverage``), likeliest
        first: a conformal set. None where nothing was asked.
    warning : str or None
        In what the face lies outside of the training images: too dark, flat, blurred or the like.
        Such a face may still be told rightly; how often is not known. None where it does not, or
        where the model does not know its limits.
    """

    source: str | None
    classes: tuple[str, ...]
    shares: tuple[float, ...]
    face: Face | None = None
    candidates: tuple[str, ...] | None = None
    warning: str | None = None

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

    @property
    def is_sure(self) -> bool | None:
        """Whether `candidates` is one class alone; None where nothing was asked."""
        return None if self.candidates is None else len(self.candidates) == 1

    def to_dict(self) -> dict[str, Any]:  # Any: whatever JSON can hold
        """Return source, emotion, probability, probabilities, face and warning, for JSON.

        Where a coverage was asked, also candidates and is_sure.
        """
        content: dict[str, Any] = {
            "source": self.source,
            "emotion": self.emotion,
            "probability": self.probability,
            "probabilities": self.probabilities,
            "face": None if self.face is None else self.face.to_dict(),
            "warning": self.warning,
        }
        if self.candidates is not None:
            content |= {"candidates": list(self.candidates), "is_sure": self.is_sure}
        return content


@dataclass(frozen=True)
class Predictions(Sequence[Prediction]):
    """What a model says of several faces, in their order; a sequence of `Prediction`.

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
        faces: Sequence[Face | None] | None = None,
        warnings: Sequence[str | None] | None = None,
    ) -> "Predictions":
        """Make predictions of n faces.

        Parameters
        ----------
        classes : tuple of str
        probabilities : ndarray of float32, shape (n, classes)
        sources : sequence of str or None
            The n pictures' paths.
        faces : sequence of Face or None, optional
            Where the n faces are in them.
        warnings : sequence of str or None, optional
            In what they lie outside of the training images.
        """
        nothing = [None] * len(sources)
        rows = zip(sources, probabilities, faces or nothing, warnings or nothing, strict=True)
        return cls(
            tuple(
                Prediction(source, classes, tuple(map(float, row)), face, warning=warning)
                for source, row, face, warning in rows
            )
        )

    def with_candidates(self, sets: SetThresholds, coverage: float) -> "Predictions":
        """Return the same with the classes that a coverage, 0 to 1, asks for.

        Raises
        ------
        SettingsError
            If there is no table up to this coverage.
        """
        shares = np.array([item.shares for item in self.items], dtype=np.float32)
        chosen = sets.predict(shares, coverage)
        return Predictions(tuple(map(_with_candidates, self.items, chosen)))

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

    def to_dict(self) -> list[dict[str, Any]]:  # Any: whatever JSON can hold
        """Return one dictionary for each face, see `Prediction.to_dict`."""
        return [item.to_dict() for item in self.items]

    def to_dataframe(self) -> "pd.DataFrame":
        """Return a pandas table, one row for each face.

        Columns: source, emotion, probability, one for each class, left, top, right, bottom and
        score of the face (missing where the whole picture was taken as one), and warning; where a
        coverage was asked, also candidates (joined by spaces).

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        with needed_for("to_dataframe", "pandas"):
            import pandas as pd
        classes = self.items[0].classes if self.items else ()
        columns = ["source", "emotion", "probability", *classes, *_FACE_COLUMNS, "warning"]
        table = pd.DataFrame([_row(item) for item in self.items], columns=columns)
        if any(item.candidates is not None for item in self.items):
            table["candidates"] = [" ".join(item.candidates or ()) for item in self.items]
        return table


def _row(item: Prediction) -> tuple[str | float | None, ...]:
    place = (math.nan,) * 5 if item.face is None else (*item.face.box, item.face.score)
    return (item.source, item.emotion, item.probability, *item.shares, *place, item.warning)


def _with_candidates(item: Prediction, chosen: NDArray[np.bool_]) -> Prediction:
    ranked = np.argsort(-np.array(item.shares), kind="stable")
    return replace(item, candidates=tuple(item.classes[i] for i in ranked if chosen[i]))
