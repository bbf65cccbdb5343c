"""``ferboost export``, and ``predict`` with what it wrote."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shell import Trained, ferboost, ferboost_process

from ferboost.datasets import load_dataset
from ferboost.datasets.images import encode_png
from ferboost.export import Export, export_run
from ferboost.export.parity import Parity


@pytest.fixture
def photo(trained: Trained) -> Path:
    Path("photo.png").write_bytes(encode_png(load_dataset(trained.faces).images[0]))
    return Path("photo.png")


def test_export_says_what_it_wrote_and_how_near_it_is(trained: Trained) -> None:
    outcome = ferboost("export", trained.run, "-o", "model.onnx", "--variant", "fc1", "--seed", 1)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("model.onnx: fc1, seed 1, 0.")
    assert "probabilities within " in outcome.out
    assert [path.name for path in Path().iterdir()] == ["model.onnx"]


@pytest.mark.parametrize(
    ("crossings", "words"),
    [
        (0, "the same emotion on all, probabilities within 2e-07\n"),
        (3, "rounding carries 3 across a threshold of a tree, and 1 of these to another emotion\n"),
    ],
)
def test_what_rounding_does_to_trees_is_no_contradiction(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, crossings: int, words: str
) -> None:
    def export(*arguments: Any, **options: Any) -> Export:
        done = export_run(*arguments, **options)
        return replace(done, parity=Parity(1_200, 2e-7, 3e-7, crossings, other_emotion=1))

    monkeypatch.setattr("ferboost.export.export_run", export)
    outcome = ferboost("export", trained.run, "-o", "model.onnx", "--variant", "fc1")
    (line,) = [line for line in outcome.out.splitlines(keepends=True) if "compared on" in line]
    assert line.endswith(words)
    assert "probabilities within 2e-07" in line
    assert ("the same emotion on all" in line) == (crossings == 0)


def test_the_accuracy_of_smaller_weights_is_said_to_be_that_of_float32(trained: Trained) -> None:
    arguments = ("export", trained.run, "-o", "model.onnx", "--weights")
    said = "on the test images of its run, with weights in float32\n"
    assert said in ferboost(*arguments, "int8").out
    assert said not in ferboost(*arguments, "float32").out
    content = json.loads(ferboost(*arguments, "float16", "--json").out)
    assert (content["weight_format"], content["metrics_weight_format"]) == ("float16", "float32")


def test_export_in_json(trained: Trained) -> None:
    outcome = ferboost("export", trained.run, "-o", "model.onnx", "--data", trained.faces, "--json")
    content = json.loads(outcome.out)
    assert content["seeds"] == [0, 1]
    assert content["bytes"] == Path("model.onnx").stat().st_size
    assert content["parity"]["faces"] == len(load_dataset(trained.faces))
    assert content["parity"]["probability"] <= 1e-5


def test_a_model_file_predicts_as_its_run_does(trained: Trained, photo: Path) -> None:
    ferboost("export", trained.run, "-o", "model.onnx")
    of_run = json.loads(ferboost("predict", photo, "-m", trained.run, "--json").out)
    of_file = json.loads(ferboost("predict", photo, "-m", "model.onnx", "--json").out)
    assert of_file[0]["emotion"] == of_run[0]["emotion"]
    np.testing.assert_allclose(
        list(of_file[0]["probabilities"].values()),
        list(of_run[0]["probabilities"].values()),
        atol=1e-5,
    )


def test_a_model_file_predicts_without_the_packages_that_train(
    trained: Trained, photo: Path
) -> None:
    ferboost("export", trained.run, "-o", "model.onnx")
    absent = (
        "import sys\n"
        "for name in ('torch', 'xgboost', 'sklearn', 'scipy', 'safetensors', 'onnx', 'pyarrow'):\n"
        "    sys.modules[name] = None\n"
    )
    outcome = ferboost_process("predict", photo, "-m", "model.onnx", before=absent)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("photo.png: ")


def test_one_unreadable_picture_is_reported_and_the_rest_done(
    trained: Trained, photo: Path
) -> None:
    ferboost("export", trained.run, "-o", "model.onnx")
    Path("notes.txt").write_text("no picture")
    outcome = ferboost("predict", "notes.txt", photo, "-m", "model.onnx")
    assert outcome.code == 1
    assert outcome.out.startswith("photo.png: ")
    assert outcome.err.startswith("ferboost: error: notes.txt is not an image")


@pytest.mark.parametrize(
    ("arguments", "named", "code"),
    [
        ("predict photo.png -m model.onnx --variant fc1", "holds the variant cnn alone", 2),
        ("predict photo.png -m missing.onnx", "cannot read the model missing.onnx", 1),
        ("predict photo.png -m photo.png", "a model is made by: ferboost export RUN", 1),
        ("export missing -o out.onnx", "missing is not a run directory", 1),
        ("export {run} -o out.onnx --variant fc2", "no variant 'fc2'; it has: cnn, fc1", 2),
        ("export {run} -o out.onnx --seed 9", "has: 0, 1", 2),
        ("export {run} {run} -o out.onnx", "is given twice; name each run once", 2),
        ("export {run} other -o out.onnx --seed 0", "of several all are averaged", 2),
        ("export {run} -o photo.png/out.onnx", "cannot write photo.png/out.onnx", 1),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    trained: Trained, photo: Path, arguments: str, named: str, code: int
) -> None:
    ferboost("export", trained.run, "-o", "model.onnx")
    outcome = ferboost(*arguments.format(run=trained.run).split())
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.startswith("ferboost: error: ")
    assert named in outcome.err
    assert outcome.err.count("\n") == 1
    assert not Path("out.onnx").exists()
