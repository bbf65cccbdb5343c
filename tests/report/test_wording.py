"""Numbers and sentences of the report."""

import re
from dataclasses import replace

import numpy as np
import pytest
from fabricated import fabricate_results

from ferboost.evaluation.summary import VariantSummary, against_baselines, summarize
from ferboost.report.wording import (
    answer,
    baseline_comparisons,
    comparisons,
    enumerate_words,
    flatten_settings,
    p_value,
    percent,
    percent_interval,
    points,
    signed,
    typeset,
)


@pytest.fixture(scope="module")
def summaries() -> tuple[VariantSummary, ...]:
    return summarize(fabricate_results(images=400, variants=("cnn", "fc1", "pixels")))


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u2060", "").replace("\u2212", "-")


def test_numbers_are_written_for_people() -> None:
    assert percent(0.5714) == "57.1"
    assert percent(None) == "\u2013"
    assert percent_interval((0.555, 0.587)) == "55.5\u201358.7"
    assert percent_interval(None) == ""
    assert plain(points((-1.04, 0.2))) == "[-1.0, 0.2]"
    assert plain(points((0.04, 1))) == "[0.04, 1.0]"
    assert plain(points((-2, -0.006))) == "[-2.0, -0.01]"
    assert plain(points((-0.00001, 0))) == "[0.0, 0.0]"
    assert (plain(signed(-0.04)), signed(2.04), plain(signed(-3.25))) == ("+0.0", "+2.0", "-3.2")
    assert plain(p_value(0.0004)) == "< 0.001"
    assert (p_value(0.0123), p_value(0.456), p_value(1)) == ("0.012", "0.46", "1.00")


def test_hyphens_of_words_and_ranges_stay_hyphens() -> None:
    assert typeset("one-vs-rest, fc-1, 8-bit") == "one-vs-rest, fc-1, 8-bit"
    assert typeset("-0.4 [-1.0, 0.2]") == "\u22120.4 [\u22121.0,\u00a00.2]"


def test_words_are_enumerated() -> None:
    assert [enumerate_words(["a", "b", "c"][:n]) for n in (1, 2, 3)] == [
        "a",
        "a and b",
        "a, b and c",
    ]


def test_the_answer_tells_accuracy_interval_spread_and_clean_accuracy(
    summaries: tuple[VariantSummary, ...],
) -> None:
    cnn = replace(
        summaries[0],
        accuracy=0.571,
        deviation=0.004,
        interval=(0.555, 0.587),
        accuracy_clean=0.539,
        interval_clean=(0.52, 0.56),
    )
    headline, sentences = answer(cnn)
    assert plain(headline) == "The CNN recognises 57.1 % of 400 test faces"
    assert plain(sentences[0]) == (
        "95 % interval 55.5\u201358.7, over images and seeds. "
        "Mean of 3 seeds, standard deviation 0.4 points."
    )
    assert "not exact copies of training images it recognises 53.9 %" in plain(sentences[1])


def test_the_answer_of_one_seed_says_what_is_not_known() -> None:
    (cnn,) = summarize(fabricate_results(seeds=1, images=50, variants=("cnn",)))
    assert "how much training varies is not known" in answer(cnn)[1][0]


@pytest.mark.parametrize(
    ("leaked", "sentence"), [(0.0, "None of the test images"), (1.0, "All of the test images")]
)
def test_the_answer_says_when_all_or_no_images_are_copies(leaked: float, sentence: str) -> None:
    (cnn,) = summarize(fabricate_results(images=50, variants=("cnn",), leaked=leaked))
    assert answer(cnn)[1][1].startswith(sentence)


def test_each_variant_with_trees_has_its_comparison(summaries: tuple[VariantSummary, ...]) -> None:
    on_fc1, on_pixels = comparisons(summaries)
    assert "oosting on fc1" in on_fc1
    assert on_pixels.startswith("XGBoost on pixels is")


def test_trees_are_told_from_a_baseline_by_a_whole_sentence() -> None:
    results = fabricate_results(images=400, variants=("cnn", "fc1", "fc1 logistic"))
    (sentence,) = baseline_comparisons(against_baselines(results))
    assert re.match(
        r"Boosting on fc1 (adds|is) .* a logistic regression on fc1\.|No difference shown between "
        r"a logistic regression on fc1 and boosting on fc1 ",
        sentence,
    )


def test_settings_become_dotted_keys_and_words() -> None:
    nested = {"seeds": (0, 1), "cnn": {"patience": None, "l2": 1e-4}, "data": {"balance": False}}
    assert flatten_settings(nested) == (
        ("seeds", "0, 1"),
        ("cnn.patience", "none"),
        ("cnn.l2", "0.0001"),
        ("data.balance", "no"),
    )


def test_an_empty_setting_is_empty_text() -> None:
    assert flatten_settings({"taps": np.array([])}) == (("taps", ""),)
