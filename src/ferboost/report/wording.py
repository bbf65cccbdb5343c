"""The report's numbers and sentences."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferboost.evaluation.comparison import Comparison, in_points
from ferboost.evaluation.summary import VariantSummary
from ferboost.variants import CNN, FOLD_CNNS, in_words, variant_phrase

__all__ = [
    "answer",
    "baseline_comparisons",
    "comparisons",
    "enumerate_words",
    "flatten_settings",
    "p_value",
    "percent",
    "percent_interval",
    "points",
    "signed",
    "typeset",
    "variant_name",
]

_BRACKETS = re.compile(r"\[(\S+), (\S+)\]")
_RANGE = re.compile(r"(?<=\d)\u2013(?=\d)")
_HYPHEN_AS_MINUS = re.compile(r"(?<![\w.\-])-(?=\d)")


def typeset(text: str) -> str:
    """Return `text` with true minus signs, percent signs and intervals kept on a line."""
    unbroken = _RANGE.sub("\u2013\u2060", _HYPHEN_AS_MINUS.sub("\u2212", text))
    return _BRACKETS.sub("[\\1,\u00a0\\2]", unbroken).replace(" %", "\u00a0%")


def percent(share: float | None, decimals: int = 1) -> str:
    """Return a share from 0 to 1 in percent, without the sign; a dash for None."""
    return "\u2013" if share is None else f"{100 * share:.{decimals}f}"


def percent_interval(interval: tuple[float, float] | None) -> str:
    """Return an interval of shares in percent, such as ``55.5-58.7`` with an en dash."""
    return "" if interval is None else "\u2013".join(percent(share) for share in interval)


def points(interval: tuple[float, float]) -> str:
    """Return an interval of percent points in brackets."""
    return typeset(f"[{', '.join(map(in_points, interval))}]")


def signed(value: float) -> str:
    """Return a difference in percent points with its sign."""
    return typeset(f"{round(value, 1) + 0.0:+.1f}")


def p_value(p: float) -> str:
    """Return a probability with two or three decimals, small ones as ``< 0.001``."""
    if p < 0.001:
        return "<\u00a00.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def variant_name(variant: str) -> str:
    """Return a variant as the name of a model inside a sentence."""
    words = in_words(variant)
    return words if variant in {CNN, FOLD_CNNS} else f"the {words}"


def enumerate_words(words: Sequence[str]) -> str:
    """Return ``"a"``, ``"a and b"`` or ``"a, b and c"``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def answer(cnn: VariantSummary) -> tuple[str, tuple[str, ...]]:
    """Return what the run found about the CNN: a headline, and the sentences below it."""
    n, seeds = cnn.per_seed[0].n, len(cnn.per_seed)
    images = "face" if n == 1 else "faces"
    headline = f"The CNN recognises {percent(cnn.accuracy)} % of {n:,} test {images}"
    sentences = []
    if cnn.deviation is None:
        sentences.append(
            f"95 % interval {percent_interval(cnn.interval)}, over images. "
            "One seed: how much training varies is not known."
        )
    else:
        sentences.append(
            f"95 % interval {percent_interval(cnn.interval)}, over images and seeds. Mean of "
            f"{seeds} seeds, standard deviation {percent(cnn.deviation)} points."
        )
    n_clean = cnn.per_seed[0].n_clean
    if n_clean == n:
        sentences.append("None of the test images is an exact copy of a training image.")
    elif n_clean == 0:
        sentences.append("All of the test images are exact copies of training images.")
    elif n_clean is not None:
        sentences.append(
            f"Of the {n_clean:,} images that are not exact copies of training images it "
            f"recognises {percent(cnn.accuracy_clean)} % ({percent_interval(cnn.interval_clean)})."
        )
    return typeset(headline), tuple(map(typeset, sentences))


def comparisons(summaries: Sequence[VariantSummary]) -> tuple[str, ...]:
    """Return a sentence for each variant but the CNN: what it adds to the CNN, if anything."""
    return tuple(
        typeset(
            summary.against_cnn.sentence(variant_phrase("cnn"), variant_phrase(summary.variant))
        )
        for summary in summaries
        if summary.against_cnn is not None
    )


def baseline_comparisons(found: Sequence[tuple[str, str, Comparison]]) -> tuple[str, ...]:
    """Return a sentence for each baseline: what trees add to it, if anything."""
    return tuple(
        typeset(comparison.sentence(variant_phrase(baseline), variant_phrase(trees)))
        for baseline, trees, comparison in found
    )


def flatten_settings(
    settings: Mapping[str, Any],  # Any: TOML values of many kinds
    prefix: str = "",
) -> tuple[tuple[str, str], ...]:
    """Return nested settings as rows of a dotted key and a value in words."""
    rows: list[tuple[str, str]] = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            rows.extend(flatten_settings(value, f"{prefix}{key}."))
        else:
            rows.append((f"{prefix}{key}", _value_in_words(value)))
    return tuple(rows)


def _value_in_words(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | np.ndarray):
        return ", ".join(map(_value_in_words, value))
    return str(value)
