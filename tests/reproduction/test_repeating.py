"""Repeating parts of the study on a tiny network."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from ferboost.config import Settings
from ferboost.datasets.synthetic import generate_faces
from ferboost.errors import RunError, SettingsError
from ferboost.progress import Monitor
from ferboost.report.reproduction_page import write_reproduction_page
from ferboost.reproduction import Reproduction, repeat_study, start_reproduction
from ferboost.reproduction.experiments import Experiment, find_experiment
from ferboost.settings import load_settings

FACES = generate_faces(20, test_fraction=0.25, seed=3)
TRAINED = [str(name) for name in FACES.split("train").names]
PARTS = ("table-6", "dropout", "stride")


class Stopped(Exception):
    """Stands for whatever ends the process."""


class StopsAt(Monitor):
    """Stops the work when a certain line is logged."""

    def __init__(self, words: str) -> None:
        self._words = words

    def log(self, message: str) -> None:
        if self._words in message:
            raise Stopped


def settings() -> Settings:
    """Return the published settings, smaller."""
    small = ["cnn.filters=[4, 4, 4]", "cnn.epochs=1", "number_format=float32", "trees.rounds=1"]
    return load_settings("paper", small, seeds=(0, 1))


def experiment(key: str) -> Experiment:
    """Return an experiment that is there."""
    found = find_experiment(key)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    """Return a repetition that was stopped once."""
    path = tmp_path_factory.mktemp("reproductions") / "study"
    reproduction = start_reproduction(path, FACES, settings(), "tests", parts=PARTS)
    with pytest.raises(Stopped):
        repeat_study(reproduction, FACES, StopsAt("trial 2"))
    repeat_study(Reproduction.open(path), FACES, Monitor())
    return Reproduction.open(path)


def test_trees_bring_the_cnns_that_they_grow_on(repeated: Reproduction) -> None:
    assert repeated.record.parts == ("cnn", *PARTS)
    for name, protocol in (("clean", "clean"), ("as-published", "paper")):
        run = repeated.run(name)
        assert run is not None
        assert run.settings.protocol == protocol
        assert run.settings.seeds == (0, 1)


@pytest.mark.parametrize(("key", "points"), [("table-6", 6), ("dropout", 5), ("stride", 4)])
def test_every_point_is_tried_once_whatever_stops_it(
    repeated: Reproduction, key: str, points: int
) -> None:
    study = repeated.study(experiment(key))
    assert study is not None
    outcomes = study.outcomes()
    assert len(outcomes) == len({str(outcome.point) for outcome in outcomes}) == points


def test_strides_that_leave_no_rows_are_refused_not_lost(repeated: Reproduction) -> None:
    study = repeated.study(experiment("stride"))
    assert study is not None
    assert [o.status for o in study.outcomes()] == ["done", "refused", "refused", "refused"]


def test_the_page_says_what_was_repeated_and_that_it_is_another_data_set(
    repeated: Reproduction,
) -> None:
    claims = write_reproduction_page(repeated)
    page = repeated.page.read_text("utf-8")
    assert len(claims) == 8  # 2 of the CNN, 4 of taps, a table, dropout; none of the stride
    assert "This is not FER-2013 as the study had it" in page
    for claim in claims:
        assert claim.what[1:40] in page
    assert "no rows left" in page
    assert "Trainings differ by more than what the tables compare" in page
    assert (repeated.run_path("clean") / "report.html").exists()
    assert 'href="runs/clean/report.html"' in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_the_page_is_the_same_when_it_is_written_again(repeated: Reproduction) -> None:
    write_reproduction_page(repeated)
    first = repeated.page.read_bytes()
    write_reproduction_page(repeated)
    assert repeated.page.read_bytes() == first


def test_what_is_done_is_not_done_again(repeated: Reproduction) -> None:
    spent = repeated.spent
    assert spent > 0
    files = sorted(p for p in repeated.path.rglob("*.safetensors"))
    times = [file.stat().st_mtime_ns for file in files]
    repeat_study(repeated, FACES, Monitor())
    assert [file.stat().st_mtime_ns for file in files] == times
    assert repeated.spent >= spent


def test_a_budget_shortens_trainings_and_is_kept(tmp_path: Path) -> None:
    long = load_settings("paper", ["cnn.filters=[4, 4, 4]", "number_format=float32"])
    reproduction = start_reproduction(
        tmp_path / "study", FACES, long, "tests", parts=["augmentation"], budget=0.05
    )
    repeat_study(reproduction, FACES, Monitor())
    study = reproduction.study(experiment("augmentation"))
    assert study is not None
    assert 1 <= study.plan.settings.cnn.epochs < 50
    assert len(study.outcomes()) < 4  # three seconds are over before the workers have begun
    repeat_study(reproduction, FACES, Monitor())  # asked to go on beyond its budget
    assert len(study.outcomes()) == 4


def test_a_page_of_nothing_is_refused(tmp_path: Path) -> None:
    reproduction = start_reproduction(tmp_path / "study", FACES, settings(), "tests")
    with pytest.raises(RunError, match="nothing of .* is done yet"):
        write_reproduction_page(reproduction)


@pytest.mark.parametrize(
    ("parts", "budget", "message"),
    [
        (["dropuot"], None, "no part 'dropuot'; did you mean dropout"),
        (["dropout"], 0.0, "a budget is a number of minutes above 0; found 0"),
        (["dropout"], float("nan"), "a budget is a number of minutes above 0; found nan"),
        (["dropout"], float("inf"), "a budget is a number of minutes above 0; found inf"),
        (["dropout"], -1.0, "found -1"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    tmp_path: Path, parts: list[str], budget: float | None, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        start_reproduction(
            tmp_path / "study", FACES, settings(), "tests", parts=parts, budget=budget
        )
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("parts", "changes", "message"),
    [
        ([], ["trees.features=out-of-fold"], "is of trees that learn labels on one CNN"),
        (["table-2"], ["trees.votes=0.5"], "table-2 is of trees that learn labels on one CNN"),
        (["cnn"], ["trees.features=held-out"], "the published protocol has none"),
        (["table-2"], ["trees.early_stopping=2"], "set trees.early_stopping=none"),
        (["cnn"], ['cnn.teachers=["run"]'], "the study's CNNs have no teachers"),
    ],
)
def test_settings_that_a_part_cannot_have_are_refused_before_anything_is_trained(
    tmp_path: Path, parts: list[str], changes: list[str], message: str
) -> None:
    changed = load_settings("paper", changes)
    with pytest.raises(SettingsError, match=message):
        start_reproduction(tmp_path / "study", FACES, changed, "tests", parts=parts)
    assert not (tmp_path / "study").exists()


def test_trees_of_folds_do_where_no_table_is_repeated(tmp_path: Path) -> None:
    changed = load_settings("paper", ["trees.features=out-of-fold"])
    start_reproduction(tmp_path / "study", FACES, changed, "tests", parts=["cnn"])


def test_other_data_is_refused(tmp_path: Path) -> None:
    reproduction = start_reproduction(tmp_path / "study", FACES, settings(), "tests")
    with pytest.raises(RunError, match="is not the data that"):
        repeat_study(reproduction, generate_faces(20, seed=4), Monitor())


def doubting(file: Path, images: Sequence[str]) -> Settings:
    """Return settings that drop these images, by a file that is named as from its own folder."""
    file.write_text("\n".join(["image", *images, ""]))
    return load_settings("paper", [f"data.doubts={file.name}", "data.doubted=drop"])


def test_doubts_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    doubted = doubting(tmp_path / "doubts.csv", TRAINED[:1])
    reproduction = start_reproduction(tmp_path / "study", FACES, doubted, "tests")
    assert reproduction.record.settings.data.doubts == str(tmp_path / "doubts.csv")


def test_other_doubts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    doubted = doubting(tmp_path / "doubts.csv", TRAINED[:1])
    reproduction = start_reproduction(tmp_path / "study", FACES, doubted, "tests")
    doubting(tmp_path / "doubts.csv", TRAINED[:2])
    with pytest.raises(RunError, match=r"doubted labels is not the one that .*study was started"):
        repeat_study(reproduction, FACES, StopsAt(""))


def test_an_existing_folder_is_refused(tmp_path: Path) -> None:
    start_reproduction(tmp_path / "study", FACES, settings(), "tests")
    with pytest.raises(RunError, match="exists already"):
        start_reproduction(tmp_path / "study", FACES, settings(), "tests")


def test_a_damaged_account_is_said(tmp_path: Path) -> None:
    reproduction = start_reproduction(tmp_path / "study", FACES, settings(), "tests")
    (tmp_path / "study" / "spent.json").write_text("{}")
    with pytest.raises(RunError, match="delete it, and the budget begins anew"):
        repeat_study(reproduction, FACES, Monitor())
