"""The page of a study, of trials that are made up."""

from pathlib import Path
from typing import Any

import pytest

from ferboost.curves import EpochRecord
from ferboost.report.study_page import write_study_page
from ferboost.settings import load_settings
from ferboost.tuning.outcomes import Outcome, SeedScore, write_outcome
from ferboost.tuning.plans import plan_study
from ferboost.tuning.sampling import Sampling
from ferboost.tuning.space import parse_space
from ferboost.tuning.study import Study, start_study
from tiny import faces


def made_up(path: Path, space: dict[str, Any], trials: int, **plan_of: Any) -> Study:
    """Return a study of random trials, of which every third was stopped."""
    plan = plan_study(parse_space(space), load_settings(), sampler="random", trials=12, **plan_of)
    study = start_study(path, faces(), plan, "ferboost tune <faces>")
    sampling = Sampling(study, None)
    for number in range(trials):
        asked = sampling.ask()
        assert asked
        history = (EpochRecord(1, 1.0, 0.4, 1.0, 0.4, 1.0), EpochRecord(2, 1.0, 0.5, 1.0, 0.5, 1.0))
        score = SeedScore(
            seed=0, accuracy=0.5 + number / 100, log_loss=1.0, history=history,
            size=1000.0 * (1 + number), time=2 ** ((number * 5) % 7) / 64,
        )  # fmt: skip
        outcome = Outcome(
            status="stopped" if number % 3 == 2 else "done",
            seconds=1, seeds=(score,), number=asked[0], point=asked[1],
        )  # fmt: skip
        sampling.tell(outcome)
    return study


def test_the_page_has_every_figure_and_names_the_axes_by_the_record(tmp_path: Path) -> None:
    space = {
        "cnn.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
        "cnn.l2": [1e-5, 1e-3],
        "cnn.batch_size": {"low": 8, "high": 128},
    }
    study = made_up(tmp_path / "study", space, 12)
    page = write_study_page(study).read_text("utf-8")
    for title in ("Learning curves", "The three settings", "Parallel coordinates", "Slice: cnn.l2"):
        assert title in page
    for name in space:
        assert page.count(f">{name}</text>") >= 2  # in the picture of three settings, and its slice
    assert "Best of 12 trials: 8 done, 4 stopped: 60.00%" in page
    assert "ferboost tune &lt;faces&gt;" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_the_page_says_which_images_judged_trees_that_grow_on_held_out_ones(tmp_path: Path) -> None:
    settings = load_settings("paper", ["trees.features=held-out", 'trees.taps=["fc1"]'])
    plan = plan_study(parse_space({"trees.gamma": [0.0]}), settings, sampler="grid")
    study = start_study(tmp_path / "study", faces(), plan, "ferboost tune faces")
    number, point = Sampling(study, None).ask() or pytest.fail("nothing is left")
    score = SeedScore(seed=0, accuracy=0.5, log_loss=1.0)
    write_outcome(
        study.path / "trials",
        Outcome(status="done", seconds=1, seeds=(score,), number=number, point=point),
    )
    assert "On a fifth of " in write_study_page(study).read_text("utf-8")


def test_the_front_of_several_objectives_is_drawn_and_marked(tmp_path: Path) -> None:
    space = {"cnn.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}}
    study = made_up(tmp_path / "study", space, 12, costs=("size", "time"))
    page = write_study_page(study).read_text("utf-8")
    for title in ("Front: size", "Front: time"):
        assert title in page
    assert "Milliseconds for a face" in page
    assert page.count(", on the front") == len(study.front()) > 1
    assert "12.0 kB" not in page  # the last was stopped
    assert "11.0 kB" in page


@pytest.mark.parametrize("trials", [0, 2])
def test_a_study_that_has_hardly_begun_has_a_page(tmp_path: Path, trials: int) -> None:
    space = {
        "cnn.optimizer": ["adam", "muon"],
        "cnn.weight_decay": {"low": 0, "high": 0.1, "when": {"cnn.optimizer": "muon"}},
    }
    page = write_study_page(made_up(tmp_path / "study", space, trials)).read_text("utf-8")
    assert ("Parallel coordinates" in page) == (trials > 0)
