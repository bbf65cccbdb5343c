"""What a run's probabilities are worth once calibrated: measures, sets, abstention, by variant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.errors import DataError
from ferboost.evaluation.calibration import CalibrationMetrics, measure_calibration
from ferboost.evaluation.conformal import (
    ConformalSets,
    RiskCoverage,
    SetMethod,
    SetMetrics,
    fit_conformal,
    measure_sets,
    risk_coverage,
)
from ferboost.evaluation.results import Results
from ferboost.evaluation.scaling import SCALING_METHODS, Scaling, ScalingMethod, fit_shown_scaling
from ferboost.progress import Tell
from ferboost.variants import CNN, FOLD_CNNS

__all__ = [
    "COVERAGES",
    "CalibrationStep",
    "RunCalibration",
    "SetResult",
    "VariantTrust",
    "fit_calibration",
    "measure_trust",
]

#: The coverages that a report verifies.
COVERAGES = (0.8, 0.9, 0.95)

_SET_KINDS: tuple[tuple[SetMethod, bool], ...] = (
    ("lac", False),
    ("aps", False),
    ("raps", False),
    ("lac", True),
)


@dataclass(frozen=True, eq=False)
class RunCalibration:
    """What images that no model judges by heart say of a run's probabilities.

    They are the validation images, and training images that were judged out of fold.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
        Their true classes.
    probabilities : mapping of int to mapping of str to ndarray of float32, shape (n, k)
        What each seed's variants give them, uncalibrated, by seed and variant.
    grown_on : ndarray of bool, shape (n,)
        The images that trees, and what stands in their place, learnt; they do not count for these.
    scalings : mapping of int to mapping of str to mapping of str to Scaling
        By seed, variant and method.
    ensemble : mapping of str to mapping of str to Scaling
        For the mean of the seeds' uncalibrated probabilities, by variant and method.
    """

    labels: NDArray[np.int64]
    probabilities: Mapping[int, Mapping[str, NDArray[np.float32]]]
    grown_on: NDArray[np.bool_]
    scalings: Mapping[int, Mapping[str, Mapping[ScalingMethod, Scaling]]]
    ensemble: Mapping[str, Mapping[ScalingMethod, Scaling]]

    def counted(
        self, variant: str, seeds: Sequence[int]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the labels, and the mean of some seeds' probabilities, that a variant is held to.

        Parameters
        ----------
        variant : str
        seeds : sequence of int

        Returns
        -------
        labels : ndarray of int64, shape (m,)
        shares : ndarray of float32, shape (m, k)
            Of the images that this variant did not learn.

        Raises
        ------
        DataError
            If there is no such seed or variant.
        """
        for seed in seeds:
            if variant not in self.probabilities.get(seed, {}):
                raise DataError(f"nothing is calibrated for the variant {variant!r} of seed {seed}")
        members = [self.probabilities[seed][variant] for seed in seeds]
        mean: NDArray[np.float32] = np.mean(members, axis=0, dtype=np.float32)
        unseen = _unseen(variant, self.grown_on)
        return self.labels[unseen], mean[unseen]

    def sets(
        self,
        seed: int | None,
        variant: str,
        coverage: float = 0.9,
        method: SetMethod = "lac",
        *,
        by_class: bool = False,
    ) -> ConformalSets:
        """Fit sets for the temperature scaled probabilities of a variant.

        Parameters
        ----------
        seed : int or None
            None for the mean of all seeds.
        variant, coverage, method, by_class
            As for `fit_conformal`.

        Raises
        ------
        DataError
            If there is no such seed or variant.
        SettingsError
            If the coverage is not between 0 and 1, or there is no such method.
        """
        seeds = list(self.probabilities) if seed is None else [seed]
        labels, mean = self.counted(variant, seeds)
        scalings = self.ensemble if seed is None else self.scalings[seed]
        calibrated = scalings[variant]["temperature"].apply(mean)
        return fit_conformal(calibrated, labels, coverage, method, by_class=by_class)


def fit_calibration(
    labels: NDArray[np.int64],
    probabilities: Mapping[int, Mapping[str, NDArray[np.float32]]],
    grown_on: NDArray[np.bool_] | None = None,
) -> RunCalibration:
    """Calibrate every seed and variant, and the mean of the seeds, on images not learnt.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    probabilities : mapping of int to mapping of str to ndarray of float32, shape (n, k)
        By seed and variant.
    grown_on : ndarray of bool, shape (n,), optional
        See `RunCalibration`; none by default.

    Raises
    ------
    DataError
        If there is no image, or shapes do not fit.
    """
    grown_on = np.zeros(len(labels), dtype=np.bool_) if grown_on is None else grown_on

    def both(variant: str, shares: NDArray[np.float32]) -> dict[ScalingMethod, Scaling]:
        own = _unseen(variant, grown_on)
        return {m: fit_shown_scaling(shares[own], labels[own], m) for m in SCALING_METHODS}

    variants = next(iter(probabilities.values()))
    means: dict[str, NDArray[np.float32]] = {
        v: np.mean([own[v] for own in probabilities.values()], axis=0, dtype=np.float32)
        for v in variants
    }
    return RunCalibration(
        labels,
        probabilities,
        grown_on,
        {seed: {v: both(v, p) for v, p in own.items()} for seed, own in probabilities.items()},
        {variant: both(variant, shares) for variant, shares in means.items()},
    )


def _unseen(variant: str, grown_on: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which images a variant did not learn."""
    return np.ones_like(grown_on) if variant in {CNN, FOLD_CNNS} else ~grown_on


@dataclass(frozen=True)
class CalibrationStep:
    """One way to calibrate, or none, and what it leaves.

    Attributes
    ----------
    method : {"none", "temperature", "vector"}
    accuracy : float
        Mean over seeds; vector scaling changes verdicts.
    metrics : CalibrationMetrics
    clean : CalibrationMetrics or None
        On the images that are not exact copies of training images.
    """

    method: str
    accuracy: float
    metrics: CalibrationMetrics
    clean: CalibrationMetrics | None


@dataclass(frozen=True)
class SetResult:
    """Conformal sets of one kind, verified."""

    method: SetMethod
    by_class: bool
    asked: float
    metrics: SetMetrics
    clean: SetMetrics | None


@dataclass(frozen=True, eq=False)
class VariantTrust:
    """What the probabilities of one variant are worth on images that nothing was chosen on.

    Attributes
    ----------
    variant : str
    before, after : ndarray of float32, shape (seeds, n, k)
        Probabilities as they come, and temperature scaled.
    steps : tuple of CalibrationStep
        No calibration, temperature, vector.
    ensemble : tuple of CalibrationStep
        The same for the mean of the seeds; empty for one seed.
    sets : tuple of SetResult
        Of the temperature scaled probabilities.
    risk : RiskCoverage
        Of the temperature scaled probabilities of the first seed.
    areas : tuple of float
        `RiskCoverage.area` of every seed.
    """

    variant: str
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    steps: tuple[CalibrationStep, ...]
    ensemble: tuple[CalibrationStep, ...]
    sets: tuple[SetResult, ...]
    risk: RiskCoverage
    areas: tuple[float, ...]

    @property
    def is_scaled(self) -> bool:
        """Whether a temperature was shown to help in any seed, and so is applied."""
        return not np.array_equal(self.before, self.after)

    def to_dict(self) -> dict[str, Any]:  # Any: numbers, lists and dictionaries, as JSON has them
        """Return the measures as JSON can hold them."""
        return {
            "calibration": [_describe_step(step) for step in self.steps],
            "calibration_of_the_mean_of_seeds": [_describe_step(step) for step in self.ensemble],
            "sets": [_describe_sets(result) for result in self.sets],
            "risk_coverage_area": float(np.mean(self.areas)),
        }


def _describe_step(step: CalibrationStep) -> dict[str, Any]:  # Any: JSON values
    clean = None if step.clean is None else step.clean.to_dict()
    return {
        "method": step.method,
        "accuracy": step.accuracy,
        **step.metrics.to_dict(),
        "clean": clean,
    }


def _describe_sets(result: SetResult) -> dict[str, Any]:  # Any: JSON values
    metrics = result.metrics
    return {
        "method": result.method,
        "by_class": result.by_class,
        "asked": result.asked,
        "coverage": metrics.coverage,
        "interval": list(metrics.interval),
        "coverage_clean": None if result.clean is None else result.clean.coverage,
        "coverage_of_classes": list(metrics.by_class),
        "size": metrics.size,
        "single": metrics.single,
        "single_accuracy": metrics.single_accuracy,
        "empty": metrics.empty,
    }


def measure_trust(
    results: Results,
    calibration: RunCalibration,
    coverages: Sequence[float] = COVERAGES,
    variants: Sequence[str] | None = None,
    tell: Tell | None = None,
) -> tuple[VariantTrust, ...]:
    """Measure what calibration and sets are worth on evaluated images.

    Parameters
    ----------
    results : Results
    calibration : RunCalibration
        Fitted on other images of the same run.
    coverages : sequence of float
        Between 0 and 1.
    variants : sequence of str or None
        None for all.
    tell : callable, optional
        Called with (done, total, variant) before each variant.

    Raises
    ------
    DataError
        If the calibration lacks a seed or variant of the results.
    SettingsError
        If a coverage is not between 0 and 1.
    """
    chosen = tuple(variants or results.variants)
    measured = []
    for done, variant in enumerate(chosen):
        if tell is not None:
            tell(done, len(chosen), variant)
        measured.append(_measure_variant(results, calibration, variant, coverages))
    return tuple(measured)


def _measure_variant(
    results: Results, calibration: RunCalibration, variant: str, coverages: Sequence[float]
) -> VariantTrust:
    for seed in results.seeds:
        if variant not in calibration.scalings.get(seed.seed, {}):
            raise DataError(
                f"the calibration has no variant {variant!r} of seed {seed.seed}; make it again"
            )
    before = np.stack([seed.probabilities[variant] for seed in results.seeds])
    by_method: dict[str, NDArray[np.float32]] = {
        method: np.stack([
            calibration.scalings[seed.seed][variant][method].apply(shares)
            for seed, shares in zip(results.seeds, before, strict=True)
        ])
        for method in SCALING_METHODS
    }  # fmt: skip
    after = by_method["temperature"]
    ensemble: tuple[CalibrationStep, ...] = ()
    if len(before) > 1:
        mean = before.mean(axis=0, keepdims=True)
        scalings = calibration.ensemble[variant].items()
        scaled: dict[str, NDArray[np.float32]] = {m: s.apply(mean) for m, s in scalings}
        ensemble = _steps(results, {"none": mean, **scaled})
    risks = [risk_coverage(shares, results.labels) for shares in after]
    return VariantTrust(
        variant=variant,
        before=before,
        after=after,
        steps=_steps(results, {"none": before, **by_method}),
        ensemble=ensemble,
        sets=tuple(
            _verify(
                results, calibration, variant, after, asked=asked, method=method, by_class=by_class
            )
            for method, by_class in _SET_KINDS
            for asked in coverages
        ),
        risk=risks[0],
        areas=tuple(risk.area for risk in risks),
    )


def _steps(
    results: Results, by_method: Mapping[str, NDArray[np.float32]]
) -> tuple[CalibrationStep, ...]:
    clean = results.clean
    return tuple(
        CalibrationStep(
            method,
            float((shares.argmax(axis=2) == results.labels).mean()),
            measure_calibration(shares, results.labels),
            None
            if clean is None or not clean.any() or clean.all()
            else measure_calibration(shares[:, clean], results.labels[clean]),
        )
        for method, shares in by_method.items()
    )


def _verify(
    results: Results,
    calibration: RunCalibration,
    variant: str,
    shares: NDArray[np.float32],
    *,
    asked: float,
    method: SetMethod,
    by_class: bool,
) -> SetResult:
    sets = np.stack([
        calibration.sets(seed.seed, variant, asked, method, by_class=by_class).predict(own)
        for seed, own in zip(results.seeds, shares, strict=True)
    ])  # fmt: skip
    clean = results.clean
    return SetResult(
        method,
        by_class,
        asked,
        measure_sets(sets, results.labels),
        None
        if clean is None or not clean.any() or clean.all()
        else measure_sets(sets[:, clean], results.labels[clean]),
    )
