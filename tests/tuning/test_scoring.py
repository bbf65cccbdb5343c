"""How a point is judged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import FACES, settings

from ferboost.datasets.splitting import prepare_splits
from ferboost.evaluation.scaling import log_losses
from ferboost.models import load_seed_model
from ferboost.pipeline import execute_run, load_calibration, start_run
from ferboost.progress import Monitor
from ferboost.tuning.faces import face_arrays, faces_of
from ferboost.tuning.scoring import Scorer
from tiny import PLAIN, voted


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_a_pruner_hears_the_loss_of_what_is_judged_without_its_penalty(averaging: float) -> None:
    chosen = settings(cnn={"l2": 1.0, "averaging": averaging, "epochs": 1})
    faces = faces_of(face_arrays(prepare_splits(FACES, chosen.data, validation=True)))
    heard: list[float] = []
    score = Scorer(faces, 3, None).score(
        chosen, "cnn", 0, PLAIN, lambda _history, loss: heard.append(loss)
    )
    assert heard == [pytest.approx(score.log_loss, rel=1e-5)]


@pytest.mark.parametrize(
    ("trees", "variant"),
    [
        ({"taps": ("fc1-views",), "mode": "residual"}, "fc1-views residual"),
        ({"taps": ("fc1-centres",)}, "fc1-centres"),
        ({"taps": ("output",), "mode": "residual", "ensemble": False}, "output residual"),
        ({"taps": ("output",), "ensemble": False, "view_rows": True}, "output"),
        ({"taps": ("fc1",), "mode": "residual", "votes": 0.5}, "fc1 residual"),
    ],
)
def test_trees_out_of_fold_are_judged_as_those_of_a_run(
    trees: dict[str, Any], variant: str, tmp_path: Path
) -> None:
    """Grown again with the settings of a run, they say the same of its validation images."""
    own = {
        "features": "out-of-fold", "folds": 2, "rounds": 4, "early_stopping": 2, "subsample": 0.7,
        "columns": 0.5, **trees,
    }  # fmt: skip
    chosen = settings(cnn={"epochs": 1}, trees=own)
    dataset = voted(FACES)
    run, prepared = start_run(tmp_path / "run", dataset, chosen, "tests")
    execute_run(run, prepared, Monitor())
    faces = faces_of(face_arrays(prepared))
    seed = chosen.seeds[0]
    score = Scorer(faces, 3, run, ("size", "time")).score(
        run.settings, variant, seed, None, lambda *_: None
    )
    calibration = load_calibration(run)
    assert calibration is not None
    labels = faces.validation.labels
    shares = calibration.probabilities[seed][variant][: len(labels)]
    assert np.array_equal(calibration.labels[: len(labels)], labels)
    assert score.log_loss == pytest.approx(log_losses(shares, labels).mean(), abs=1e-6)
    assert score.accuracy == pytest.approx((shares.argmax(axis=1) == labels).mean())
    assert score.size is not None
    assert score.time is not None
    model = load_seed_model(run, seed)
    used = [model] if own.get("ensemble") is False else model.folds
    weights = 4 * sum(own.network.parameter_count() for own in used)
    assert weights < score.size < 1.5 * weights + 20_000


def test_a_cnn_learns_the_votes_of_a_study_beside_the_labels() -> None:
    chosen = settings(cnn={"votes": 1.0, "epochs": 1})
    losses = []
    for dataset in (FACES, voted(FACES)):
        faces = faces_of(face_arrays(prepare_splits(dataset, chosen.data, validation=True)))
        score = Scorer(faces, 3, None).score(chosen, "cnn", 0, PLAIN, lambda *_: None)
        losses.append(score.log_loss)
    assert losses[0] != losses[1]
