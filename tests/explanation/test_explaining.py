"""A verdict explained through a run's CNN and trees."""

import json
from pathlib import Path

import numpy as np
import pytest

from ferboost.errors import RunError, SettingsError
from ferboost.models import load_seed_model
from ferboost.pipeline import explain_run
from ferboost.prediction import predict_files
from ferboost.report.explanation_figures import plot_explanation
from ferboost.runs import Run
from tiny import begin, faces, finish, run_settings

DATASET = faces()
IMAGES = DATASET.split("test").images[:3]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    trees = {"taps": ("fc1+hog", "pixels"), "mode": "both"}
    settings = run_settings(seeds=(0, 1), trees=trees)
    return finish(tmp_path_factory.mktemp("explained") / "run", DATASET, settings)[0]


def test_the_verdict_is_that_of_predict(run: Run, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "face.png"
    Image.fromarray(IMAGES[0]).save(path)
    for variant in ("cnn", "fc1+hog residual"):
        (explained,) = explain_run(run, IMAGES[:1], variant)
        predicted = predict_files(run, [path], variant)[0][0]
        np.testing.assert_allclose(explained.probabilities, predicted.shares, atol=1e-6)
        assert explained.emotion == explained.verdict == predicted.emotion


@pytest.mark.parametrize("variant", ["fc1+hog", "fc1+hog residual", "pixels"])
def test_contributions_add_up_to_the_log_odds_of_the_trees(run: Run, variant: str) -> None:
    explained = explain_run(run, IMAGES, variant)
    models = [load_seed_model(run, seed) for seed in (0, 1)]
    for row, own in enumerate(explained):
        pair = [own.classes.index(name) for name in (own.emotion, own.against)]
        shares = [m.probabilities_of(IMAGES[row : row + 1], variant)[0, pair] for m in models]
        expected = np.mean([np.log(one / other) for one, other in shares])
        assert sum(part.value for part in own.contributions) == pytest.approx(expected, abs=1e-4)


def test_contributions_are_named_by_the_groups_of_the_tap(run: Run) -> None:
    (own,) = explain_run(run, IMAGES[:1], "fc1+hog")
    assert [part.name for part in own.contributions] == ["start", "fc1", "hog"]
    assert all(part.name.split()[0] in {"fc1", "hog"} for part in own.features)
    sizes = [abs(part.value) for part in own.features]
    assert sizes == sorted(sizes, reverse=True)
    assert explain_run(run, IMAGES[:1])[0].contributions == ()


def test_what_is_asked_for_is_explained(run: Run) -> None:
    (own,) = explain_run(run, IMAGES[:1], emotion="sad")
    assert own.emotion == "sad"
    assert own.against == max(
        (name for name in own.classes if name != "sad"),
        key=lambda name: own.probabilities[own.classes.index(name)],
    )


def test_it_goes_through_json(run: Run) -> None:
    (own,) = explain_run(run, IMAGES[:1], "pixels residual")
    content = json.loads(json.dumps(own.to_dict(), allow_nan=False))
    assert list(content["maps"]) == ["Grad-CAM", "integrated gradients", "occlusion"]
    assert np.shape(content["maps"]["occlusion"]) == (48, 48)
    assert sum(content["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_trees_that_see_no_network_are_explained_by_occlusion_alone(run: Run) -> None:
    explained = explain_run(run, IMAGES[:1], "pixels")
    assert [list(own.maps) for own in explained] == [["occlusion"]]
    assert plot_explanation(explained[0]).get_size_inches().tolist() == [9.0, 5.6]


def test_no_face_has_no_explanation(run: Run) -> None:
    assert explain_run(run, IMAGES[:0]) == ()


def test_what_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no variant 'fc9'; it has: cnn, fc1"):
        explain_run(run, IMAGES, "fc9")
    with pytest.raises(SettingsError, match="no emotion 'smug'; there are: happy, sad"):
        explain_run(run, IMAGES, emotion="smug")
    begun, _ = begin(tmp_path / "run", DATASET, run_settings())
    with pytest.raises(RunError, match="not finished"):
        explain_run(begun, IMAGES)


def test_out_of_fold_trees_are_explained_through_their_networks(tmp_path: Path) -> None:
    trees = {"taps": ("fc1",), "features": "out-of-fold", "folds": 2}
    settings = run_settings({"epochs": 1}, trees)
    run, _ = finish(tmp_path / "run", DATASET, settings)
    (own,) = explain_run(run, IMAGES[:1], "fc1")
    assert [part.name for part in own.contributions] == ["start", "fc1"]
    assert np.abs(own.maps["Grad-CAM"]).max() > 0
