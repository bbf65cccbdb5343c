"""How many trials at a time are fastest."""

from pathlib import Path
from typing import Any

import pytest
from studies import FACES, begin

from ferboost.cnn.precision import Precision
from ferboost.progress import Monitor
from ferboost.tuning import executing, jobs
from ferboost.tuning.executing import execute_study
from ferboost.tuning.jobs import Jobs, choose_jobs, gain_of_jobs, jobs_as_asked
from tiny import run_settings

PLAIN = Precision("cpu", "float32", channels_last=False, reason="")
GPU = Precision("cuda", "bfloat16", channels_last=True, reason="")


def on(monkeypatch: pytest.MonkeyPatch, cores: int, gain: float) -> None:
    """Pretend to have a machine."""
    monkeypatch.setattr(jobs, "available_cores", lambda: cores)
    monkeypatch.setattr(jobs, "gain_of_jobs", lambda *_: gain)


@pytest.mark.parametrize(
    ("cores", "gain", "number"),
    [
        (2, 1.5, 2),
        (2, 1.1, 1),  # twice the memory for little
        (2, 0.9, 1),
        (3, 1.5, 3),
        (64, 9.0, 4),  # as many times the memory
        (1, 9.0, 1),
    ],
)
def test_several_at_a_time_are_taken_where_they_are_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, cores: int, gain: float, number: int
) -> None:
    on(monkeypatch, cores, gain)
    chosen = choose_jobs(run_settings(), 3, 100, PLAIN)
    assert chosen.number == number
    assert chosen.gain == (gain if number > 1 else 1.0)
    assert chosen.describe().startswith(f"{number} at a time: ")
    assert (f"{gain:.2f} times" in chosen.reason) is (cores > 1)


def test_trainings_on_a_gpu_come_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, 16, 9.0)
    monkeypatch.setattr(jobs, "choose_device", lambda: "cuda")
    assert choose_jobs(run_settings(), 3, 100, None).number == 1
    assert gain_of_jobs(run_settings(), GPU, 3, 2) == 1


def test_no_more_are_taken_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, 4, 1.5)
    assert [choose_jobs(run_settings(), 3, most, PLAIN).number for most in (1, 2, 9)] == [1, 2, 4]


@pytest.mark.parametrize("error", [RuntimeError("not enough memory\nfrom C++"), MemoryError("no")])
def test_one_at_a_time_where_several_do_not_fit(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any) -> float:
        raise error

    on(monkeypatch, 4, 1.5)
    monkeypatch.setattr(jobs, "gain_of_jobs", fail)
    chosen = choose_jobs(run_settings(), 3, 100, PLAIN)
    assert chosen.number == 1
    assert "4 could not be tried" in chosen.describe()
    assert "\n" not in chosen.describe()


def test_processes_are_timed_one_alone_and_several_beside_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "_SECONDS", 0.05)
    monkeypatch.setattr(jobs, "_TURNS", 1)
    assert 0 < gain_of_jobs(run_settings(), PLAIN, 3, 2) <= 2
    assert gain_of_jobs(run_settings(), PLAIN, 3, 1) == 1
    asked = jobs_as_asked(run_settings(), 3, 2, PLAIN)
    assert asked.number == 2
    assert f"measured {asked.gain:.2f} times as fast" in asked.reason


def test_a_process_that_ends_is_no_reason_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "available_cores", lambda: 2)
    monkeypatch.setattr(jobs, "_PACER", "ferboost.no_such_module")
    chosen = choose_jobs(run_settings(), 3, 9, PLAIN)
    assert chosen.number == 1
    assert "2 could not be tried" in chosen.reason
    assert "exit code 1" in chosen.reason
    asked = jobs_as_asked(run_settings(), 3, 2, PLAIN)
    assert (asked.number, asked.gain) == (2, 1.0)
    assert "not measured" in asked.reason


def test_a_process_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "available_cores", lambda: 2)
    monkeypatch.setattr(jobs, "_PATIENCE", 0.01)
    assert "nothing was heard" in choose_jobs(run_settings(), 3, 9, PLAIN).reason


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by one whenever a study asks how many trials at a time."""
    calls: list[int] = []

    def choose(*_: Any) -> Jobs:
        calls.append(len(calls))
        return Jobs(2, 1.5, "for a test")

    monkeypatch.setattr(executing, "choose_jobs", choose)
    return calls


class Lines(Monitor):
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, message: str) -> None:
        self.lines.append(message)


SPACE = {"cnn": {"learning_rate": [1e-3, 1e-2, 1e-1]}}


def test_a_grid_asks_how_many_at_a_time_and_says_so(tmp_path: Path, asked: list[int]) -> None:
    monitor = Lines()
    outcomes = execute_study(begin(tmp_path / "study", SPACE), FACES, monitor)
    assert [outcome.status for outcome in outcomes] == ["done"] * 3
    assert len(asked) == 1
    assert "trials 2 at a time: for a test" in monitor.lines
    assert sum(line.startswith("precision ") for line in monitor.lines) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"sampler": "tpe", "trials": 2},  # the next point depends on those before
        {"sampler": "random", "trials": 2, "pruner": "halving"},
        {"costs": ("time",)},  # another trial beside would be measured
    ],
)
def test_trials_that_others_would_change_come_one_after_the_other(
    tmp_path: Path, asked: list[int], options: dict[str, Any]
) -> None:
    execute_study(begin(tmp_path / "study", SPACE, **options), FACES, Monitor())
    assert not asked


def test_who_says_how_many_is_not_asked(tmp_path: Path, asked: list[int]) -> None:
    execute_study(begin(tmp_path / "study", SPACE), FACES, Monitor(), jobs=1)
    assert not asked
