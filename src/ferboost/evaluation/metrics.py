"""What probabilities are worth against the true classes of the same images."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

from ferboost.errors import DataError
from ferboost.evaluation.bootstrap import bootstrap_means, percentile_interval
from ferboost.evaluation.scaling import log_losses

__all__ = [
    "CALIBRATION_BINS",
    "ClassMetrics",
    "Metrics",
    "ReliabilityBins",
    "RocCurve",
    "confidence_bins",
    "evaluate_probabilities",
    "reliability_bins",
    "roc_curve_points",
]

#: Equal-width bins of the calibration error, as in Guo et al. (2017).
CALIBRATION_BINS = 15


@dataclass(frozen=True)
class ClassMetrics:
    """One class against the rest; values from 0 to 1, None where the data leave them undefined.

    Attributes
    ----------
    n : int
        Images of the class.
    accuracy : float or None
        Share of them that are recognised (recall); None where there are none.
    precision : float or None
        Share of the images given this class that have it; None where no image was.
    f1 : float or None
        Harmonic mean of both; None where the class is neither there nor predicted.
    auc : float or None
        Area under the one-vs-rest ROC curve; None unless there are images in and outside.
    """

    n: int
    accuracy: float | None
    precision: float | None
    f1: float | None
    auc: float | None


@dataclass(frozen=True, eq=False)
class Metrics:
    """Measures of one model on one set of images; shares from 0 to 1.

    Attributes
    ----------
    n : int
        Images evaluated.
    accuracy : float
    interval : tuple of float
        95 % bootstrap interval of `accuracy` over the images. It has no width where every image
        is right or every image is wrong.
    n_clean : int or None
        Images that are not exact copies of training images; None where that is not known.
    accuracy_clean, interval_clean
        The same on those images; None where there are none.
    balanced_accuracy : float
        Mean of the accuracies of the classes that occur.
    macro_f1 : float
        Mean F1 of the classes that occur or are predicted.
    log_loss : float
        Mean negative log probability of the true class, in nats.
    ece : float
        Expected calibration error of the most probable class, in 15 bins of equal width [1]_.
    per_class : mapping of str to ClassMetrics
    confusion : ndarray of int64, shape (k, k)
        Images by true class (rows) and predicted class (columns).

    References
    ----------
    .. [1] Guo, C., Pleiss, G., Sun, Y. & Weinberger, K. Q. (2017). On calibration of modern
       neural networks. ICML.
    """

    n: int
    accuracy: float
    interval: tuple[float, float]
    n_clean: int | None
    accuracy_clean: float | None
    interval_clean: tuple[float, float] | None
    balanced_accuracy: float
    macro_f1: float
    log_loss: float
    ece: float
    per_class: Mapping[str, ClassMetrics]
    confusion: NDArray[np.int64]

    def to_dict(self) -> dict[str, Any]:  # Any: numbers, lists and dictionaries, as JSON has them
        """Return the measures as JSON can hold them: no NaN, no arrays, no tuples."""
        return {
            **asdict(self),
            "interval": list(self.interval),
            "interval_clean": None if self.interval_clean is None else list(self.interval_clean),
            "confusion": self.confusion.tolist(),
        }


@dataclass(frozen=True, eq=False)
class RocCurve:
    """A receiver operating characteristic of one class against the rest.

    Attributes
    ----------
    false_positive_rate, true_positive_rate : ndarray of float64, shape (points,)
        From (0, 0) to (1, 1).
    auc : float
        Area under the curve, 0 to 1.
    """

    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    auc: float


@dataclass(frozen=True, eq=False)
class ReliabilityBins:
    """Images grouped by the probability of their most probable class; empty bins are left out.

    Attributes
    ----------
    confidence, accuracy : ndarray of float64, shape (bins,)
        Mean probability, and share that is right, of the images in a bin.
    count : ndarray of int64, shape (bins,)
        Images in a bin.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]

    @property
    def calibration_error(self) -> float:
        """The expected calibration error (Guo et al., 2017, eq. 3)."""
        return float(np.average(np.abs(self.confidence - self.accuracy), weights=self.count))


def evaluate_probabilities(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    clean: NDArray[np.bool_] | None = None,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> Metrics:
    """Measure probabilities against true classes.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, k)
        Rows sum to 1. Of equal greatest probabilities the first one is the prediction.
    labels : ndarray of int64, shape (n,)
        Index into `classes`; not every class has to occur.
    classes : sequence of str, length k
    clean : ndarray of bool, shape (n,), or None
        False where the image is an exact copy of a training image; None where not known.
    resamples : int
        Bootstrap resamples of the intervals.
    seed : int
        Of the bootstrap.

    Raises
    ------
    DataError
        If there is no image, shapes do not fit, a label is out of range, or a probability is
        not a finite number.
    SettingsError
        If `resamples` is less than 1.
    """
    _check(probabilities, labels, classes, clean)
    indices = np.arange(len(classes))
    predicted = probabilities.argmax(axis=1)
    correct = predicted == labels
    per_class = _class_metrics(probabilities, labels, classes)
    clean_correct = correct if clean is None else correct[clean]
    has_clean = clean is not None and len(clean_correct) > 0
    accuracies = [c.accuracy for c in per_class.values() if c.accuracy is not None]
    scores = [c.f1 for c in per_class.values() if c.f1 is not None]

    def interval(values: NDArray[np.bool_]) -> tuple[float, float]:
        return percentile_interval(bootstrap_means(values[None], resamples=resamples, seed=seed))

    return Metrics(
        n=len(labels),
        accuracy=float(correct.mean()),
        interval=interval(correct),
        n_clean=None if clean is None else len(clean_correct),
        accuracy_clean=float(clean_correct.mean()) if has_clean else None,
        interval_clean=interval(clean_correct) if has_clean else None,
        balanced_accuracy=float(np.mean(accuracies)),
        macro_f1=float(np.mean(scores)),
        log_loss=float(log_losses(probabilities, labels).mean()),
        ece=reliability_bins(probabilities, labels).calibration_error,
        per_class=per_class,
        confusion=sklearn_metrics.confusion_matrix(labels, predicted, labels=indices),
    )


def roc_curve_points(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64], index: int
) -> RocCurve | None:
    """Return the ROC curve of class `index` against the rest.

    Returns
    -------
    RocCurve or None
        None where all images have the class, or none has it.
    """
    positive = labels == index
    if positive.all() or not positive.any():
        return None
    false_positive, true_positive, _ = sklearn_metrics.roc_curve(positive, probabilities[:, index])
    area = sklearn_metrics.roc_auc_score(positive, probabilities[:, index])
    return RocCurve(false_positive, true_positive, float(area))


def reliability_bins(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    bins: int = CALIBRATION_BINS,
) -> ReliabilityBins:
    """Group images by their confidence into `bins` intervals ((m - 1) / bins, m / bins]."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    index = confidence_bins(confidence, bins)
    count = np.bincount(index, minlength=bins)
    filled = count > 0
    return ReliabilityBins(
        np.bincount(index, confidence, minlength=bins)[filled] / count[filled],
        np.bincount(index, correct, minlength=bins)[filled] / count[filled],
        count[filled],
    )


def confidence_bins(
    confidence: NDArray[np.float64], bins: int = CALIBRATION_BINS
) -> NDArray[np.int64]:
    """Return in which of the intervals ((m - 1) / bins, m / bins] values from 0 to 1 lie."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def _check(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    clean: NDArray[np.bool_] | None,
) -> None:
    if len(labels) == 0:
        raise DataError("there is no image to evaluate")
    if probabilities.shape != (len(labels), len(classes)):
        raise DataError(
            f"{len(labels)} labels of {len(classes)} classes need probabilities of shape "
            f"({len(labels)}, {len(classes)}), found {probabilities.shape}"
        )
    if clean is not None and clean.shape != labels.shape:
        raise DataError(f"{len(labels)} labels need as many clean marks, found {clean.shape}")
    if labels.min() < 0 or labels.max() >= len(classes):
        raise DataError(
            f"labels must count from 0 to {len(classes) - 1}, "
            f"found {labels.min()} to {labels.max()}"
        )
    if not np.isfinite(probabilities).all():
        raise DataError(
            "a predicted probability is not a number: the model's training has diverged; "
            "train it with a lower learning rate"
        )


def _class_metrics(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64], classes: Sequence[str]
) -> dict[str, ClassMetrics]:
    precision, recall, f1, count = sklearn_metrics.precision_recall_fscore_support(
        labels,
        probabilities.argmax(axis=1),
        labels=np.arange(len(classes)),
        zero_division=np.nan,
    )
    curves = [roc_curve_points(probabilities, labels, index) for index in range(len(classes))]
    return {
        name: ClassMetrics(
            n=int(count[index]),
            accuracy=_number(recall[index]),
            precision=_number(precision[index]),
            f1=_number(f1[index]),
            auc=None if (curve := curves[index]) is None else curve.auc,
        )
        for index, name in enumerate(classes)
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
