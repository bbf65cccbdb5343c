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
from ferboost.tuning.outcomes import Outcome
from ferboost.tuning.plans import plan_study
from ferboost.tuning.study import resume_study, start_study
from tiny import voted

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


def test_a_study_trains_no_cnns_that_are_taught(tmp_path: Path) -> None:
    taught = settings(cnn={"teachers": ("other",)})
    with pytest.raises(SettingsError, match="a study trains its CNNs without teachers; leave out"):
        plan_study(SPACE, taught, sampler="grid")
    run = begun(tmp_path / "run", trees={"taps": ("fc1",)})
    own = change_settings(run.settings, (), {"cnn": {"teachers": ["gone since"]}})
    plan_study(SPACE, own, sampler="grid", run=run)


def test_trees_out_of_fold_need_a_run_with_as_many_folds(tmp_path: Path) -> None:
    of_three = {"taps": ("fc1",), "features": "out-of-fold", "folds": 3}
    run = begun(tmp_path / "run", trees=of_three)
    plan = plan_study(SPACE, run.settings, sampler="grid", run=run)
    with pytest.raises(RunError, match="seed 0, fold 1 has no trained CNN"):
        start_study(tmp_path / "study", FACES, plan, "tests")
    for fold in range(3):
        network = run.seed_path(0) / f"fold-{fold}" / "network.safetensors"
        network.parent.mkdir()
        network.write_bytes(b"weights")
    study = start_study(tmp_path / "study", FACES, plan, "tests")
    resume_study(study.path, FACES)
    network.write_bytes(b"others")
    with pytest.raises(RunError, match="have changed since"):
        resume_study(study.path, FACES)
    for changes, words in (
        (["trees.folds=5"], "has 3 CNNs of folds, and trees.folds=5 needs as many"),
        (["trees.folds=2"], "has 3 CNNs of folds, and trees.folds=2 needs as many"),
    ):
        other = change_settings(run.settings, changes, {})
        with pytest.raises(SettingsError, match=words):
            plan_study(SPACE, other, sampler="grid", run=run)
    plain = begun(tmp_path / "plain", trees={"taps": ("fc1",)})
    out_of_fold = change_settings(plain.settings, ["trees.features=out-of-fold"], {})
    with pytest.raises(SettingsError, match="plain has no CNNs of folds, and trees.folds=5"):
        plan_study(SPACE, out_of_fold, sampler="grid", run=plain)


@pytest.mark.parametrize("learner", ["cnn", "trees"])
def test_votes_are_there_where_they_are_learnt_and_stay(tmp_path: Path, learner: str) -> None:
    space = parse_space({f"{learner}.votes": [0.0, 1.0]})
    chosen = settings(trees={"taps": ("fc1",)})
    plan = plan_study(space, chosen, sampler="grid")
    with pytest.raises(SettingsError, match=rf"{learner}.votes takes FER\+ votes, and there are n"):
        start_study(tmp_path / "study", FACES, plan, "tests")
    assert not (tmp_path / "study").exists()
    study = start_study(tmp_path / "study", voted(FACES), plan, "tests")
    resume_study(study.path, voted(FACES))
    for others in (FACES, voted(FACES, seed=1)):
        with pytest.raises(RunError, match="was started with other votes"):
            resume_study(study.path, others)


def test_votes_that_nothing_learns_are_refused(tmp_path: Path) -> None:
    plan = plan_study(parse_space({"cnn.l2": [0.1]}), settings(), sampler="grid")
    with pytest.raises(SettingsError, match="nothing of this study learns the votes"):
        start_study(tmp_path / "study", voted(FACES), plan, "tests")


@pytest.mark.parametrize("name", ["cnn.votes", "trees.votes"])
def test_the_best_settings_say_that_votes_were_no_good(name: str, tmp_path: Path) -> None:
    """Left out as the default, `train --votes` would have the trees learn them."""
    chosen = settings(trees={"taps": ("fc1",)})
    plan = plan_study(parse_space({name: [0.0, 1.0]}), chosen, sampler="grid")
    study = start_study(tmp_path / "study", voted(FACES), plan, "tests")
    best = Outcome(number=0, status="done", point={name: 0.0}, seconds=1.0)
    assert study.best_settings(best)[name] == 0.0


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"trees.folds": [2, 5]}, "trees.folds decides which images .* or which CNNs it takes"),
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
