"""``ferboost evaluate``, ``compare`` and ``predict``."""

import csv
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shell import SMALL, Trained, ferboost

from ferboost.datasets.images import encode_png
from ferboost.emotions import EMOTIONS
from ferboost.evaluation.comparison import holm
from ferboost.pipeline.calibrating import load_calibration
from ferboost.runs import Run


def test_evaluate_gives_every_measure_as_json(trained: Trained) -> None:
    outcome = ferboost("evaluate", trained.run, trained.faces, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    result = json.loads(outcome.out)
    low, high = result["interval"]
    assert 0 <= low <= result["accuracy"] <= high <= 1
    assert result["n_clean"] <= result["n"]
    assert 0 <= result["accuracy_clean"] <= 1
    for measure in ("balanced_accuracy", "macro_f1", "ece"):
        assert 0 <= result[measure] <= 1
    assert result["log_loss"] > 0
    assert list(result["per_class"]) == result["classes"] == list(EMOTIONS)
    assert result["per_class"]["happy"].keys() == {"n", "accuracy", "precision", "f1", "auc"}
    assert list(result["variants"]) == ["cnn", "fc1", "pixels"]
    assert result["variants"]["fc1"]["against_cnn"].keys() == {
        "difference_points",
        "interval_points",
        "mcnemar_p",
        "adjusted_p",
        "log_loss_difference",
        "log_loss_interval",
        "log_loss_adjusted_p",
    }
    of_trees = result["variants"]["fc1"]
    assert of_trees["against_cnn"]["log_loss_difference"] == pytest.approx(
        of_trees["log_loss"] - result["log_loss"], abs=1e-6
    )


def test_one_variant_is_evaluated_and_what_it_says_is_written(trained: Trained) -> None:
    outcome = ferboost(
        "evaluate", trained.run, trained.faces, "--variant", "fc1", "--predictions", "said.csv",
        "--json",
    )  # fmt: skip
    assert (outcome.code, outcome.err) == (0, "")
    result = json.loads(outcome.out)
    assert list(result["variants"]) == ["fc1"]
    with Path("said.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == result["n"]
    assert {row["model"] for row in rows} == {"fc1"}
    assert {row["split"] for row in rows} == {"test"}
    for row in rows:
        shares = [float(row[f"probability of {name}"]) for name in EMOTIONS]
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert row["prediction"] == EMOTIONS[int(np.argmax(shares))]
    right = np.mean([row["prediction"] == row["label"] for row in rows])
    assert right == pytest.approx(result["seeds_together"]["accuracy"])
    plain = ferboost("evaluate", trained.run, trained.faces, "--variant", "fc1")
    assert (plain.code, plain.err) == (0, "")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("{run}", "{run} is a folder; give --predictions a file"),
        ("{faces}", "--predictions would write over {faces}, which it reads"),
        ("folder", "folder is a folder; give --predictions a file"),
        ("nowhere/said.csv", "nowhere/said.csv lies in no folder that is there; give --pred"),
    ],
)
def test_predictions_replace_nothing_that_they_are_made_of(
    trained: Trained, target: str, words: str
) -> None:
    Path("folder").mkdir()
    names = {"run": trained.run, "faces": trained.faces}
    before = trained.faces.read_bytes()
    outcome = ferboost(
        "evaluate", trained.run, trained.faces, "--predictions", target.format(**names)
    )
    assert (outcome.code, outcome.out) == (2, "")
    assert words.format(**names) in outcome.err
    assert trained.faces.read_bytes() == before


def test_a_network_learns_what_another_model_says(trained: Trained, no_report: None) -> None:
    assert ferboost("export", trained.run, "-o", "model.onnx").code == 0
    asked = ("evaluate", "model.onnx", trained.faces, "--split", "train")
    assert ferboost(*asked, "--predictions", "taught.csv").code == 0
    taught = ("--set", "data.doubts=taught.csv", "--set", "data.doubted=distil")
    made = ferboost("train", trained.faces, "-o", "taught", *SMALL, *taught)
    assert made.code == 0, made.err
    refused = ferboost(*asked, "--variant", "cnn")
    assert refused.err.endswith("model.onnx holds one model; --variant is for runs\n")
    both = ("evaluate", trained.run, trained.faces, "--split", "train", "--predictions", "both.csv")
    assert ferboost(*both).code == 0
    twice = ("--set", "data.doubts=both.csv", "--set", "data.doubted=distil")
    refused = ferboost("train", trained.faces, "-o", "twice", *SMALL, *twice)
    assert "stands there twice; give what one model says" in refused.err
    assert not Path("twice").exists()


def test_evaluate_on_the_data_of_the_run_repeats_its_results(
    trained: Trained, no_report: None
) -> None:
    """The test images were cut off by the run, the data has none of its own."""
    with zipfile.ZipFile("unsplit.zip", "w") as unsplit, zipfile.ZipFile(trained.faces) as faces:
        for name in faces.namelist():
            unsplit.writestr(name.partition("/")[2], faces.read(name))
    trained_outcome = ferboost("train", "unsplit.zip", "-o", "run", "--json", *SMALL)
    evaluated = ferboost("evaluate", "run", "unsplit.zip", "--json")
    assert evaluated.code == 0
    ours, theirs = json.loads(trained_outcome.out), json.loads(evaluated.out)
    assert theirs["per_seed"] == ours["per_seed"]
    assert "cut off the training images" in trained_outcome.err


def test_evaluate_counts_images_that_were_trained_on_as_not_clean(trained: Trained) -> None:
    result = json.loads(
        ferboost("evaluate", trained.run, trained.faces, "--split", "train", "--json").out
    )
    assert result["n"] > 0
    assert (result["n_clean"], result["accuracy_clean"]) == (0, None)


def test_evaluate_takes_a_folder_that_holds_nothing_but_test(trained: Trained) -> None:
    for emotion in ("happy", "sad"):
        folder = Path("faces/test") / emotion
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(encode_png(np.full((48, 48), len(emotion), np.uint8)))
    outcome = ferboost("evaluate", trained.run, "faces", "--json")
    result = json.loads(outcome.out)
    assert (outcome.code, result["n"], result["n_clean"]) == (0, 2, 2)
    assert result["per_class"]["angry"]["n"] == 0


def test_evaluate_takes_all_of_a_folder_without_splits(trained: Trained) -> None:
    for emotion in ("happy", "sad"):
        Path("faces", emotion).mkdir(parents=True)
        face = np.full((48, 48), len(emotion), np.uint8)
        Path("faces", emotion, "a.png").write_bytes(encode_png(face))
    outcome = ferboost("evaluate", trained.run, "faces", "--json")
    assert (outcome.code, json.loads(outcome.out)["n"]) == (0, 2)
    ferboost("export", trained.run, "-o", "model.onnx")
    outcome = ferboost("evaluate", "model.onnx", "faces", "--json")
    assert (outcome.code, json.loads(outcome.out)["n"]) == (0, 2)


def test_evaluate_prints_a_table_of_at_most_80_columns(trained: Trained) -> None:
    outcome = ferboost("evaluate", trained.run, trained.faces)
    assert (outcome.code, outcome.err) == (0, "")
    title, _, header, rule, *rest = outcome.out.splitlines()
    assert "2 seeds" in title
    assert header.split("  ")[0] == "model"
    assert "paper" not in header  # not FER-2013
    assert max(map(len, (title, header, rule, *rest[:3]))) <= 80
    assert [row.partition("  ")[0] for row in rest[:3]] == ["CNN", "trees: fc1", "trees: pixels"]
    assert rest[3] == ""
    assert all("the CNN" in sentence for sentence in rest[4:6])  # one for each of the trees
    said = re.fullmatch(
        r"Times as long as the CNN takes to predict: trees: fc1 (\S+) \((\d+)% trees\), "
        r"trees: pixels (\S+) \(\d+% trees\)\.",
        rest[6],
    )
    assert said is not None
    assert float(said[1]) > 0.5
    assert 0 <= int(said[2]) <= 100
    assert rest[7].startswith("The seeds together, as predict and export give them: CNN ")
    assert rest[8] == ""
    assert rest[9].startswith("expected calibration error")
    assert max(map(len, rest[9:])) <= 80
    assert sum(line.startswith(("CNN", "trees: ")) for line in rest[9:]) == 6  # and mean of seeds


def test_evaluate_verifies_sets_of_an_asked_coverage(trained: Trained) -> None:
    outcome = ferboost("evaluate", trained.run, trained.faces, "--coverage", "0.75")
    assert (outcome.code, outcome.err) == (0, "")
    assert "hold the true class in 75 % of faces" in outcome.out
    assert "CNN, class by class" in outcome.out
    result = json.loads(
        ferboost("evaluate", trained.run, trained.faces, "--coverage", "0.75", "--json").out
    )
    sets = result["trust"]["variants"]["fc1"]["sets"]
    assert {s["asked"] for s in sets} == {0.75}
    assert all(0 <= s["coverage"] <= 1 for s in sets)


@pytest.mark.parametrize("share", ["0", "1", "1.5", "-0.5", "nan"])
def test_a_coverage_that_is_no_share_is_refused(trained: Trained, share: str) -> None:
    outcome = ferboost("evaluate", trained.run, trained.faces, f"--coverage={share}")
    assert outcome.code == 2
    assert "between 0 and 1" in outcome.err
    assert outcome.out == ""


def test_calibration_is_not_measured_on_images_of_the_training(trained: Trained) -> None:
    outcome = ferboost("evaluate", trained.run, trained.faces, "--split", "train")
    assert outcome.code == 0
    assert "not measured on images that the model was made" in outcome.out
    assert "expected calibration error" not in outcome.out


def test_calibrate_makes_what_a_run_lacks(trained: Trained, run: Path) -> None:
    before = (run / "calibration.json").read_bytes()
    (run / "calibration.json").unlink()
    lacking = ferboost("evaluate", run, trained.faces)
    assert "not calibrated yet; run: ferboost calibrate" in lacking.out
    outcome = ferboost("calibrate", run, trained.faces)
    assert outcome.code == 0
    assert [line.split("  ")[0] for line in outcome.out.splitlines()[4:7]] == [
        "CNN", "trees: fc1", "trees: pixels",
    ]  # fmt: skip
    assert (run / "calibration.json").read_bytes() == before
    outcome = ferboost("calibrate", run, trained.faces, "--json")
    found = json.loads(outcome.out)
    assert found["faces"] > 0
    assert set(found["temperatures"]) == {"0", "1"}
    assert set(found["temperatures"]["0"]) == {"cnn", "fc1", "pixels"}
    kept = load_calibration(Run.open(run))
    assert kept is not None
    temperature = kept.ensemble["cnn"]["temperature"].temperature
    assert found["temperatures_of_mean"]["cnn"] == pytest.approx(temperature)


def test_calibrate_refuses_other_data(trained: Trained, run: Path) -> None:
    assert ferboost("data", "generate", "other.zip", "--count-per-class=9", "--seed=9").code == 0
    before = (run / "calibration.json").read_bytes()
    outcome = ferboost("calibrate", run, "other.zip")
    assert outcome.code != 0
    assert "is not the data" in outcome.err
    assert (run / "calibration.json").read_bytes() == before


def test_the_published_protocol_is_not_blamed_on_other_images(trained: Trained, run: Path) -> None:
    record = json.loads((run / "run.json").read_bytes())
    record["settings"]["protocol"] = "paper"
    (run / "run.json").write_text(json.dumps(record))
    assert "selected on these" in ferboost("evaluate", run, trained.faces).out
    assert "selected on these" not in ferboost("evaluate", run, trained.faces, "--split", "all").out


def test_compare_pairs_the_variants_of_one_run(trained: Trained) -> None:
    outcome = ferboost("compare", trained.run, trained.faces)
    assert (outcome.code, outcome.err) == (0, "")
    assert len(outcome.out.splitlines()) == 3  # CNN, fc1, pixels: three pairs
    pairs = json.loads(ferboost("compare", trained.run, trained.faces, "--json").out)
    alone = [pair["mcnemar_p"] for pair in pairs]
    assert [pair["adjusted_p"] for pair in pairs] == pytest.approx(holm(alone))
    outcome = ferboost(
        "compare", trained.run, trained.faces, "--variant", "cnn", "--variant", "fc1", "--json"
    )
    (pair,) = json.loads(outcome.out)
    assert (pair["a"], pair["b"]) == ("the CNN", "boosting on fc1")
    low, high = pair["interval_points"]
    assert low <= pair["difference_points"] <= high
    assert 0 < pair["mcnemar_p"] == pair["adjusted_p"] <= 1
    assert pair["a"] in pair["sentence"]


def test_compare_pairs_each_variant_with_itself_in_another_run(trained: Trained, run: Path) -> None:
    outcome = ferboost("compare", trained.run, run, trained.faces, "--json")
    pairs = json.loads(outcome.out)
    variants = ("the CNN", "boosting on fc1", "XGBoost on pixels")
    assert [pair["a"] for pair in pairs] == [f"{name} of {trained.run}" for name in variants]
    assert [pair["b"] for pair in pairs] == [f"{name} of run" for name in variants]
    assert all(pair["difference_points"] == 0 for pair in pairs)
    assert all(pair["sentence"].startswith("No difference shown") for pair in pairs)


def test_compare_counts_no_image_that_a_run_was_made_with(trained: Trained, run: Path) -> None:
    every = ("compare", trained.run, run, trained.faces, "--variant", "cnn", "--split")
    outcome = ferboost(*every, "all")
    assert outcome.code == 0
    sentence, left_out = outcome.out.splitlines()
    assert sentence.startswith("No difference shown")
    counts = Run.open(run).record.data.counts
    learnt = sum(counts["train"]) + sum(counts["validation"])
    assert left_out == f"left out: {learnt:,} that the run was made with, or copies of them"
    outcome = ferboost(*every, "train")
    assert (outcome.code, outcome.out) == (1, "")
    assert "the runs were made with all of these images; choose others" in outcome.err


def test_compare_refuses_runs_with_different_numbers_of_seeds(trained: Trained, run: Path) -> None:
    record = json.loads((run / "run.json").read_bytes())
    record["settings"]["seeds"] = [0]
    (run / "run.json").write_text(json.dumps(record))
    outcome = ferboost("compare", trained.run, run, trained.faces)
    assert (outcome.code, outcome.out) == (2, "")
    assert "run has 1" in outcome.err


@pytest.mark.parametrize("variant", ["cnn", "fc1"])
def test_predict_ranks_the_emotions_of_each_picture(trained: Trained, variant: str) -> None:
    photo = Path("photo.png")
    photo.write_bytes(encode_png(np.full((48, 48), 128, np.uint8)))
    Path("same.png").write_bytes(photo.read_bytes())
    given = (photo, "same.png")
    outcome = ferboost("predict", *given, "--model", trained.run, "--variant", variant)
    assert (outcome.code, outcome.err) == (0, "")
    first, second = outcome.out.splitlines()
    assert first.removeprefix("photo.png") == second.removeprefix("same.png")
    assert first.startswith("photo.png: ")
    assert first.count("%") == 3
    result = json.loads(
        ferboost("predict", photo, "-m", trained.run, "--variant", variant, "--json").out
    )
    shares = result[0]["probabilities"]
    assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
    assert result[0]["emotion"] == max(shares, key=shares.__getitem__)
    assert result[0]["emotion"] in first


def test_predict_reports_what_is_no_picture_and_does_the_rest(trained: Trained) -> None:
    Path("photo.png").write_bytes(encode_png(np.full((48, 48), 128, np.uint8)))
    Path("notes.txt").write_text("happy")
    outcome = ferboost("predict", "notes.txt", "photo.png", "--model", trained.run)
    assert outcome.code == 1
    assert outcome.out.startswith("photo.png: ")
    assert outcome.out.count("\n") == 1
    assert outcome.err.startswith("ferboost: error: notes.txt is not an image")
    assert outcome.err.count("\n") == 1


def test_card_is_printed_or_written(trained: Trained, workplace: Path) -> None:
    printed = ferboost("card", trained.run)
    assert (printed.code, printed.err) == (0, "")
    assert printed.out.startswith("# Model card: paper, CNN\n")
    written = ferboost("card", trained.run, "-o", "card.md")
    assert written.out == "model card: card.md\nknown failures: card-failures.png\n"
    lines = (workplace / "card.md").read_text().splitlines()
    (shown,) = (line for line in lines if line.startswith("!["))
    assert shown.endswith("](card-failures.png)")
    with Image.open(workplace / "card-failures.png") as picture:
        assert picture.width == 840
    at = lines.index(shown)
    assert [*lines[:at], *lines[at + 2 :]] == printed.out.splitlines()


def test_robustness_is_measured_kept_and_reported(trained: Trained, run: Path) -> None:
    outcome = ferboost("robustness", run, trained.faces, "--faces", "30")
    assert outcome.code == 0
    assert "blur, CNN" in outcome.out
    assert "occlusion, trees: pixels" in outcome.out
    kept = json.loads((run / "robustness.json").read_bytes())
    assert 15 <= kept["faces"] <= 45
    page = (run / "report.html").read_text()
    assert "How worse faces fare" in page
    assert f"{kept['faces']} test faces of faces.zip, made worse" in page
    again = ferboost("robustness", run, trained.faces, "--faces", "30", "--json")
    assert json.loads(again.out) == kept


def test_faces_that_a_run_has_learnt_do_not_count_for_its_robustness(
    trained: Trained, run: Path
) -> None:
    refused = ferboost("robustness", run, trained.faces, "--split", "train")
    assert refused.code == 1
    assert "run was made with all" in refused.err
    assert "choose others by --split, or give other data" in refused.err
    assert not (run / "robustness.json").exists()

    with zipfile.ZipFile(trained.faces) as faces:
        for name in faces.namelist():
            split, emotion, file = name.split("/")
            copied = Path("mine", emotion, f"{split}-{file}")
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes(faces.read(name))
    outcome = ferboost("robustness", run, "mine")
    assert outcome.code == 0, outcome.err
    kept = json.loads((run / "robustness.json").read_bytes())
    tested = json.loads(ferboost("evaluate", run, trained.faces, "--json").out)
    assert kept["faces"] == tested["n_clean"]
    assert kept["source"] == "faces of mine"
    left_out = f"left out: {kept['left_out']} that the run was made with, or copies of them"
    assert left_out in outcome.out
    assert left_out.capitalize() in (run / "report.html").read_text()


def test_a_damaged_robustness_is_named(trained: Trained, run: Path) -> None:
    (run / "robustness.json").write_text("{}")
    outcome = ferboost("report", run)
    assert outcome.code == 1
    assert "robustness.json is damaged" in outcome.err


def test_evaluate_compares_groups_of_faces(trained: Trained) -> None:
    with zipfile.ZipFile(trained.faces) as faces:
        names = [name for name in faces.namelist() if name.startswith("test/")]
    rows = [f"{name},{('odd', 'even')[place % 2]}" for place, name in enumerate(names)]
    Path("groups.csv").write_text("\n".join(["image,group", *rows]))
    outcome = ferboost("evaluate", trained.run, trained.faces, "--groups", "groups.csv")
    assert (outcome.code, outcome.err) == (0, "")
    assert "odd, CNN" in outcome.out
    assert "even, trees: fc1" in outcome.out
    result = json.loads(
        ferboost("evaluate", trained.run, trained.faces, "--groups=groups.csv", "--json").out
    )
    odd, even = result["groups"]["cnn"]
    assert odd["n"] + even["n"] == result["n_clean"]
    assert 0 <= odd["p"] <= 1


def test_a_model_file_is_evaluated_as_the_run_that_it_comes_from(trained: Trained) -> None:
    assert ferboost("export", trained.run, "-o", "model.onnx", "--calibration", "none").code == 0
    of_file = ferboost("evaluate", "model.onnx", trained.faces, "--json")
    assert of_file.code == 0, of_file.err
    of_run = json.loads(ferboost("evaluate", trained.run, trained.faces, "--json").out)
    found, together = json.loads(of_file.out), of_run["variants"]["cnn"]["seeds_together"]
    for name in ("n", "n_clean", "accuracy", "accuracy_clean", "balanced_accuracy"):
        assert found[name] == pytest.approx(together[name])
    assert list(found["variants"]) == ["cnn"]
    in_training = ferboost("evaluate", "model.onnx", trained.faces, "--split", "train", "--json")
    assert json.loads(in_training.out)["n_clean"] == 0


def test_sets_of_a_model_file_are_verified(trained: Trained) -> None:
    assert ferboost("export", trained.run, "-o", "model.onnx", "--variant", "fc1").code == 0
    known = ("evaluate", "model.onnx", trained.faces, "--coverage", "0.9", "--split", "all")
    outcome = ferboost(*known)
    assert "calibration is not measured on images that the model was made" in outcome.out
    assert "sets for" not in outcome.out
    assert json.loads(ferboost(*known, "--json").out)["sets"] is None
    outcome = ferboost("evaluate", "model.onnx", trained.faces, "--coverage", "0.9")
    assert outcome.code == 0, outcome.err
    assert "sets for 90 %: " in outcome.out
    assert re.search(r"calibration: (temperature|none); expected calibration error", outcome.out)
    assert "trees: fc1" in outcome.out


def test_a_file_that_is_no_model_is_refused(trained: Trained) -> None:
    outcome = ferboost("evaluate", trained.faces, trained.faces)
    assert outcome.code != 0
    assert "a model is made by: ferboost export RUN -o FILE" in outcome.err
