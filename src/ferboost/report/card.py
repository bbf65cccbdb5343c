"""A model card: what a model of a run is, how good it is, and what it should not be used for."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ferboost.datasets import load_dataset
from ferboost.datasets.splitting import cut_as
from ferboost.errors import SettingsError
from ferboost.evaluation.model_files import evaluate_model_file
from ferboost.evaluation.results import Results
from ferboost.evaluation.robustness import RobustnessCurve
from ferboost.evaluation.summary import VariantSummary, summarize
from ferboost.evaluation.trust import VariantTrust, measure_trust
from ferboost.inference import ModelInfo, Predictor
from ferboost.models import load_seed_model, read_borrowed
from ferboost.pipeline import load_calibration, load_results, load_robustness
from ferboost.pipeline.calibrating import why_uncalibrated
from ferboost.pipeline.drifting import load_trait_limits
from ferboost.pipeline.same_data import require_same_data
from ferboost.report import wording
from ferboost.report.failure_figures import Mistake, plot_failures
from ferboost.runs import Run
from ferboost.templates import template_environment
from ferboost.variants import baseline_of, in_words, require_variant

__all__ = ["ModelCard", "model_card"]

_PROTOCOLS = {
    "clean": "Nothing was chosen on them: the weights were, on images cut off the training images.",
    "paper": "The weights were chosen on these very images, as in the published study: optimistic.",
}
_SHOWN_MISTAKES = 6
#: The folders before a name, also inside of KEY=VALUE.
_FOLDER = re.compile(r"""[^\s"'=\[\],]*/""")
_WEIGHTS: dict[str, str] = {
    "float32": "float32",
    "float16": "kept in float16, computed in float32",
    "int8": "int8, computed in 8 bits",
}


@dataclass(frozen=True)
class ModelCard:
    """What a reader of a model must know.

    Attributes
    ----------
    text : str
        Markdown.
    failures : Figure
        What the model is known to fail at, on drawn faces.
    """

    text: str
    failures: Figure


def model_card(
    run: Run, variant: str = "cnn", exported: Path | None = None, *, picture: str | None = None
) -> ModelCard:
    """Return the model card of one variant of a finished run.

    It holds no date and no path of this machine but what the run recorded, so that the same run
    gives the same card.

    Parameters
    ----------
    run : Run
    variant : str
        ``"cnn"``, or trees as the run names them.
    exported : Path, optional
        What ``ferboost export`` made of it: measured on the run's test images, too, which takes
        the run's data.
    picture : str, optional
        Where the text finds the figure of failures, if it is to show it.

    Raises
    ------
    RunError
        If the run is not finished, a file of it is damaged, or its data is not what it was.
    SettingsError
        If it has no such variant, or the file is of another run or variant.
    ModelError
        If the file is no model.
    DataError
        If the run's data cannot be read.

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
    file = None if exported is None else _measure_file(run, variant, exported)
    robustness = load_robustness(run)
    settings = run.settings
    environment = template_environment(escape=False)
    clean = summary.per_seed[0].n_clean
    mistakes = _mistakes(summary, results.classes)
    curves = [c for c in robustness.curves if c.variant == variant] if robustness else []
    text = environment.get_template("card.md.j2").render(
        title=f"{settings.preset}, {in_words(variant).removeprefix('the ')}",
        about=_about(run, variant),
        facts=_facts(run),
        commands=_commands(run, variant, file),
        file=None if file is None else file.facts,
        notes=run.record.data.notes,
        protocol=_PROTOCOLS[settings.protocol],
        count=summary.per_seed[0].n,
        count_clean=0 if clean is None else clean,
        seeds="one seed" if len(settings.seeds) == 1 else f"{len(settings.seeds)} seeds",
        several=len(settings.seeds) > 1,
        measures=list(_measures(summary)),
        classes=list(_classes(summary, results)),
        mistaken=[f"{m.true} for {m.said} ({100 * m.share:.0f} %)" for m in mistakes],
        picture=picture,
        calibration=_calibration(trust) if trust else f"The run is {why_uncalibrated(run)}.",
        sets=list(_sets(trust)) if trust else [],
        robustness=robustness,
        worse=list(_worse(curves)),
        trained_on=_trained_on(run),
    )
    return ModelCard(text, plot_failures(mistakes, curves))


def _about(run: Run, variant: str) -> str:
    network = load_seed_model(run, run.settings.seeds[0]).network
    kind = {
        "published": "The published study's network",
        "residual": "A residual network",
        "recognition": "A residual network made for face recognition (dlib's)",
    }
    return (
        f"{kind[run.settings.cnn.architecture]} of {network.parameter_count():,} parameters that "
        f"tells {len(run.record.classes)} emotions from a face; what is described is "
        f"{in_words(variant)}. Made by ferboost {run.record.environment.get('ferboost', '')}."
    )


def _facts(run: Run) -> list[tuple[str, str]]:
    data, settings = run.record.data, run.settings
    counts = ", ".join(f"{sum(own):,} {split}" for split, own in data.counts.items())
    machine = run.record.environment
    processors = [machine[name] for name in ("gpu", "processor") if name in machine]
    votes = "beside the labels" if settings.cnn.votes and data.votes else "none"
    return [
        ("data", f"{Path(data.path).name}, fingerprint `{data.fingerprint}`"),
        ("images", counts),
        ("classes", ", ".join(run.record.classes)),
        ("seeds", ", ".join(map(str, settings.seeds))),
        ("protocol", settings.protocol),
        ("epochs, optimizer", f"{settings.cnn.epochs}, {settings.cnn.optimizer}"),
        ("augmentation", settings.cnn.augmentation),
        ("FER+ votes learnt", votes),
        ("taught by", ", ".join(_teachers(run))),
        ("machine", f"{', '.join(processors)}, {machine.get('cores', '?')} cores"),
        ("packages", ", ".join(f"{n} {machine[n]}" for n in ("torch", "numpy") if n in machine)),
    ]


def _teachers(run: Run) -> Iterator[str]:
    yield "labels"
    if run.settings.data.doubts and run.settings.data.doubted == "distil":
        yield f"`{Path(run.settings.data.doubts).name}`"
    for path, seeds, _ in read_borrowed(run, "teacher"):
        own = sorted(set(seeds))
        which = "seed" if len(own) == 1 else "seeds"
        yield f"the CNN of `{Path(path).name}` ({which} {', '.join(map(str, own))})"


def _trained_on(run: Run) -> str | None:
    limits = load_trait_limits(run)
    if limits is None:
        return None
    return ", ".join(
        f"{trait} {low:.0f} to {high:.0f}" for trait, (low, high) in limits.to_dict().items()
    )


@dataclass(frozen=True)
class _File:
    """An exported model: what it is, and what it scores on the run's test images."""

    info: ModelInfo
    facts: Sequence[tuple[str, str]]


def _measure_file(run: Run, variant: str, path: Path) -> _File:
    predictor = Predictor(path)
    info = predictor.info
    if (info.data_fingerprint, info.variant) != (run.record.data.fingerprint, variant):
        raise SettingsError(
            f"{path} is {info.variant!r} of data {info.data_fingerprint}, not {variant!r} of "
            f"{run.path}"
        )
    if info.runs > 1:
        raise SettingsError(
            f"{path} averages {info.runs} runs, and a card is of one; give a file of {run.path}"
        )
    data = load_dataset(Path(run.record.data.path))
    require_same_data(data, run.record.data, run.path)
    results = evaluate_model_file(predictor, cut_as(run.settings, data).split("test"))
    (summary,) = summarize(results)
    error = summary.per_seed[0].ece
    scaled = "as they come" if info.calibration == "none" else f"{info.calibration} scaled"
    facts = [
        ("size", f"{path.stat().st_size / 1e6:.2f} MB"),
        ("weights", _WEIGHTS[info.weight_format]),
        ("probabilities", scaled),
        *list(_measures(summary))[:2],
        ("expected calibration error, points", wording.percent(error)),
    ]
    return _File(info, facts)


def _commands(run: Run, variant: str, file: _File | None) -> list[str]:
    """Return what makes the run again, as `made`, and exports it if it can be."""
    recorded = shlex.split(run.record.command)
    out = ["--out", "made"] if recorded[1:2] in (["train"], ["boost"]) else []
    for option in ("--out", "-o"):
        if option in recorded:
            at = recorded.index(option)
            del recorded[at : at + 2]
    made = [_FOLDER.sub("", word) for word in recorded]
    commands = [shlex.join([*made, *out])]
    if baseline_of(variant) is not None:
        return commands
    export = ["ferboost", "export", "made", "-o", "model.onnx", "--variant", variant]
    if file is not None:
        export += ["--weights", file.info.weight_format, "--calibration", file.info.calibration]
    return [*commands, shlex.join(export)]


def _measures(summary: VariantSummary) -> Iterator[tuple[str, str]]:
    yield "accuracy", _with_interval(summary.accuracy, summary.interval)
    if summary.accuracy_clean is not None and summary.interval_clean is not None:
        yield "accuracy, clean", _with_interval(summary.accuracy_clean, summary.interval_clean)
    yield "balanced accuracy", wording.percent(summary.balanced_accuracy)
    yield "macro f1", wording.percent(summary.macro_f1)
    yield "log loss, nats", f"{summary.log_loss:.3f}"
    yield "accuracy on the CNN's training images", wording.percent(summary.train_accuracy)


def _with_interval(value: float, interval: tuple[float, float]) -> str:
    return (
        f"{wording.percent(value, 2)} [{', '.join(wording.percent(limit) for limit in interval)}]"
    )


def _classes(summary: VariantSummary, results: Results) -> Iterator[Sequence[str]]:
    columns = [summary.by_class(name) for name in ("accuracy", "precision", "f1", "auc")]
    for index, emotion in enumerate(results.classes):
        means = (wording.percent(column[emotion]) for column in columns)
        yield emotion, f"{int((results.labels == index).sum()):,}", *means


def _mistakes(summary: VariantSummary, classes: Sequence[str]) -> list[Mistake]:
    """Return the commonest mistakes, by their share of the faces of the true emotion."""
    confusion = np.sum([metrics.confusion for metrics in summary.per_seed], axis=0)
    counts = confusion.sum(axis=1)
    shares = confusion / np.maximum(counts, 1)[:, None]
    np.fill_diagonal(shares, 0)
    worst = np.argsort(-shares, axis=None, kind="stable")[:_SHOWN_MISTAKES]
    pairs = zip(*np.unravel_index(worst, shares.shape), strict=True)
    return [
        Mistake(classes[true], classes[said], int(confusion[true, said]), int(counts[true]))
        for true, said in pairs
        if shares[true, said] > 0
    ]


def _calibration(trust: VariantTrust) -> str:
    before, after = trust.steps[0].metrics.ece, trust.steps[1].metrics.ece
    clean = trust.steps[1].clean
    on_clean = "" if clean is None else f", {100 * clean.ece.value:.1f} on the clean images"
    limits = f"[{100 * after.interval[0]:.1f}, {100 * after.interval[1]:.1f}]"
    if not trust.is_scaled:
        errors = f"{100 * after.value:.1f} {limits} percent points as it comes{on_clean}"
        errors += " (the images kept for calibration do not show that a temperature helps)"
    else:
        errors = f"{100 * before.value:.1f} percent points as it comes, "
        errors += f"{100 * after.value:.1f} {limits} temperature scaled{on_clean}"
    return (
        f"Expected calibration error {errors}; a perfect model would show "
        f"{100 * trust.steps[0].metrics.ece_by_chance:.1f} on as many images by chance."
    )


def _worse(curves: Sequence[RobustnessCurve]) -> Iterator[Sequence[str]]:
    """Yield for each way to make faces worse: its steps, accuracy and calibration error there."""
    for curve in curves:
        yield (
            f"{curve.corruption}, {curve.unit}" if curve.unit else curve.corruption,
            ", ".join(f"{strength:g}" for strength in curve.strengths),
            ", ".join(wording.percent(accuracy) for accuracy in curve.accuracy),
            ", ".join(wording.percent(error) for error in curve.ece),
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
