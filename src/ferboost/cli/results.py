"""Results in a table and in JSON."""

from dataclasses import asdict
from math import isnan
from typing import TYPE_CHECKING, Any

import typer

from ferboost.cli.console import print_table
from ferboost.variants import CNN, baseline_of, has_trees, variant_phrase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ferboost.evaluation.comparison import Comparison
    from ferboost.evaluation.groups import GroupMetrics
    from ferboost.evaluation.results import Results
    from ferboost.evaluation.summary import VariantSummary
    from ferboost.runs import Run

__all__ = [
    "describe_comparison",
    "describe_results",
    "print_groups",
    "print_results",
    "row_name",
]


def describe_results(results: "Results") -> dict[str, Any]:  # Any: JSON values
    """Return results as JSON can hold them: those of the first model, then of every variant.

    Values are means over the seeds, but for ``n``, ``n_clean`` and the lists ``per_seed``.
    """
    from ferboost.evaluation.summary import summarize

    variants = {summary.variant: _describe(summary) for summary in summarize(results)}
    first = variants[results.variants[0]]
    return {**first, "classes": list(results.classes), "variants": variants}


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
        "predict_seconds": {
            part: None if isnan(seconds) else seconds
            for part, seconds in asdict(summary.predict_time).items()
        },
        "seeds": len(summary.per_seed),
        "accuracy_deviation": summary.deviation,
        "per_seed": [metrics.to_dict() for metrics in summary.per_seed],
    }
    if summary.together is not None:
        described["seeds_together"] = summary.together.to_dict()
    if summary.against_cnn is not None:
        described["against_cnn"] = describe_comparison(summary.against_cnn)
    return described


def describe_comparison(comparison: "Comparison") -> dict[str, Any]:  # Any: JSON values
    """Return a comparison as JSON can hold it; points are of accuracy, nats of log loss."""
    described: dict[str, Any] = {
        "difference_points": comparison.difference,
        "interval_points": list(comparison.interval),
        "mcnemar_p": comparison.pooled.p,
        "adjusted_p": comparison.p,
    }
    if comparison.loss is not None:
        described["log_loss_difference"] = comparison.loss.value
        described["log_loss_interval"] = list(comparison.loss.interval)
        described["log_loss_adjusted_p"] = comparison.loss_p
    return described


def print_results(results: "Results", run: "Run | None", *, own_test_split: bool) -> None:
    """Print a table of all variants, and how each compares to the CNN.

    Parameters
    ----------
    results : Results
    run : Run or None
        None for a model file.
    own_test_split : bool
        Whether the images are those that the run itself was evaluated on: then the published
        figures belong beside them, and the published protocol has selected on them.
    """
    from ferboost.evaluation.summary import against_baselines, summarize
    from ferboost.published import published_accuracies
    from ferboost.report.writing import is_published_setting

    own = run if own_test_split else None
    reference = published_accuracies() if own is not None and is_published_setting(own) else {}
    summaries = summarize(results)
    count = len(results.labels)
    clean = "" if results.clean is None else f", {int(results.clean.sum()):,} of them not in train"
    seeds = f"{len(results.seeds)} seed" + ("s" if len(results.seeds) > 1 else "")
    columns = ["model", "accuracy", "95 %", "clean", "balanced", "to CNN", "loss", "time"]
    rows = [_row(summary) for summary in summaries]
    if reference:
        columns.append("paper")
        for row, summary in zip(rows, summaries, strict=True):
            row.append(f"{reference[summary.variant]:.2f}" if summary.variant in reference else "")
    print_table(f"{count:,} faces{clean}; {seeds}; percent, log loss in nats", columns, rows)
    if own is not None and own.settings.protocol == "paper":
        typer.echo("The models were selected on these very images, as in the published study.")
    for summary in summaries:
        if summary.against_cnn is not None:
            typer.echo(
                summary.against_cnn.sentence(variant_phrase("cnn"), variant_phrase(summary.variant))
            )
    for baseline, trees, comparison in against_baselines(results):
        typer.echo(comparison.sentence(variant_phrase(baseline), variant_phrase(trees)))
    alone = next((s.predict_time.whole for s in summaries if s.variant == CNN), 0.0)
    slower = ", ".join(
        f"{row_name(summary.variant)} {time.whole / alone:.2f}"
        f" ({time.trees / time.whole:.0%} trees)"
        for summary in summaries
        if alone > 0 and has_trees(summary.variant)
        for time in (summary.predict_time,)
    )
    if slower:
        typer.echo(f"Times as long as the CNN takes to predict: {slower}.")
    together = ", ".join(
        f"{row_name(summary.variant)} {100 * summary.together.accuracy:.2f}"
        for summary in summaries
        if summary.together is not None
    )
    if together:
        typer.echo(f"The seeds together, as predict and export give them: {together}.")


def print_groups(by_variant: "Mapping[str, Sequence[GroupMetrics]]") -> None:
    """Print how groups of faces fare, and what can be said of the CNN's differences."""
    rows = [
        [
            f"{group.group}, {row_name(variant)}",
            f"{group.n:,}",
            f"{100 * group.accuracy:.1f}",
            " - ".join(f"{100 * limit:.1f}" for limit in group.interval),
            f"{group.difference:+.1f}",
            f"{group.p:.2g}",
        ]
        for variant, own in by_variant.items()
        for group in own
    ]
    typer.echo("")
    print_table(
        "groups, without faces that are in train; p of the difference to all other groups'\nfaces, "
        "adjusted for their number (Holm)",
        ["group, model", "faces", "accuracy", "95 %", "to others", "p"],
        rows,
    )
    for group in next(iter(by_variant.values())):
        typer.echo(group.sentence())


def row_name(variant: str) -> str:
    """Return what a variant is called in the first column of a table."""
    if has_trees(variant):
        return f"trees: {variant}"
    return variant.replace("cnn", "CNN") if baseline_of(variant) is None else variant


def _row(summary: "VariantSummary") -> list[str]:
    low, high = summary.interval
    spread = "" if summary.deviation is None else f" ± {100 * summary.deviation:.2f}"
    return [
        row_name(summary.variant),
        f"{100 * summary.accuracy:.2f}{spread}",
        f"{100 * low:.1f}-{100 * high:.1f}",
        "" if summary.accuracy_clean is None else f"{100 * summary.accuracy_clean:.2f}",
        f"{100 * summary.balanced_accuracy:.2f}",
        "" if summary.against_cnn is None else f"{summary.against_cnn.difference:+.2f}",
        f"{summary.log_loss:.3f}",
        f"{summary.predict_time.whole:.2f} s",
    ]
