"""The report as one HTML page."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from fabricated import (
    fabricate_content,
    fabricate_explanation_check,
    fabricate_label_findings,
    fabricate_results,
    fabricate_robustness,
)
from matplotlib.figure import Figure

from ferboost.report.page import CaptionedFigure, build_page

HOSTILE = ("</title><script>alert(1)</script>", '"><img src=x onerror=y>', "{{ 7 * 7 }}")
VOID = {"meta", "br", "img", "link"}


class Outline(HTMLParser):
    """What a page is made of: its tags with their attributes, its text, tags left open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.headings: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "th":
            self.headings.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self.open[-1:]):
            self.texts.append(data.strip())
        if "th" in self.open:
            self.headings[-1] += data.strip()

    @property
    def text(self) -> str:
        joined = " ".join(filter(None, self.texts))
        return joined.replace("\u00a0", " ").replace("\u2060", "").replace("\u2212", "-")

    def values(self, attribute: str, tag: str | None = None) -> list[str]:
        return [
            value
            for name, attributes in self.tags
            if tag in {None, name} and (value := attributes.get(attribute)) is not None
        ]

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture(scope="module")
def page() -> str:
    return build_page(fabricate_content())


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    return Outline(page)


def small(*, results: dict[str, Any] | None = None, **content: Any) -> Outline:
    shape = {"images": 120, "epochs": 3, "variants": ("cnn", "fc1"), **(results or {})}
    return Outline(build_page(fabricate_content(fabricate_results(**shape), **content)))


def test_the_answer_comes_first(outline: Outline) -> None:
    assert re.match(
        r"FER-2013 with the published network The CNN recognises \d\d\.\d % of 3,589 test faces "
        r"95 % interval \d\d\.\d\u2013\d\d\.\d, over images and seeds\. Mean of 3 seeds, standard "
        r"deviation \d\.\d points\. Of the \d,\d{3} images that are not exact copies",
        outline.text,
    )


def test_every_variant_is_compared_before_the_first_section(outline: Outline) -> None:
    top = outline.text.partition("The models")[0]
    for variant in ("flatten", "fc1", "fc2", "output", "pixels"):
        assert f"on {variant}" in top


def test_the_page_is_one_well_formed_document(page: str, outline: Outline) -> None:
    assert page.startswith("<!DOCTYPE html>")
    assert outline.open == []
    assert [outline.count(tag) for tag in ("html", "main", "h1", "title")] == [1, 1, 1, 1]


def test_the_page_needs_nothing_from_elsewhere(page: str, outline: Outline) -> None:
    assert not re.search(r"https?:|[\"'(]//", page)
    assert "@import" not in page
    assert outline.count("script") == outline.count("link") == 0
    for reference in (
        *outline.values("href"),
        *outline.values("src"),
        *outline.values("xlink:href"),
    ):
        assert reference.startswith(("#", "data:image/png;base64,"))


def test_identifiers_are_unique_and_links_lead_somewhere(outline: Outline) -> None:
    identifiers = outline.values("id")
    assert len(identifiers) == len(set(identifiers))
    for link in outline.values("href", "a"):
        assert link[1:] in identifiers
    for name in outline.values("aria-labelledby"):
        assert name in identifiers
    described = outline.values("aria-describedby", "svg")
    assert len(described) == outline.count("svg")
    assert set(described) <= set(identifiers)


def test_the_navigation_leads_to_every_section() -> None:
    outline = small(
        robustness=fabricate_robustness(),
        explanation=fabricate_explanation_check(),
        labels=fabricate_label_findings(),
    )
    sections = outline.values("aria-labelledby", "section")
    assert {"robustness", "explanation", "labels"} <= set(sections)
    assert outline.values("href", "a") == [f"#{section}" for section in sections]
    assert set(outline.values("aria-describedby")) <= set(outline.values("id"))


def test_what_was_measured_on_other_faces_is_not_said_to_be_of_the_test() -> None:
    text = small(
        robustness=replace(fabricate_robustness(), source="faces of mine", left_out=7),
        explanation=replace(fabricate_explanation_check(), source="faces of yours"),
    ).text
    assert "300 faces of mine, made worse step by step" in text
    assert "Left out: 7 that the run was made with, or copies of them." in text
    assert "on 60 faces of yours: pixels are blurred" in text


def test_every_table_heading_has_words() -> None:
    outline = small(labels=fabricate_label_findings())
    assert outline.headings
    assert all(outline.headings)


def test_every_figure_has_an_alternative_text_and_a_caption(outline: Outline) -> None:
    labels = outline.values("aria-label", "svg")
    assert len(labels) == outline.count("svg") == outline.count("figure") == 15
    assert outline.count("figcaption") == 15
    assert all(labels)


def test_headings_descend_one_level_at_a_time(outline: Outline) -> None:
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_table_heading_says_what_it_heads(outline: Outline) -> None:
    assert outline.count("th") == len(outline.values("scope", "th"))


def test_the_page_is_small(page: str) -> None:
    assert len(page.encode()) < 3_000_000


def test_the_same_content_gives_the_same_page() -> None:
    content = fabricate_content(fabricate_results(images=60, epochs=2, variants=("cnn",)))
    assert build_page(content) == build_page(content)


def test_published_figures_stand_beside_those_of_the_run(outline: Outline) -> None:
    for figure in ("56.9", "55.2", "53.5", "47.9", "79.1"):
        assert f" {figure} " in outline.text


def test_published_figures_are_left_out_where_they_do_not_belong() -> None:
    outline = small(published=False)
    assert "Published" not in outline.text
    assert "Sanfelici" not in outline.text


def test_selection_on_the_test_split_is_a_warning_above_all_tables() -> None:
    top = small(protocol="paper").text.partition("Table 1")[0]
    assert "Model selection used the test split, as the published study did" in top
    assert "optimistic" in top


def test_selection_on_validation_images_needs_no_warning(outline: Outline) -> None:
    assert "optimistic" not in outline.text


def test_names_in_the_data_are_text_and_never_markup() -> None:
    results = fabricate_results(images=120, classes=HOSTILE, epochs=2, variants=("cnn", "fc1"))
    content = fabricate_content(
        results,
        title=HOSTILE[0],
        command=HOSTILE[1],
        environment={HOSTILE[1]: HOSTILE[0]},
        tree_title=HOSTILE[0],
        published=False,
    )
    outline = Outline(build_page(content))
    assert outline.count("script") == outline.count("img") == 0
    for name in HOSTILE:
        assert name in outline.text


def test_one_seed_has_no_spread() -> None:
    outline = small(results={"seeds": 1})
    assert "One seed: how much training varies is not known." in outline.text
    assert "±" not in outline.text.partition("How to repeat it")[0]


def test_the_cnn_alone_is_not_compared() -> None:
    outline = small(results={"variants": ("cnn",)}, tree_dump=None)
    assert "Difference to the CNN" not in outline.text
    assert "Trees on" not in outline.text
    assert [name for name in outline.values("id") if name.startswith("table-")] == [
        f"table-{number}" for number in range(1, 6)
    ]


@pytest.mark.parametrize("other", ["cnn folds", "fc1 logistic"])
def test_models_without_trees_are_compared_with_the_cnn(other: str) -> None:
    outline = small(results={"variants": ("cnn", other)}, tree_dump=None)
    assert "Accuracy by class and model" in outline.text
    assert "of the models with trees, the one" not in outline.text


def test_a_run_without_anatomy_or_learning_curves_leaves_their_sections_out() -> None:
    outline = small(
        results={"epochs": 0}, filters=None, tree_dump=None, sample_face=None, feature_maps=()
    )
    assert not {"learning", "inside"} & set(outline.values("id"))


def test_classes_can_be_any() -> None:
    outline = small(results={"classes": ("calm", "tense", "Mr. X")}, published=False)
    assert "Mr. X" in outline.text


def test_images_that_are_no_copies_are_said_to_be_none() -> None:
    assert "None of the test images is an exact copy" in small(results={"leaked": 0.0}).text


def test_copies_that_are_not_known_are_not_counted() -> None:
    known = fabricate_results(images=120, epochs=3, variants=("cnn",))
    not_known: Any = None
    unknown = replace(known, clean=not_known)
    facts = replace(fabricate_content(known).data, n_leaked=None)
    text = Outline(build_page(fabricate_content(unknown, data=facts, published=False))).text
    assert "copies of training images." not in text.replace("not exact copies of training", "")


def test_figures_of_the_data_stand_in_its_section() -> None:
    extra = CaptionedFigure(Figure(figsize=(2, 2)), "Faces", "One of each class.")
    text = small(data_figures=(extra,)).text
    assert "Faces. One of each class." in text.partition("The data")[2]


def test_settings_environment_and_command_are_shown(outline: Outline) -> None:
    for fact in (
        "cnn.learning_rate 0.001",
        "Precision bfloat16: AMX found, measured 2.1 times faster than float32",
        "ferboost train fer2013.zip --preset paper --seeds 3",
        "Fingerprint 0f343b0931126a20f133d67c2b018a3b",
    ):
        assert fact in outline.text
