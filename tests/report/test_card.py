"""The model card of a run."""

import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from fabricated import fabricate_robustness
from matplotlib.figure import Figure

from ferboost.datasets import load_dataset
from ferboost.datasets.writing import write_dataset
from ferboost.errors import RunError, SettingsError
from ferboost.evaluation import scaling
from ferboost.evaluation.results import Results
from ferboost.export import export_run
from ferboost.files import write_json
from ferboost.inference import Predictor
from ferboost.pipeline import execute_run
from ferboost.progress import Monitor
from ferboost.report import write_report
from ferboost.report.card import model_card
from ferboost.report.failure_figures import Mistake, plot_failures
from ferboost.runs import Run
from tiny import begin, every_scaling_is_kept, faces, finish, run_settings

DATASET = faces()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Results]:
    return finish(tmp_path_factory.mktemp("card") / "run", DATASET, run_settings(seeds=(0, 1)))


def test_it_has_what_a_reader_must_know(finished: tuple[Run, Results]) -> None:
    run, results = finished
    card = model_card(run, "fc1").text
    verdicts = [seed.probabilities["fc1"].argmax(axis=1) for seed in results.seeds]
    accuracy = np.mean([own == results.labels for own in verdicts])
    assert f"| accuracy | {100 * accuracy:.2f} [" in card
    assert run.record.data.fingerprint in card
    for emotion in run.record.classes:
        assert f"| {emotion} | " in card
    for part in ("trees on fc1", "2 seeds", "## Calibration", "temperature scaled", "## Limits",
                 "90 % of faces of each emotion", "## Prohibited uses", "Article 5(1)(f)"):  # fmt: skip
        assert part in card
    assert "Nothing was chosen on them" in card
    assert (
        "\n- 99 of 100 training faces lie within each of these, in gray values: brightness " in card
    )


def test_a_temperature_that_is_not_shown_to_help_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "_are_shown", lambda _gains: False)
    run, _ = finish(tmp_path / "run", DATASET, run_settings())
    card = model_card(run).text
    assert "the images kept for calibration do not show that a temperature helps" in card
    assert "temperature scaled" not in card
    page = write_report(run).read_text("utf-8")
    assert "The images kept for calibration do not show that a temperature helps" in page
    assert "Temperature scaling moves the error" not in page


def test_it_says_what_worse_faces_cost(tmp_path: Path) -> None:
    run, _ = finish(tmp_path / "run", DATASET, run_settings())
    assert "## Worse faces" not in model_card(run).text
    write_json(run.path / "robustness.json", fabricate_robustness().to_dict())
    card = model_card(run, "fc1").text
    part = card[card.index("## Worse faces") : card.index("## Limits")]
    curves = [curve for curve in fabricate_robustness().curves if curve.variant == "fc1"]
    assert part.count("\n| ") == 2 + len(curves)
    for curve in curves:
        assert curve.corruption in part
        assert f" {100 * curve.accuracy[-1]:.1f} |" in part


def test_it_names_no_folder_of_this_machine(finished: tuple[Run, Results]) -> None:
    assert str(finished[0].path.parent) not in model_card(finished[0]).text


def test_its_commands_make_it_again(tmp_path: Path) -> None:
    run, _ = finish(tmp_path / "run", DATASET, run_settings())
    command = (
        "ferboost train '/home/me/my data.zip' --set data.doubts=doubts/labels.csv --out a/b "
        """--set 'trees.stacked=["runs/fast-1"]'"""
    )
    replaced = Run(run.path, run.record.model_copy(update={"command": command}))
    first, second = re.findall("^    (ferboost .*)$", model_card(replaced).text, re.MULTILINE)
    assert shlex.split(first) == [
        "ferboost", "train", "my data.zip", "--set", "data.doubts=labels.csv", "--set",
        'trees.stacked=["fast-1"]', "--out", "made",
    ]  # fmt: skip
    assert second == "ferboost export made -o model.onnx --variant cnn"


def test_a_baseline_is_not_exported_by_its_commands(tmp_path: Path) -> None:
    trees = {"taps": ("fc1",), "baselines": ("logistic",)}
    run, _ = finish(tmp_path / "run", DATASET, run_settings(trees=trees))
    assert "ferboost export" in model_card(run, "fc1").text
    assert "ferboost export" not in model_card(run, "fc1 logistic").text


def test_it_says_what_was_exported_and_measures_it(tmp_path: Path) -> None:
    write_dataset(faces(40), tmp_path / "faces.zip")
    data = load_dataset(tmp_path / "faces.zip")
    run, prepared = begin(tmp_path / "run", data, run_settings())
    execute_run(run, prepared, Monitor())
    with every_scaling_is_kept():
        export_run(run, tmp_path / "model.onnx", weight_format="int8", calibration="vector")
    card = model_card(run, "cnn", tmp_path / "model.onnx").text
    test = data.split("test")
    said = Predictor(tmp_path / "model.onnx").predict_proba(test.images).argmax(axis=1)
    part = card[card.index("## The exported file") : card.index("## Calibration")]
    assert f"| accuracy | {100 * np.mean(said == test.labels):.2f} [" in part
    for words in ("| weights | int8", "vector scaled", "calibration error", " MB |"):
        assert words in part
    assert "--weights int8 --calibration vector" in card
    with pytest.raises(SettingsError, match=r"model\.onnx is 'cnn' of data .*, not 'fc1' of"):
        model_card(run, "fc1", tmp_path / "model.onnx")
    (tmp_path / "faces.zip").unlink()
    write_dataset(faces(30), tmp_path / "faces.zip")
    with pytest.raises(RunError, match="changed since; restore it, or start anew"):
        model_card(run, "cnn", tmp_path / "model.onnx")


def test_it_is_the_same_each_time(finished: tuple[Run, Results]) -> None:
    first, second = (model_card(finished[0]) for _ in range(2))
    assert first.text == second.text
    assert png(first.failures) == png(second.failures)


def test_its_figure_draws_the_mistakes_that_it_names(finished: tuple[Run, Results]) -> None:
    run, results = finished
    card = model_card(run, "fc1", picture="card-failures.png")
    assert "](card-failures.png)" in card.text
    assert "](" not in model_card(run, "fc1").text
    verdicts = np.concatenate([s.probabilities["fc1"].argmax(axis=1) for s in results.seeds])
    labels = np.tile(results.labels, len(results.seeds))
    named = re.findall(r"(\w+) for (\w+) \((\d+) %\)", card.text)
    assert 0 < len(named) <= 6
    titles = drawn_titles(card.failures)
    for true, said, share in named:
        own = labels == results.classes.index(true)
        count = int((verdicts[own] == results.classes.index(said)).sum())
        assert share == f"{100 * count / own.sum():.0f}"
        assert f"said: {said}\n{share} %: {count:,} of {own.sum():,}" in titles


def test_its_figure_draws_how_much_worse_faces_may_get(tmp_path: Path) -> None:
    run, _ = finish(tmp_path / "run", DATASET, run_settings())
    harmless = len(drawn_titles(model_card(run).failures))
    robustness = fabricate_robustness()
    write_json(run.path / "robustness.json", robustness.to_dict())
    titles = drawn_titles(model_card(run).failures)
    curves = [curve for curve in robustness.curves if curve.variant == "cnn"]
    assert len(titles) == harmless + len(curves)
    for curve in curves:
        lost = [step for step in curve.accuracy if curve.accuracy[0] - step > 0.0999]
        shown = lost[0] if lost else curve.accuracy[-1]
        assert f"{curve.corruption}: {100 * shown:.0f} %" in titles


@pytest.mark.parametrize("mistakes", [[], [Mistake("calm", "happy", 3, 7)]])
def test_what_cannot_be_drawn_is_said(mistakes: list[Mistake]) -> None:
    assert png(plot_failures(mistakes))


def png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def drawn_titles(figure: Figure) -> list[str]:
    titles = (axes.get_title() for part in figure.subfigs for axes in part.axes)
    return [title for title in titles if title]


def test_a_run_that_selects_on_the_test_images_says_so(tmp_path: Path) -> None:
    run, _ = finish(tmp_path / "run", DATASET, run_settings(protocol="paper"))
    card = model_card(run).text
    assert "chosen on these very images" in card
    assert "The run is not calibrated" in card


def test_what_is_not_there_is_refused(finished: tuple[Run, Results], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no variant 'fc9'; it has: cnn, fc1"):
        model_card(finished[0], "fc9")
    run, _ = begin(tmp_path / "run", DATASET, run_settings())
    with pytest.raises(RunError, match="not finished"):
        model_card(run)
