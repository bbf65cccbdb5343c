"""A model card: what a model of a run is, how good it is, and what it should not be used for."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ferboost.evaluation.results import Results
from ferboost.evaluation.summary import VariantSummary, summarize
from ferboost.evaluation.trust import VariantTrust, measure_trust
from ferboost.models import load_seed_model
from ferboost.pipeline import load_calibration, load_results
from ferboost.pipeline.calibrating import why_uncalibrated
from ferboost.pipeline.drifting import load_trait_limits
from ferboost.report import wording
from ferboost.report.templates import template_environment
from ferboost.runs import Run
from ferboost.variants import in_words, require_variant

__all__ = ["model_card"]

_PROTOCOLS = {
    "clean": "Nothing was chosen on them: the weights were, on images cut off the training images.",
    "paper": "The weights were chosen on these very images, as in the published study: flattering.",
}
_SHOWN_MISTAKES = 5


def model_card(run: Run, variant: str = "cnn") -> str:
    """Return the model card of one variant of a finished run, in Markdown.

    It holds no date and no path of this machine but what the run recorded, so that the same run
    gives the same card.

    Parameters
    ----------
    run : Run
    variant : str
        ``"cnn"``, or trees as the run names them.

    Raises
    ------
    RunError
        If the run is not finished, or a file of it is damaged.
    SettingsError
        If it has no such variant.

    References
    ----------
    .. [1] Mitchell, M. et al. (2019). Model cards for model reporting. FAT*.
    """
    results = load_results(run)
    require_variant(run.path, variant, results.variants)
    (summary,) = [s for s in summarize(results) if s.variant == variant]
    calibration = load_calibration(run)
    trust = None
    if calibration is not None:
        (trust,) = measure_trust(results, calibration, variants=[variant])
    settings = run.settings
    environment = template_environment(escape=False)
    clean = summary.per_seed[0].n_clean
    return environment.get_template("card.md.j2").render(
        title=f"{settings.preset}, {in_words(variant).removeprefix('the ')}",
        about=_about(run, variant),
        facts=_facts(run),
        commands=[
            _without_folders(run.record.command),
            shlex.join(
                [
                    "ferboost",
                    "export",
                    run.path.resolve().name,
                    "-o",
                    "model.onnx",
                    "--variant",
                    variant,
                ]
            ),
        ],
        notes=run.record.data.notes,
        protocol=_PROTOCOLS[settings.protocol],
        count=summary.per_seed[0].n,
        count_clean=0 if clean is None else clean,
        seeds="one seed" if len(settings.seeds) == 1 else f"{len(settings.seeds)} seeds",
        several=len(settings.seeds) > 1,
        measures=list(_measures(summary)),
        classes=list(_classes(summary, results)),
        mistaken=_mistaken(summary, results.classes),
        calibration=_calibration(trust) if trust else f"The run is {why_uncalibrated(run)}.",
        sets=list(_sets(trust)) if trust else [],
        trained_on=_trained_on(run),
    )


def _about(run: Run, variant: str) -> str:
    network = load_seed_model(run, run.settings.seeds[0]).network
    kind = {"published": "The published study's network", "residual": "A residual network"}
    return (
        f"{kind[run.settings.cnn.architecture]} of {network.parameter_count():,} parameters that "
        f"tells {len(run.record.classes)} emotions from a face; what is described is "
        f"{in_words(variant)}. Made by ferboost {run.record.environment.get('ferboost', '')}."
    )


def _facts(run: Run) -> list[tuple[str, str]]:
    data, settings = run.record.data, run.settings
    counts = ", ".join(f"{sum(own):,} {split}" for split, own in data.counts.items())
    machine = run.record.environment
    return [
        ("data", f"{Path(data.path).name}, fingerprint `{data.fingerprint}`"),
        ("images", counts),
        ("classes", ", ".join(run.record.classes)),
        ("seeds", ", ".join(map(str, settings.seeds))),
        ("protocol", settings.protocol),
        ("epochs, optimizer", f"{settings.cnn.epochs}, {settings.cnn.optimizer}"),
        ("augmentation", settings.cnn.augmentation),
        ("machine", f"{machine.get('processor', '')}, {machine.get('cores', '?')} cores"),
        ("packages", ", ".join(f"{n} {machine[n]}" for n in ("torch", "numpy") if n in machine)),
    ]


def _trained_on(run: Run) -> str | None:
    limits = load_trait_limits(run)
    if limits is None:
        return None
    return ", ".join(
        f"{trait} {low:.0f} to {high:.0f}" for trait, (low, high) in limits.to_dict().items()
    )


def _without_folders(command: str) -> str:
    words = [Path(word).name if "/" in word else word for word in shlex.split(command)]
    return shlex.join(words)


def _measures(summary: VariantSummary) -> Iterator[tuple[str, str]]:
    yield "accuracy", _with_interval(summary.accuracy, summary.interval)
    if summary.accuracy_clean is not None and summary.interval_clean is not None:
        yield "accuracy, clean", _with_interval(summary.accuracy_clean, summary.interval_clean)
    for name in ("balanced_accuracy", "macro_f1"):
        values = [getattr(metrics, name) for metrics in summary.per_seed]
        yield name.replace("_", " "), wording.percent(float(np.mean(values)))
    yield "log loss, nats", f"{np.mean([m.log_loss for m in summary.per_seed]):.3f}"
    yield "accuracy on the training images", wording.percent(summary.train_accuracy)


def _with_interval(value: float, interval: tuple[float, float]) -> str:
    return (
        f"{wording.percent(value, 2)} [{', '.join(wording.percent(limit) for limit in interval)}]"
    )


def _classes(summary: VariantSummary, results: Results) -> Iterator[Sequence[str]]:
    for index, emotion in enumerate(results.classes):
        own = [metrics.per_class[emotion] for metrics in summary.per_seed]
        columns = (
            [getattr(c, name) for c in own] for name in ("accuracy", "precision", "f1", "auc")
        )
        means = (
            wording.percent(None if None in values else float(np.mean(values)))
            for values in columns
        )
        yield emotion, f"{int((results.labels == index).sum()):,}", *means


def _mistaken(summary: VariantSummary, classes: Sequence[str]) -> list[str]:
    confusion = np.sum([metrics.confusion for metrics in summary.per_seed], axis=0)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    worst = np.argsort(-shares, axis=None, kind="stable")[:_SHOWN_MISTAKES]
    pairs = zip(*np.unravel_index(worst, shares.shape), strict=True)
    return [
        f"{classes[true]} for {classes[said]} ({100 * shares[true, said]:.0f} %)"
        for true, said in pairs
        if shares[true, said] > 0
    ]


def _calibration(trust: VariantTrust) -> str:
    before, after = trust.steps[0].metrics.ece, trust.steps[1].metrics.ece
    clean = trust.steps[1].clean
    on_clean = "" if clean is None else f", {100 * clean.ece.value:.1f} on the clean images"
    return (
        f"Expected calibration error {100 * before.value:.1f} percent points as it comes, "
        f"{100 * after.value:.1f} [{100 * after.interval[0]:.1f}, {100 * after.interval[1]:.1f}] "
        f"temperature scaled{on_clean}; a perfect model would show "
        f"{100 * trust.steps[0].metrics.ece_by_chance:.1f} on as many images by chance."
    )


def _sets(trust: VariantTrust) -> Iterator[Sequence[str]]:
    for result in trust.sets:
        if result.method == "lac":
            kind = " of each emotion" if result.by_class else ""
            covered = [c for c in result.metrics.by_class if c is not None]
            yield (
                f"{100 * result.asked:g} % of faces{kind}",
                f"{wording.percent(result.metrics.coverage)} %",
                f"{wording.percent(min(covered))} %",
                f"{result.metrics.size:.2f}",
            )
