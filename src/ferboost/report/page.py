"""The report: one HTML page that needs nothing but a browser."""

from itertools import count

import jinja2

from ferboost.datasets.dataset import SPLITS
from ferboost.evaluation.changes import changes_by_class
from ferboost.evaluation.label_findings import AGREEMENTS
from ferboost.evaluation.summary import against_baselines, summarize
from ferboost.evaluation.trust import measure_trust
from ferboost.published import published
from ferboost.report import wording
from ferboost.report.content import CaptionedFigure, DataFacts, ReportContent
from ferboost.report.numbering import number_figures
from ferboost.report.sections import (
    chosen_boosted,
    published_by_class,
    published_by_variant,
    section_figures,
)
from ferboost.report.style import variant_title
from ferboost.report.trust_wording import SCALING_NAMES, SET_NAMES
from ferboost.templates import template_environment

__all__ = ["CaptionedFigure", "DataFacts", "ReportContent", "build_page"]


def build_page(content: ReportContent) -> str:
    """Return the report as one self-contained HTML document.

    Intervals come from 10,000 bootstrap resamples with a fixed seed: the same content gives the
    same page.

    Parameters
    ----------
    content : ReportContent

    Raises
    ------
    DataError
        If the results do not fit together, or the tree is not one of XGBoost's.
    """
    summaries = summarize(content.results)
    boosted = chosen_boosted(content, summaries)
    calibration = content.calibration
    trusts = () if calibration is None else measure_trust(content.results, calibration)
    shown = {"cnn"} | (set() if boosted is None else {boosted.variant})
    shown_trusts = tuple(trust for trust in trusts if trust.variant in shown)
    sections = section_figures(content, summaries, shown_trusts)
    headline, sentences = wording.answer(summaries[0])
    numbers = count(1)
    return (
        _environment()
        .get_template("template.html.j2")
        .render(
            content=content,
            summaries=summaries,
            changes=() if boosted is None else changes_by_class(content.results, boosted.variant),
            cnn=summaries[0],
            boosted=boosted,
            trusts=trusts,
            shown_trusts=shown_trusts,
            set_names=SET_NAMES,
            scaling_names=SCALING_NAMES,
            agreements=AGREEMENTS,
            next_table=count(1).__next__,
            headline=headline,
            sentences=sentences,
            comparisons=wording.comparisons(summaries),
            baseline_comparisons=wording.baseline_comparisons(against_baselines(content.results)),
            published_by_variant=published_by_variant(content),
            published_by_class=published_by_class(content),
            figures={
                section: number_figures(figures, numbers) for section, figures in sections.items()
            },
            study=published(),
            settings=wording.flatten_settings(content.settings),
            splits=[split for split in SPLITS if split in content.data.counts],
        )
    )


def _environment() -> jinja2.Environment:
    environment = template_environment()
    environment.filters |= {
        "interval": wording.percent_interval,
        "p_value": wording.p_value,
        "percent": wording.percent,
        "points": wording.points,
        "signed": wording.signed,
        "variant_title": variant_title,
    }
    return environment
