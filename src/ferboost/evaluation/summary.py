"""Every variant of a run over all its seeds: means, spread, intervals, difference to the CNN."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ferboost.evaluation.bootstrap import bootstrap_means, percentile_interval
from ferboost.evaluation.comparison import Comparison, adjusted, compare_variants
from ferboost.evaluation.metrics import Metrics, evaluate_probabilities
from ferboost.evaluation.results import PredictTime, Results
from ferboost.variants import CNN, baseline_of, trees_beside

__all__ = ["VariantSummary", "against_baselines", "summarize"]


@dataclass(frozen=True)
class VariantSummary:
    """One variant over all seeds; shares from 0 to 1.

    Attributes
    ----------
    variant : str
        ``"cnn"`` or a tap.
    per_seed : tuple of Metrics
        In the order of the run's seeds.
    accuracy : float
        Mean over seeds.
    deviation : float or None
        Standard deviation of the accuracy over seeds (n - 1); None for one seed.
    interval : tuple of float
        95 % bootstrap interval of `accuracy` over images and seeds.
    accuracy_clean, interval_clean
        The same on the images that are not exact copies of training images; None where there
        are none, or it is not known which they are.
    train_accuracy : float
        Mean over seeds of the accuracy on the training images.
    predict_time : PredictTime
        Mean over seeds.
    against_cnn : Comparison or None
        This variant (b) against the CNN (a), its p adjusted for the number of variants; None for
        the CNN, and where its verdicts are not known.
    together : Metrics or None
        Of the mean of the seeds' probabilities, which is what `predict` and an export give; None
        for one seed.
    """

    variant: str
    per_seed: tuple[Metrics, ...]
    accuracy: float
    deviation: float | None
    interval: tuple[float, float]
    accuracy_clean: float | None
    interval_clean: tuple[float, float] | None
    train_accuracy: float
    predict_time: PredictTime
    against_cnn: Comparison | None
    together: Metrics | None = None

    def by_class(
        self, measure: Literal["accuracy", "precision", "f1", "auc"]
    ) -> dict[str, float | None]:
        """Return a measure of `ClassMetrics` by class: the mean of the seeds that define it."""
        return {
            name: _mean_of([getattr(metrics.per_class[name], measure) for metrics in self.per_seed])
            for name in self.per_seed[0].per_class
        }

    @property
    def balanced_accuracy(self) -> float:
        """Mean over seeds."""
        return float(np.mean([m.balanced_accuracy for m in self.per_seed]))

    @property
    def macro_f1(self) -> float:
        """Mean over seeds."""
        return float(np.mean([m.macro_f1 for m in self.per_seed]))

    @property
    def log_loss(self) -> float:
        """Mean over seeds, in nats."""
        return float(np.mean([m.log_loss for m in self.per_seed]))

    @property
    def ece(self) -> float:
        """Mean over seeds."""
        return float(np.mean([m.ece for m in self.per_seed]))


def summarize(
    results: Results, *, resamples: int = 10_000, seed: int = 0
) -> tuple[VariantSummary, ...]:
    """Summarize the variants of a run, in the order of `Results.variants`.

    Parameters
    ----------
    results : Results
    resamples : int
        Bootstrap resamples of the intervals.
    seed : int
        Of the bootstrap.
    """
    alone = tuple(
        _summarize_variant(results, variant, resamples, seed) for variant in results.variants
    )
    together = iter(adjusted([s.against_cnn for s in alone if s.against_cnn is not None]))
    return tuple(
        s if s.against_cnn is None else replace(s, against_cnn=next(together)) for s in alone
    )


def against_baselines(
    results: Results, *, resamples: int = 10_000, seed: int = 0
) -> tuple[tuple[str, str, Comparison], ...]:
    """Compare trees with each baseline on the same features.

    Parameters
    ----------
    results : Results
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    tuple of (str, str, Comparison)
        The baseline (a), the trees (b), and the trees against the baseline, its p adjusted for the
        number of baselines.
    """
    pairs = [
        (variant, trees_beside(variant))
        for variant in results.variants
        if baseline_of(variant) is not None and trees_beside(variant) in results.variants
    ]
    found = adjusted([
        compare_variants(results, *pair, resamples=resamples, seed=seed) for pair in pairs
    ])  # fmt: skip
    return tuple((*pair, comparison) for pair, comparison in zip(pairs, found, strict=True))


def _summarize_variant(results: Results, variant: str, resamples: int, seed: int) -> VariantSummary:
    correct = results.correct(variant)
    clean = correct[:, :0] if results.clean is None else correct[:, results.clean]
    accuracies = correct.mean(axis=1)
    times = [s.predict_times[variant] for s in results.seeds]
    return VariantSummary(
        variant=variant,
        per_seed=tuple(
            evaluate_probabilities(
                s.probabilities[variant],
                results.labels,
                results.classes,
                results.clean,
                resamples=resamples,
                seed=seed,
            )
            for s in results.seeds
        ),
        accuracy=float(accuracies.mean()),
        deviation=float(accuracies.std(ddof=1)) if len(accuracies) > 1 else None,
        interval=percentile_interval(bootstrap_means(correct, resamples=resamples, seed=seed)),
        accuracy_clean=float(clean.mean()) if clean.size else None,
        interval_clean=(
            percentile_interval(bootstrap_means(clean, resamples=resamples, seed=seed))
            if clean.size
            else None
        ),
        train_accuracy=float(np.mean([s.train_accuracy[variant] for s in results.seeds])),
        predict_time=PredictTime(
            cnn=float(np.mean([t.cnn for t in times])),
            trees=float(np.mean([t.trees for t in times])),
            whole=float(np.mean([t.whole for t in times])),
        ),
        together=_together(results, variant, resamples, seed),
        against_cnn=(
            None
            if variant == CNN or CNN not in results.variants
            else compare_variants(results, CNN, variant, resamples=resamples, seed=seed)
        ),
    )


def _together(results: Results, variant: str, resamples: int, seed: int) -> Metrics | None:
    if len(results.seeds) == 1:
        return None
    members = [s.probabilities[variant] for s in results.seeds]
    mean = np.asarray(np.mean(members, axis=0), dtype=np.float32)
    return evaluate_probabilities(
        mean, results.labels, results.classes, results.clean, resamples=resamples, seed=seed
    )


def _mean_of(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
