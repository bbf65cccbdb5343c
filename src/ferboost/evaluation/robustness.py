"""How far accuracy and calibration fall as faces get worse."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import DataError
from ferboost.evaluation.bootstrap import bootstrap_means, percentile_interval
from ferboost.evaluation.calibration import measure_calibration
from ferboost.evaluation.corruptions import CORRUPTIONS, Corruption
from ferboost.progress import Tell

__all__ = ["Predict", "Robustness", "RobustnessCurve", "measure_robustness"]

#: Given faces, returns the probabilities (seeds, n, classes) by variant.
Predict = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.float32]]]


@dataclass(frozen=True)
class RobustnessCurve:
    """One model under one corruption; a value for each of its strengths.

    Attributes
    ----------
    corruption, variant, unit : str
    strengths : tuple of float
        The first changes nothing.
    accuracy : tuple of float
        0 to 1, mean over seeds.
    interval : tuple of (float, float)
        95 % bootstrap intervals over images and seeds.
    ece : tuple of float
        Expected calibration error, 0 to 1.
    """

    corruption: str
    unit: str
    variant: str
    strengths: tuple[float, ...]
    accuracy: tuple[float, ...]
    interval: tuple[tuple[float, float], ...]
    ece: tuple[float, ...]

    @property
    def worst_loss(self) -> float:
        """How much accuracy the worst of all steps costs, 0 to 1."""
        return self.accuracy[0] - min(self.accuracy)


@dataclass(frozen=True)
class Robustness:
    """The curves of a run's models.

    Attributes
    ----------
    faces : int
        How many they were measured on.
    curves : tuple of RobustnessCurve
    source : str
        Which faces these are, such as ``"test faces of fer2013.zip"``.
    left_out : int
        Faces beside them that were left out, because the models were made with them.
    """

    faces: int
    curves: tuple[RobustnessCurve, ...]
    source: str = "faces"
    left_out: int = 0

    def of(self, corruption: str) -> tuple[RobustnessCurve, ...]:
        """Return the curves of all variants under one corruption."""
        return tuple(curve for curve in self.curves if curve.corruption == corruption)

    @property
    def corruptions(self) -> tuple[str, ...]:
        """The names of the corruptions, in order."""
        return tuple(dict.fromkeys(curve.corruption for curve in self.curves))

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return what `from_dict` reads."""
        return {
            "faces": self.faces,
            "source": self.source,
            "left_out": self.left_out,
            "curves": [asdict(curve) for curve in self.curves],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Robustness":
        """Return what `to_dict` described.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is something else.
        """
        curves = []
        for own in content["curves"]:
            strengths, accuracy, ece = (
                tuple(map(float, own[name])) for name in ("strengths", "accuracy", "ece")
            )
            interval = tuple((float(low), float(high)) for low, high in own["interval"])
            corruption, unit, variant = (str(own[n]) for n in ("corruption", "unit", "variant"))
            curves.append(
                RobustnessCurve(corruption, unit, variant, strengths, accuracy, interval, ece)
            )
        source, left_out = str(content.get("source", "faces")), int(content.get("left_out", 0))
        return cls(int(content["faces"]), tuple(curves), source, left_out)


def measure_robustness(
    predict: Predict,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    corruptions: Sequence[Corruption] = CORRUPTIONS,
    seed: int = 0,
    tell: Tell | None = None,
) -> Robustness:
    """Predict faces again and again, each time made worse.

    Parameters
    ----------
    predict : callable
    images : ndarray of uint8, shape (n, 48, 48)
        Faces that the models were not trained on.
    labels : ndarray of int64, shape (n,)
    corruptions : sequence of Corruption
    seed : int
        Of the noise and of what is moved which way.
    tell : callable, optional
        Called with (done, total, name) before every step.

    Raises
    ------
    DataError
        If there is no face.

    References
    ----------
    .. [1] Hendrycks, D. & Dietterich, T. (2019). Benchmarking neural network robustness to common
       corruptions and perturbations. ICLR.
    """
    if len(images) == 0:
        raise DataError("robustness is measured on faces, and there are none")
    total = sum(len(corruption.strengths) for corruption in corruptions)
    done = 0
    curves: list[RobustnessCurve] = []
    unchanged: list[_Step] | None = None
    for corruption in corruptions:
        steps = []
        for place, strength in enumerate(corruption.strengths):
            if tell is not None:
                tell(done, total, corruption.name)
            done += 1
            if place == 0:
                unchanged = unchanged or _measure(predict(images), labels)
                steps.append(unchanged)
                continue
            random = np.random.default_rng(seed)  # the same noise at every strength
            steps.append(_measure(predict(corruption.apply(images, strength, random)), labels))
        for index, (variant, *_) in enumerate(steps[0]):
            of_variant = [step[index] for step in steps]
            curves.append(
                RobustnessCurve(
                    corruption.name,
                    corruption.unit,
                    variant,
                    tuple(map(float, corruption.strengths)),
                    tuple(accuracy for _, accuracy, _, _ in of_variant),
                    tuple(interval for _, _, interval, _ in of_variant),
                    tuple(ece for _, _, _, ece in of_variant),
                )
            )
    return Robustness(len(images), tuple(curves))


#: Variant, accuracy, its interval, calibration error.
_Step = tuple[str, float, tuple[float, float], float]


def _measure(
    predicted: Mapping[str, NDArray[np.float32]], labels: NDArray[np.int64]
) -> list[_Step]:
    steps = []
    for variant, shares in predicted.items():
        right = shares.argmax(axis=2) == labels
        ece = measure_calibration(shares, labels, resamples=1).ece.value
        interval = percentile_interval(bootstrap_means(right, resamples=2000))
        steps.append((variant, float(right.mean()), interval, ece))
    return steps
