"""Calibrating a run on its validation images."""

from pathlib import Path

import numpy as np
import pytest

from ferboost.datasets.splitting import prepare_splits
from ferboost.errors import RunError
from ferboost.evaluation.scaling import fit_scaling
from ferboost.evaluation.trust import measure_trust
from ferboost.features import group_features
from ferboost.models import load_seed_model
from ferboost.pipeline import calibrate_run, evaluate_run, load_calibration, load_results
from ferboost.progress import Monitor
from ferboost.runs import Run
from tiny import begin, every_scaling_is_kept, faces, finish, run_settings

DATASET = faces()


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = run_settings(seeds=(0, 1))
    return finish(tmp_path_factory.mktemp("calibrating") / "clean", DATASET, settings)[0]


def test_a_run_is_calibrated_on_its_validation_images_alone(clean: Run) -> None:
    calibration = load_calibration(clean)
    assert calibration is not None
    assert len(calibration.labels) == sum(clean.record.data.counts["validation"])
    assert list(calibration.scalings) == [0, 1]
    assert list(calibration.ensemble) == ["cnn", "fc1", "pixels"]


def test_a_run_that_selects_on_the_test_images_is_not_calibrated(tmp_path: Path) -> None:
    run, _ = finish(tmp_path / "paper", DATASET, run_settings(protocol="paper"))
    assert load_calibration(run) is None
    with pytest.raises(RunError, match="holds out nothing but the test images"):
        calibrate_run(run, DATASET.split("test"), Monitor())


def test_an_unfinished_run_is_not_calibrated(tmp_path: Path) -> None:
    run, _ = begin(tmp_path / "run", DATASET, run_settings())
    with pytest.raises(RunError, match="is not finished"):
        calibrate_run(run, DATASET.split("test"), Monitor())


def test_every_variant_is_measured_before_and_after(clean: Run) -> None:
    calibration = load_calibration(clean)
    assert calibration is not None
    trusts = measure_trust(load_results(clean), calibration, (0.9,))
    assert [trust.variant for trust in trusts] == ["cnn", "fc1", "pixels"]
    for trust in trusts:
        assert [step.method for step in trust.steps] == ["none", "temperature", "vector"]
        assert trust.steps[0].accuracy == trust.steps[1].accuracy
        assert len(trust.ensemble) == 3
        assert {result.asked for result in trust.sets} == {0.9}
        assert trust.after.shape == trust.before.shape


def test_sets_of_the_mean_of_the_seeds_can_be_had(clean: Run) -> None:
    calibration = load_calibration(clean)
    assert calibration is not None
    sets = calibration.sets(None, "fc1", 0.8, "aps")
    assert sets.predict(np.full((2, 3), 1 / 3, dtype=np.float32)).shape == (2, 3)


def test_an_image_that_calibrates_is_in_no_centre_that_it_is_measured_from(tmp_path: Path) -> None:
    settings = run_settings(trees={"taps": ("fc1-centres",)})
    run, _ = finish(tmp_path / "run", DATASET, settings)
    calibration, model = load_calibration(run), load_seed_model(run, 0)
    assert calibration is not None
    validation = prepare_splits(DATASET, settings.data, validation=True).split("validation")
    features = group_features(model.source, validation.images, ["fc1-centres"], validation.labels)[
        "fc1-centres"
    ]
    expected = model.trees["fc1-centres"].predict_proba(features)
    np.testing.assert_array_equal(calibration.probabilities[0]["fc1-centres"], expected)
    assert (features != model.features(validation.images, ["fc1-centres"])["fc1-centres"]).any()


def test_the_images_of_the_run_itself_do_not_count(clean: Run) -> None:
    for split, are_known in (("train", True), ("test", False)):
        results = evaluate_run(clean, DATASET.split(split), Monitor())
        assert results.are_mostly_known is are_known


def test_trees_are_not_calibrated_on_the_validation_images_that_they_grew_on(
    tmp_path: Path,
) -> None:
    trees = {"taps": ("pixels",), "features": "held-out", "rounds": 20}
    settings = run_settings(trees=trees, data={"validation_fraction": 0.5})
    with every_scaling_is_kept():
        run, _ = finish(tmp_path / "run", DATASET, settings)
    calibration = load_calibration(run)
    assert calibration is not None
    labels, _ = calibration.counted("pixels", [0])
    everything = sum(run.record.data.counts["validation"])
    assert 0.1 * everything < len(labels) < 0.3 * everything
    assert len(calibration.counted("cnn", [0])[0]) == everything
    fitted = fit_scaling(calibration.probabilities[0]["cnn"], calibration.labels, "temperature")
    assert calibration.scalings[0]["cnn"]["temperature"] == fitted
    grown = calibration.probabilities[0]["pixels"][calibration.grown_on].argmax(1)
    assert (grown == calibration.labels[calibration.grown_on]).all()  # known by heart
    unseen = calibration.probabilities[0]["pixels"][~calibration.grown_on]
    fitted = fit_scaling(unseen, labels, "temperature")
    assert calibration.scalings[0]["pixels"]["temperature"] == fitted
    assert calibration.ensemble["pixels"]["temperature"] == fitted


def test_a_damaged_calibration_is_refused_with_the_way_to_mend_it(tmp_path: Path) -> None:
    run, _ = finish(tmp_path / "run", DATASET, run_settings())
    (run.path / "calibration.json").write_text('{"seeds": 3}')
    with pytest.raises(RunError, match=r"is damaged .*run: ferboost calibrate"):
        load_calibration(run)
