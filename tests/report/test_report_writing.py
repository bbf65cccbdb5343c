"""The report of a real run: tiny, on drawn faces."""

import re
from pathlib import Path

import pytest

from ferboost.emotions import EMOTIONS
from ferboost.errors import RunError
from ferboost.evaluation.results import Results
from ferboost.pipeline import branch_run, execute_run, start_run
from ferboost.progress import Monitor
from ferboost.published import published
from ferboost.report.writing import is_published_setting, write_report
from ferboost.runs import Run
from tiny import faces, finish, run_settings

Finished = tuple[Run, Results]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return finish(tmp_path_factory.mktemp("report") / "first", faces(), run_settings())


@pytest.fixture(scope="module")
def page(finished: Finished) -> str:
    return write_report(finished[0]).read_text("utf-8")


def text_of(page: str) -> str:
    """Return what a reader sees, without markup and figures."""
    body = re.sub(r"(?s)<(style|svg|script).*?</\1>", " ", page)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_the_page_answers_with_the_accuracy_of_the_run(finished: Finished, page: str) -> None:
    _, results = finished
    accuracy = float(results.correct("cnn").mean())
    assert f"{100 * accuracy:.1f}" in text_of(page)
    assert "first: facial emotion recognition" in text_of(page)


def test_the_page_says_how_the_run_was_made(finished: Finished, page: str) -> None:
    run, _ = finished
    text = text_of(page)
    assert run.record.data.fingerprint in text
    assert run.record.command in text
    assert "float32" in text
    assert "fixed by the test" in text  # the reason for the precision
    assert run.record.environment["torch"] in text


def test_the_page_needs_nothing_else(page: str) -> None:
    assert "<svg" in page
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)[^"']*""", page)


def test_a_second_report_is_the_same_to_the_last_byte(finished: Finished, page: str) -> None:
    assert write_report(finished[0]).read_bytes() == page.encode()


def test_published_figures_are_left_out_beside_other_data(finished: Finished, page: str) -> None:
    assert not is_published_setting(finished[0])
    assert "Published" not in text_of(page)


def test_published_figures_belong_beside_the_published_network_on_fer2013(
    finished: Finished,
) -> None:
    run, _ = finished
    counts = published()["dataset"]["counts"]["training"]
    training = tuple(counts[name] for name in EMOTIONS)
    data = run.record.data.model_copy(update={"counts": {"train": training}})
    record = run.record.model_copy(
        update={"data": data, "classes": EMOTIONS, "settings": run_settings({"filters": [8]})}
    )
    assert not is_published_setting(Run(run.path, record))
    network = {"filters": [32, 64, 64], "dense": [64, 7], "epochs": 9}
    record = record.model_copy(update={"settings": run_settings(network)})
    assert is_published_setting(Run(run.path, record))


def test_a_boosted_run_states_the_precision_of_its_cnns(finished: Finished, tmp_path: Path) -> None:
    origin, _ = finished
    settings = run_settings(trees={"taps": ("output",)})
    run, prepared = branch_run(origin, tmp_path / "second", faces(), settings, "boost")
    execute_run(run, prepared, Monitor())
    assert "fixed by the test" in text_of(write_report(run).read_text("utf-8"))


def test_a_run_without_trees_or_examples_has_a_report_too(
    tmp_path: Path,
) -> None:
    run, _ = finish(tmp_path / "plain", faces(), run_settings(trees={"taps": ()}))
    (run.path / "examples.npz").unlink()
    assert "plain: facial emotion recognition" in text_of(write_report(run).read_text("utf-8"))


def test_a_run_that_is_not_finished_has_no_report(tmp_path: Path) -> None:
    run, _ = start_run(tmp_path / "begun", faces(), run_settings(), "tests")
    with pytest.raises(RunError, match="is not finished; go on with"):
        write_report(run)
    assert not (run.path / "report.html").exists()
