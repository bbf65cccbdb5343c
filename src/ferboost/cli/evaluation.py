"""``ferboost evaluate``, ``compare`` and ``predict``."""

from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferboost.cli.console import ConsoleMonitor, print_json, print_table
from ferboost.cli.data import JsonOption, load

if TYPE_CHECKING:
    from ferboost.evaluation.results import Results
    from ferboost.evaluation.summary import VariantSummary
    from ferboost.runs import Run

__all__ = ["compare", "describe_results", "evaluate", "predict", "print_results"]

SplitOption = Annotated[str, typer.Option(help="Which images: train, validation, test, or all.")]


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run directory.")],
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Any labelled data set; test/ alone will do.")
    ],
    split: SplitOption = "test",
    json: JsonOption = False,
) -> None:
    """Evaluate the CNN and the trees of a run on labelled faces."""
    from ferboost.pipeline import evaluate_run
    from ferboost.runs import Run

    run = Run.open(model)
    results = evaluate_run(run, _load_split(data, split), ConsoleMonitor())
    if json:
        print_json(describe_results(results))
    else:
        print_results(results, run)


def _load_split(data: Path, split: str) -> Any:  # Any: FaceDataset, not imported at start
    from ferboost.datasets import SPLITS
    from ferboost.errors import SettingsError

    if split not in (*SPLITS, "all"):
        raise SettingsError(f"no split {split!r}; there are: {', '.join(SPLITS)}, all")
    dataset = load(data)
    return dataset if split == "all" else dataset.split(split)


def describe_results(results: "Results") -> dict[str, Any]:  # Any: JSON values
    """Return results as JSON can hold them: those of the CNN, then of every variant.

    Values are means over the seeds, but for ``n``, ``n_clean`` and the lists ``per_seed``.
    """
    from ferboost.evaluation.summary import summarize

    summaries = summarize(results)
    variants = {summary.variant: _describe(summary) for summary in summaries}
    return {**variants["cnn"], "classes": list(results.classes), "variants": variants}


def _describe(summary: "VariantSummary") -> dict[str, Any]:  # Any: JSON values
    first = summary.per_seed[0]
    measures = {m: summary.by_class(m) for m in ("accuracy", "precision", "f1", "auc")}
    per_class = {
        name: {"n": first.per_class[name].n} | {m: values[name] for m, values in measures.items()}
        for name in first.per_class
    }
    described: dict[str, Any] = {
        "accuracy": summary.accuracy,
        "interval": list(summary.interval),
        "n": first.n,
        "accuracy_clean": summary.accuracy_clean,
        "interval_clean": None if summary.interval_clean is None else list(summary.interval_clean),
        "n_clean": first.n_clean,
        "balanced_accuracy": summary.balanced_accuracy,
        "macro_f1": summary.macro_f1,
        "log_loss": summary.log_loss,
        "ece": summary.ece,
        "per_class": per_class,
        "predict_seconds": asdict(summary.predict_time),
        "seeds": len(summary.per_seed),
        "accuracy_deviation": summary.deviation,
        "per_seed": [metrics.to_dict() for metrics in summary.per_seed],
    }
    if summary.against_cnn is not None:
        described["against_cnn"] = {
            "difference_points": summary.against_cnn.difference,
            "interval_points": list(summary.against_cnn.interval),
            "mcnemar_p": summary.against_cnn.pooled.p,
        }
    return described


def print_results(results: "Results", run: "Run") -> None:
    """Print a table of all variants, with the published figures where they belong beside them."""
    from ferboost.evaluation.summary import summarize
    from ferboost.published import published
    from ferboost.report.writing import is_published_setting

    reference: dict[str, float] = {}
    if is_published_setting(run):
        reference = {
            "cnn": published()["cnn"]["result"]["test_accuracy"],
            **published()["xgboost_by_tap"],
        }
    rows = []
    sentences = []
    for summary in summarize(results):
        spread = "" if summary.deviation is None else f" ± {100 * summary.deviation:.2f}"
        low, high = summary.interval
        difference = ""
        if summary.against_cnn is not None:
            difference = f"{summary.against_cnn.difference:+.2f}"
            sentences.append(summary.against_cnn.sentence("The CNN", _in_words(summary.variant)))
        rows.append(
            (
                _in_words(summary.variant),
                f"{100 * summary.accuracy:.2f}{spread}",
                f"{100 * low:.1f} - {100 * high:.1f}",
                "" if summary.accuracy_clean is None else f"{100 * summary.accuracy_clean:.2f}",
                f"{100 * summary.balanced_accuracy:.2f}",
                difference,
                f"{reference[summary.variant]:.2f}" if summary.variant in reference else "",
                f"{summary.predict_time.whole:.2f}",
            )
        )
    count = len(results.labels)
    clean = "" if results.clean is None else f", {int(results.clean.sum()):,} clean"
    print_table(
        f"{count:,} faces{clean}, {len(results.seeds)} seeds; accuracies in percent"
        + (" (selected on these images, as published)" if run.settings.protocol == "paper" else ""),
        ("model", "accuracy", "95 %", "clean", "balanced", "to CNN", "published", "seconds"),
        rows,
    )
    for sentence in sentences:
        typer.echo(sentence)


def _in_words(variant: str) -> str:
    return "CNN" if variant == "cnn" else f"trees on {variant}"


def compare(
    arguments: Annotated[
        list[Path], typer.Argument(metavar="RUN... DATA", help="Runs, then labelled faces.")
    ],
    variant: Annotated[
        list[str] | None,
        typer.Option(help="cnn or a tap; may be repeated. Default: all of each run."),
    ] = None,
    split: SplitOption = "test",
    json: JsonOption = False,
) -> None:
    """Compare runs on the same faces, in pairs, with intervals."""
    from ferboost.errors import SettingsError
    from ferboost.evaluation.comparison import compare as compare_pair
    from ferboost.pipeline import evaluate_run
    from ferboost.runs import Run

    *paths, data = arguments
    if not paths:
        raise SettingsError("compare takes at least one run and DATA, in this order")
    runs = [Run.open(path) for path in paths]
    faces = _load_split(data, split)
    correct = {}
    for run in runs:
        results = evaluate_run(run, faces, ConsoleMonitor())
        wanted = variant or results.variants
        for name in wanted:
            if name not in results.variants:
                raise SettingsError(
                    f"{run.path} has no variant {name!r}; it has: {', '.join(results.variants)}"
                )
            correct[f"{_in_words(name)} ({run.path.name})"] = results.correct(name)
    if len({seeds.shape for seeds in correct.values()}) > 1:
        raise SettingsError("runs with equally many seeds can be compared, these have others")
    compared = {(a, b): compare_pair(correct[a], correct[b]) for a, b in combinations(correct, 2)}
    if json:
        print_json([
            {
                "a": a,
                "b": b,
                "difference_points": pair.difference,
                "interval_points": list(pair.interval),
                "mcnemar_p": pair.pooled.p,
                "sentence": pair.sentence(a, b),
            }
            for (a, b), pair in compared.items()
        ])  # fmt: skip
        return
    for (a, b), pair in compared.items():
        typer.echo(pair.sentence(a, b))


def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures of a face.")],
    model: Annotated[Path, typer.Option("--model", metavar="RUN", help="A finished run.")],
    variant: Annotated[str, typer.Option(help="cnn, or the tap whose trees decide.")] = "cnn",
    json: JsonOption = False,
) -> None:
    """Tell the emotion of faces; each picture is taken as one face that fills it."""
    from ferboost.prediction import predict_files
    from ferboost.runs import Run

    predictions, failures = predict_files(Run.open(model), images, variant)
    if json:
        print_json([
            {"image": str(p.path), "emotion": p.emotion, "probabilities": p.probabilities}
            for p in predictions
        ])  # fmt: skip
    else:
        for p in predictions:
            ranked = sorted(p.probabilities.items(), key=lambda item: -item[1])
            shown = ", ".join(f"{name} {share:.0%}" for name, share in ranked[:3])
            typer.echo(f"{p.path}: {shown}")
    for failure in failures:
        typer.echo(f"ferboost: error: {failure}", err=True)
    if failures:
        raise typer.Exit(1)
