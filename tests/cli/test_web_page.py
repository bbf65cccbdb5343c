"""``ferboost page`` on the command line."""

from pathlib import Path

from shell import ferboost


def test_the_page_is_written_and_how_to_open_it_is_said(workplace: Path) -> None:
    outcome = ferboost("page", "site")
    assert (outcome.code, outcome.err) == (0, "")
    size, opening = outcome.out.splitlines()
    assert size.startswith("site: ")
    assert opening.endswith("python -m http.server --bind 127.0.0.1 --directory site")
    assert (workplace / "site/index.html").is_file()


def test_a_folder_in_use_and_a_model_that_is_none_are_one_line_each(workplace: Path) -> None:
    (workplace / "site").mkdir()
    (workplace / "site/notes.txt").write_text("mine")
    (workplace / "none.onnx").write_text("no model")
    for arguments in (("site",), ("other", "--model", "none.onnx"), ("other", "-m", "absent")):
        outcome = ferboost("page", *arguments)
        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.err.startswith("ferboost: error: ")
        assert outcome.err.count("\n") == 1
    assert {path.name for path in workplace.rglob("*")} == {"site", "notes.txt", "none.onnx"}
