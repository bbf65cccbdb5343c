"""Figures of results and diagnostics."""

import numpy as np
import pytest
from fabricated import fabricate_results
from matplotlib.figure import Figure

from ferboost.evaluation.results import Results
from ferboost.evaluation.summary import VariantSummary, summarize
from ferboost.report import diagnostics, figures

CLASSES = ("calm", "_tense", "$x$")


@pytest.fixture(scope="module")
def results() -> Results:
    return fabricate_results(images=600, variants=("cnn", "fc1"))


@pytest.fixture(scope="module")
def summaries(results: Results) -> tuple[VariantSummary, ...]:
    return summarize(results)


def legend(figure: Figure) -> list[str]:
    return [text.get_text().lstrip("\u200b") for text in figure.legends[0].get_texts()]


def test_learning_curves_have_two_lines_and_a_kept_epoch_for_each_seed(results: Results) -> None:
    figure = figures.plot_loss_curves(results, "test")
    lines = figure.axes[0].lines
    assert len(lines) == 3 * 3
    for seed, kept in zip(results.seeds, lines[2::3], strict=True):
        assert kept.get_xdata() == [seed.best_epoch]
        assert kept.get_ydata() == [seed.history[seed.best_epoch - 1].validation_loss]
    assert legend(figure) == ["training", "test", "kept epoch"]


def test_accuracy_curves_are_in_percent(results: Results) -> None:
    (axes,) = figures.plot_accuracy_curves(results).axes
    expected = [100 * record.train_accuracy for record in results.seeds[0].history]
    np.testing.assert_allclose(np.asarray(axes.lines[0].get_ydata(), float), expected)
    assert axes.get_ylabel() == "Accuracy in %"


def test_the_published_accuracy_is_marked_where_there_is_one(
    summaries: tuple[VariantSummary, ...],
) -> None:
    assert "published" in legend(figures.plot_accuracy_by_variant(summaries, {"fc1": 55.2}))
    assert "published" not in legend(figures.plot_accuracy_by_variant(summaries, {}))


def test_each_class_has_a_row(summaries: tuple[VariantSummary, ...]) -> None:
    (axes,) = figures.plot_accuracy_by_class(summaries[0], None, {}).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [
        *summaries[0].per_seed[0].per_class
    ]


def test_times_are_stacked(summaries: tuple[VariantSummary, ...]) -> None:
    (axes,) = figures.plot_predict_times(summaries).axes
    trees = axes.containers[1][1]
    assert trees.get_x() == pytest.approx(summaries[1].predict_time.cnn)
    assert trees.get_width() == pytest.approx(summaries[1].predict_time.trees)


def test_confusions_show_the_counts_of_the_first_seed(
    results: Results, summaries: tuple[VariantSummary, ...]
) -> None:
    (axes,) = diagnostics.plot_confusion_counts(results, summaries[0]).axes
    shown = [int(text.get_text()) for text in axes.texts]
    assert shown == summaries[0].per_seed[0].confusion.ravel().tolist()


def test_row_shares_add_up_to_one_and_are_undefined_for_absent_classes() -> None:
    results = fabricate_results(images=40, classes=("a", "b", "c", "d"), variants=("cnn",))
    labels = np.arange(40) % 3
    present = Results(results.classes, labels, results.clean, results.seeds)
    (cnn,) = summarize(present)
    shares = diagnostics.row_shares(cnn)
    np.testing.assert_allclose(shares[:3].sum(axis=1), 1)
    assert np.isnan(shares[3]).all()
    diagnostics.plot_confusion_shares(present, cnn).draw_without_rendering()


def test_roc_curves_name_class_and_area(
    results: Results, summaries: tuple[VariantSummary, ...]
) -> None:
    area = summaries[0].by_class("auc")["happy"]
    assert f"happy {area:.2f}" in legend(diagnostics.plot_roc_curves(results, summaries[0]))


def test_images_of_one_class_alone_have_no_roc_curve() -> None:
    results = fabricate_results(images=5, variants=("cnn",))
    alone = Results(results.classes, np.zeros_like(results.labels), results.clean, results.seeds)
    figure = diagnostics.plot_roc_curves(alone, summarize(alone)[0])
    figure.draw_without_rendering()
    assert not figure.legends


def test_reliability_names_the_calibration_error(
    results: Results, summaries: tuple[VariantSummary, ...]
) -> None:
    figure = diagnostics.plot_reliability(results, *summaries)
    assert legend(figure) == [
        f"CNN, error {100 * summaries[0].ece:.1f} points",
        f"Trees on fc1, error {100 * summaries[1].ece:.1f} points",
    ]


def test_names_that_look_like_formulas_or_private_are_drawn_as_they_are() -> None:
    results = fabricate_results(images=60, classes=CLASSES, variants=("cnn",))
    (cnn,) = summarize(results)
    figure = diagnostics.plot_roc_curves(results, cnn)
    figure.draw_without_rendering()
    names = [label.rsplit(" ", 1)[0].replace("\\", "") for label in legend(figure)]
    assert names == [*CLASSES]


def test_the_names_of_joined_taps_are_broken_into_lines() -> None:
    long = "fc1-views+fc1-views-centres+logits residual"
    summaries = summarize(fabricate_results(images=60, variants=("cnn", long)))
    for plot in (lambda s: figures.plot_accuracy_by_variant(s, {}), figures.plot_predict_times):
        figure = plot(summaries)
        (axes,) = figure.axes
        name = axes.get_yticklabels()[1].get_text()
        assert name == ("Residual trees on fc1-views+\nfc1-views-centres+logits")
        figure.draw_without_rendering()
        assert axes.get_position().width > 0.2
