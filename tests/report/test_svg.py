"""Figures as parts of a page."""

import re
from xml.etree import ElementTree as ET

import pytest
from matplotlib.figure import Figure

from ferboost.report.svg import inline_svg


@pytest.fixture
def figure() -> Figure:
    made = Figure(layout="constrained")
    axes = made.add_subplot()
    axes.plot([0, 1], [1, 0], "o-")
    axes.imshow([[0, 1]], interpolation="none")
    axes.set_title('<b> & "quotes" id="x" 幸せ')
    return made


def identifiers(svg: str) -> set[str]:
    return set(re.findall(r'<[^<>]* id="([^"]*)"', svg))


def test_the_markup_is_one_well_formed_element(figure: Figure) -> None:
    svg = inline_svg(figure, "first", "a line")
    root = ET.fromstring(svg.replace("xlink:href", "href"))  # noqa: S314
    assert root.tag == "svg"
    assert (root.get("role"), root.get("aria-label")) == ("img", "a line")
    assert root.get("width") is None


def test_two_figures_share_no_identifier(figure: Figure) -> None:
    found = [identifiers(inline_svg(figure, name, "")) for name in ("one", "two")]
    assert found[0]
    assert not found[0] & found[1]


def test_every_reference_has_its_target(figure: Figure) -> None:
    svg = inline_svg(figure, "one", "")
    references = re.findall(r'(?:url\(#|href="#)([^)"]+)', svg)
    assert references
    assert set(references) <= identifiers(svg)


def test_nothing_of_the_page_is_styled_and_no_address_is_named(figure: Figure) -> None:
    svg = inline_svg(figure, "one", "")
    assert "<style" not in svg
    assert "http" not in svg


def test_text_stays_text_whatever_its_script(figure: Figure) -> None:
    svg = inline_svg(figure, "one", "")
    assert '&lt;b&gt; &amp; "quotes" id="x" 幸せ' in svg


def test_the_description_is_escaped(figure: Figure) -> None:
    assert 'aria-label="&quot;&gt;&lt;script&gt;"' in inline_svg(figure, "one", '"><script>')


def test_the_same_figure_gives_the_same_markup(figure: Figure) -> None:
    assert inline_svg(figure, "one", "") == inline_svg(figure, "one", "")
