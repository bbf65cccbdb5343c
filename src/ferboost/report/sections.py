"""The report's figures, section by section, with what to see in each."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ferboost.evaluation.choosing import choose_trees
from ferboost.evaluation.label_findings import LabelFindings
from ferboost.evaluation.results import Results
from ferboost.evaluation.robustness import Robustness
from ferboost.evaluation.summary import VariantSummary
from ferboost.evaluation.trust import VariantTrust
from ferboost.explanation import ExplanationCheck
from ferboost.published import published, published_accuracies
from ferboost.report.anatomy import plot_feature_maps, plot_filters
from ferboost.report.content import CaptionedFigure, ReportContent
from ferboost.report.data_figures import draw_changed_faces
from ferboost.report.diagnostics import (
    plot_confusion_counts,
    plot_confusion_shares,
    plot_reliability,
    plot_roc_curves,
    row_shares,
)
from ferboost.report.explanation_figures import plot_removal, plot_similarity
from ferboost.report.figures import (
    plot_accuracy_by_class,
    plot_accuracy_by_variant,
    plot_accuracy_curves,
    plot_loss_curves,
    plot_predict_times,
)
from ferboost.report.label_figures import plot_finder
from ferboost.report.memorising_figures import memorising_figures
from ferboost.report.robustness_figures import plot_robustness
from ferboost.report.tree import plot_tree
from ferboost.report.trust_figures import plot_calibration_change, plot_risk_coverage
from ferboost.report.wording import enumerate_words, percent, variant_name

__all__ = ["chosen_boosted", "published_by_class", "published_by_variant", "section_figures"]


def chosen_boosted(
    content: ReportContent, summaries: Sequence[VariantSummary]
) -> VariantSummary | None:
    """Return the variant with trees that figures show, by `choose_trees`; None without trees."""
    chosen = choose_trees(content.results.variants, content.calibration)
    return next((summary for summary in summaries if summary.variant == chosen), None)


def published_by_variant(content: ReportContent) -> dict[str, float]:
    """Return the published accuracies in percent by variant; none where they do not belong."""
    return published_accuracies() if content.published else {}


def published_by_class(content: ReportContent) -> dict[str, float]:
    """Return the published accuracies of the CNN in percent by class (the study's table 1)."""
    return dict(published()["cnn"]["result"]["per_class"]) if content.published else {}


def section_figures(
    content: ReportContent,
    summaries: Sequence[VariantSummary],
    trusts: Sequence[VariantTrust] = (),
) -> dict[str, tuple[CaptionedFigure, ...]]:
    """Return the figures by section, in the order of the page."""
    boosted = chosen_boosted(content, summaries)
    shown = (summaries[0],) if boosted is None else (summaries[0], boosted)
    return {
        "models": (_models(content, summaries),),
        "memorised": memorising_figures(content.memorised),
        "classes": (_by_class(content, summaries),),
        "changes": tuple(_changed(content)),
        "confusions": tuple(f for s in shown for f in _confusions(content.results, s)),
        "roc": tuple(_roc_curves(content, summary) for summary in shown),
        "learning": tuple(_learning(content)),
        "calibration": (_calibration(content, summaries),),
        "trust": tuple(_calibration_change(content.results, trust) for trust in trusts),
        "abstention": _abstention(trusts),
        "robustness": tuple(_robustness(content.robustness, [s.variant for s in shown])),
        "explanation": tuple(_explanation(content.explanation)),
        "labels": tuple(_labels(content.labels)),
        "time": (_time(summaries),),
        "inside": tuple(_inside(content)),
        "data": content.data_figures,
    }


def _robustness(
    robustness: Robustness | None, variants: Sequence[str]
) -> Iterator[CaptionedFigure]:
    if robustness is None:
        return
    for corruption in robustness.corruptions:
        curves = [curve for curve in robustness.of(corruption) if curve.variant in variants]
        first = curves[0]
        costly = next(
            (
                f"{strength:g}"
                for strength, accuracy in zip(first.strengths, first.accuracy, strict=True)
                if accuracy < first.accuracy[0] - 0.1
            ),
            None,
        )
        caption = (
            f"{variant_name(first.variant)} loses up to {100 * first.worst_loss:.0f} points"
            + (", and more than 10 from " + costly + " on." if costly else ".")
        )
        caption = caption[0].upper() + caption[1:]
        yield CaptionedFigure(plot_robustness(curves), f"Worse faces: {corruption}", caption)


def _explanation(check: ExplanationCheck | None) -> Iterator[CaptionedFigure]:
    if check is None:
        return
    for method in check.methods:
        yield CaptionedFigure(
            plot_removal(method), f"Removing what a map shows: {method.method}", method.sentence()
        )
    yield CaptionedFigure(
        plot_similarity(check),
        "Maps of random weights",
        "A map that stays the same where the weights are random shows the face, not what the "
        "model has learnt of it. 1: the same order of pixels; 0: none in common.",
    )


def _labels(findings: LabelFindings | None) -> Iterator[CaptionedFigure]:
    if findings is None or not findings.finder:
        return
    yield CaptionedFigure(
        plot_finder(findings.finder),
        "Wrong labels among the most suspicious",
        "How many of the first labels are wrong by the votes, and how many of all wrong ones are "
        "found by then.",
    )


def _models(content: ReportContent, summaries: Sequence[VariantSummary]) -> CaptionedFigure:
    seeds = len(content.results.seeds)
    caption = (
        f"Large dots are means over {seeds} seeds, small dots the seeds, bars 95 % intervals over "
        "images and seeds."
        if seeds > 1
        else "Dots are accuracies, bars 95 % intervals over images."
    )
    if len(summaries) > 1:
        caption += (
            " Models whose bars overlap can still differ, because all saw the same images: the "
            "table of differences compares them image by image."
        )
    figure = plot_accuracy_by_variant(summaries, published_by_variant(content))
    return CaptionedFigure(figure, "Accuracy of each model", caption)


def _by_class(content: ReportContent, summaries: Sequence[VariantSummary]) -> CaptionedFigure:
    accuracies = _defined(summaries[0].by_class("accuracy"))
    best = max(accuracies, key=accuracies.__getitem__)
    worst = min(accuracies, key=accuracies.__getitem__)
    count = summaries[0].per_seed[0].per_class[worst].n
    return CaptionedFigure(
        plot_accuracy_by_class(
            summaries[0], chosen_boosted(content, summaries), published_by_class(content)
        ),
        "Accuracy by true class",
        f"The CNN recognises {best} best ({percent(accuracies[best], 0)} %) and {worst} worst "
        f"({percent(accuracies[worst], 0)} % of {count:,}).",
    )


def _confusions(results: Results, summary: VariantSummary) -> tuple[CaptionedFigure, ...]:
    name = variant_name(summary.variant)
    return (
        CaptionedFigure(
            plot_confusion_counts(results, summary),
            f"Confusions of {name}, in images",
            f"What seed {results.seeds[0].seed} took each class for; the diagonal is right.",
        ),
        CaptionedFigure(
            plot_confusion_shares(results, summary),
            f"Confusions of {name}, in percent of the true class",
            _worst_confusion(results.classes, summary),
        ),
    )


def _roc_curves(content: ReportContent, summary: VariantSummary) -> CaptionedFigure:
    results = content.results
    areas = _defined(summary.by_class("auc"))
    title = f"ROC curves of {variant_name(summary.variant)}"
    figure = plot_roc_curves(results, summary)
    if not areas:
        return CaptionedFigure(figure, title, "With images of one class alone there is no curve.")
    best = max(areas, key=areas.__getitem__)
    worst = min(areas, key=areas.__getitem__)
    caption = (
        f"Told apart best: {best}, area {areas[best]:.2f}; worst: {worst}, {areas[worst]:.2f}. "
        "Chance is 0.5."
    )
    if content.published and summary.variant == "cnn":
        result = published()["cnn"]["result"]
        caption += f" Published: disgusted {result['auc_disgusted']}, happy {result['auc_happy']}."
    if len(results.seeds) > 1:
        caption += f" Areas are means over seeds, curves those of seed {results.seeds[0].seed}."
    return CaptionedFigure(figure, title, caption)


def _learning(content: ReportContent) -> list[CaptionedFigure]:
    results = content.results
    if not any(seed.history for seed in results.seeds):
        return []
    selection = "test" if content.protocol == "paper" else "validation"
    kept = enumerate_words([str(seed.best_epoch) for seed in results.seeds])
    seconds = np.mean([record.seconds for seed in results.seeds for record in seed.history])
    return [
        CaptionedFigure(
            plot_loss_curves(results, selection),
            "Loss over the epochs",
            f"Where the training loss falls on while the {selection} loss rises, the network "
            f"memorises. Each seed has its line; the weights kept are those of epoch {kept}.",
        ),
        CaptionedFigure(
            plot_accuracy_curves(results, selection),
            "Accuracy over the epochs",
            f"The gap between the lines is what does not carry over to new faces. An epoch took "
            f"{seconds:.1f} s.",
        ),
    ]


def _calibration(content: ReportContent, summaries: Sequence[VariantSummary]) -> CaptionedFigure:
    results, cnn = content.results, summaries[0]
    probabilities = [seed.probabilities["cnn"].max(axis=1).mean() for seed in results.seeds]
    confidence = float(np.mean(probabilities))
    caption = (
        "Below the diagonal a model promises more than it keeps. The CNN is on average "
        f"{percent(confidence)} % sure and {percent(cnn.accuracy)} % right."
    )
    figure = plot_reliability(results, cnn, chosen_boosted(content, summaries))
    return CaptionedFigure(figure, "Confidence and accuracy", caption)


def _calibration_change(results: Results, trust: VariantTrust) -> CaptionedFigure:
    before, after = (percent(step.metrics.ece.value) for step in trust.steps[:2])
    title = f"Calibration of {variant_name(trust.variant)}"
    if trust.is_scaled:
        title += ", before and after"
        said = f"Temperature scaling moves the error from {before} to {after} points."
    else:
        said = (
            "The images kept for calibration do not show that a temperature helps, so "
            "probabilities stay as they come."
        )
    said += " Bars are 95 % intervals of the accuracy in a bin."
    return CaptionedFigure(plot_calibration_change(trust, results.labels), title, said)


def _abstention(trusts: Sequence[VariantTrust]) -> tuple[CaptionedFigure, ...]:
    if not trusts:
        return ()
    risk = trusts[0].risk
    half = float(risk.risk[(len(risk.risk) - 1) // 2])
    caption = (
        f"Were the CNN to answer the half of the images that it is surest of, {percent(half)} % of "
        f"its answers would be wrong instead of {percent(float(risk.risk[-1]))} %. Curves are "
        "those of the first seed; areas (AURC), the mean error over all shares, are means over "
        f"seeds. The best order of the same answers would have {percent(risk.least_area)} %."
    )
    return (CaptionedFigure(plot_risk_coverage(trusts), "Abstaining when unsure", caption),)


def _time(summaries: Sequence[VariantSummary]) -> CaptionedFigure:
    caption = "The whole goes from 8-bit images to probabilities, everything included. "
    caption += "Of more than 1,000 images the first 1,000 are timed, several times."
    if any(summary.variant not in {"cnn", "pixels"} for summary in summaries):
        caption += " Trees on a layer need the CNN below it, so they add to its time."
    return CaptionedFigure(plot_predict_times(summaries), "Time to predict", caption)


def _inside(content: ReportContent) -> list[CaptionedFigure]:
    figures = []
    if content.filters is not None:
        figures.append(
            CaptionedFigure(
                plot_filters(content.filters),
                "What the first layer looks for",
                "Red weights add to a filter's answer where the face is bright, blue ones where it "
                "is dark; red beside blue finds an edge.",
            )
        )
    if content.tree_dump is not None:
        figures.append(
            CaptionedFigure(
                plot_tree(content.tree_dump, content.tree_title),
                "A tree",
                "A face goes up where the condition holds and down where it does not. The leaf it "
                "ends in is added to the score of the class.",
            )
        )
    if content.sample_face is not None and content.feature_maps:
        figures.append(
            CaptionedFigure(
                plot_feature_maps(content.sample_face, content.feature_maps),
                "One face through the layers",
                "Of each layer the maps that vary most, each from its least (black) to its "
                "greatest value (white). Deeper maps are coarser and say what is there, not what "
                "it looks like.",
            )
        )
    return figures


def _changed(content: ReportContent) -> Iterator[CaptionedFigure]:
    changed = content.changed
    if changed is None:
        return
    name = variant_name(changed.variant)
    for fixed, what in ((True, "put right"), (False, "spoilt")):
        if (changed.fixed == fixed).any():
            yield CaptionedFigure(
                draw_changed_faces(changed, content.results.classes, fixed=fixed),
                f"Faces that are {what} by {name}",
                "What the CNN says, and what the trees make of it; the "
                f"{'second' if fixed else 'first'} is the label. Those of the first seed with the "
                "greatest change.",
            )


def _worst_confusion(classes: Sequence[str], summary: VariantSummary) -> str:
    shares = np.nan_to_num(row_shares(summary))
    np.fill_diagonal(shares, 0)
    true, predicted = divmod(int(shares.argmax()), len(classes))
    if shares[true, predicted] == 0:
        return "Nothing is confused."
    return (
        f"Most often, {classes[true]} is taken for {classes[predicted]}: "
        f"{percent(shares[true, predicted], 0)} % of the time."
    )


def _defined(measures: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in measures.items() if value is not None}
