"""What is checked before a study begins."""

from pathlib import Path
from typing import Any

import pytest
from studies import FACES, begin, settings

from ferboost.errors import RunError, SettingsError
from ferboost.pipeline import start_run
from ferboost.runs import Run
from ferboost.settings import change_settings, load_settings
from ferboost.tuning import parse_space
from ferboost.tuning.plans import plan_study

SPACE = parse_space({"trees.gamma": [0.5]})


def begun(path: Path, **changes: object) -> Run:
    """Return a run whose networks are there, as far as a study looks at them."""
    run, _ = start_run(path, FACES, settings(**changes), "tests")
    file = run.seed_path(0) / "network.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    return run


def doubts(path: Path, first: int) -> Path:
    """Write a file that doubts every third training label from the `first` on."""
    names = FACES.split("train").names[first::3]
    path.write_text("\n".join(["image", *map(str, names), ""]))
    return path


def test_only_what_a_run_stacks_is_stacked(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", trees={"taps": ("fc1",)})
    stacking = change_settings(run.settings, (), {"trees": {"stacked": [str(run.path)]}})
    with pytest.raises(SettingsError, match="a study of CNNs does not have the CNNs that trees"):
        plan_study(SPACE, stacking, sampler="grid")
    with pytest.raises(SettingsError, match="the run .*run does not have the CNNs that trees.sta"):
        plan_study(SPACE, stacking, sampler="grid", run=run)
    plan_study(SPACE, run.settings, sampler="grid", run=run)
    plan_study(parse_space({"cnn.l2": [0.1]}), stacking, sampler="grid")  # has no trees


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"cnn.votes": [0.0, 1.0]}, "a study has no votes"),
        ({"data.doubted": ["keep", "distil"]}, "distil reads other columns"),
    ],
)
def test_what_a_study_cannot_learn_is_refused(space: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        plan_study(parse_space(space), load_settings(), sampler="grid")


def test_doubts_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = doubts(tmp_path / "doubts.csv", 0)
    monkeypatch.chdir(tmp_path)
    study = begin(
        tmp_path / "study", {"cnn.l2": [0.1]}, settings=settings(data={"doubts": file.name})
    )
    assert study.plan.settings.data.doubts == str(file)


def test_a_study_on_a_run_needs_the_doubts_of_the_run(tmp_path: Path) -> None:
    file = doubts(tmp_path / "doubts.csv", 0)
    run = begun(
        tmp_path / "run", trees={"taps": ("fc1",)}, data={"doubts": str(file), "doubted": "drop"}
    )
    space = {"trees.gamma": [0.5]}
    begin(tmp_path / "same", space, settings=run.settings, run=run)
    doubts(file, 1)
    with pytest.raises(RunError, match="doubted labels is not the one that .*run was started with"):
        begin(tmp_path / "other", space, settings=run.settings, run=run)
    assert not (tmp_path / "other").exists()
