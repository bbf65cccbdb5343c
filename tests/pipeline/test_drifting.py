"""The limits of what a run was trained on."""

from pathlib import Path

import pytest

from ferboost.datasets.traits import fit_trait_limits
from ferboost.errors import RunError
from ferboost.pipeline import execute_run, resume_run
from ferboost.pipeline.drifting import find_trait_limits, load_trait_limits
from ferboost.progress import Monitor
from tiny import faces, finish, run_settings

DATASET = faces()


def test_a_run_keeps_the_limits_of_its_training_images(tmp_path: Path) -> None:
    run, _ = finish(tmp_path / "run", DATASET, run_settings({"epochs": 1}))
    kept = load_trait_limits(run)
    assert kept is not None
    (run.path / "traits.json").unlink()
    assert find_trait_limits(run, DATASET) == kept  # measured again, validation images left out
    assert fit_trait_limits(DATASET.split("train").images) != kept
    assert find_trait_limits(run, faces(seed=7)) is None
    assert find_trait_limits(run, None) is None


def test_damaged_limits_are_named_and_made_again_as_the_message_says(tmp_path: Path) -> None:
    run, _ = finish(tmp_path / "run", DATASET, run_settings({"epochs": 1}))
    kept = load_trait_limits(run)
    (run.path / "traits.json").write_text('{"brightness": [1, 2]}')
    with pytest.raises(RunError, match=r"traits.json is damaged .*remove it .*train --resume"):
        find_trait_limits(run, DATASET)
    (run.path / "traits.json").unlink()
    execute_run(*resume_run(run.path, DATASET), Monitor())
    assert load_trait_limits(run) == kept
