"""Studies in a real PostgreSQL database, on which several processes work."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import FACES, begin, go_on, settings

import ferboost
from ferboost.errors import RunError, SettingsError
from ferboost.tuning.database import Database, DatabaseLedger, Patience, public_url
from ferboost.tuning.outcomes import Outcome, SeedScore
from ferboost.tuning.sampling import Sampling
from ferboost.tuning.space import Point
from ferboost.tuning.study import Study, resume_study
from postgres import PASSWORD, QUOTED, Server, private_server
from tiny import voted

pytest.importorskip("psycopg", reason="psycopg is not installed")

GRID = {"cnn": {"learning_rate": [1e-3, 1e-2], "dropout": [0.0, 0.5]}}
TWO = {"cnn.dropout": [0.0, 0.5]}
SHORT = Patience(abandoned=2, outage=20)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = private_server()
    yield started
    started.remove()


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    with Database(server.url()) as opened:
        yield opened


def machine(path: Path, name: str, database: Database, space: Any = None, **options: Any) -> Study:
    """Return the study directory of one of several machines; the study has the test's name."""
    return begin(path / name / path.name, space or GRID, database=database, **options)


def sampling_of(study: Study, database: Database, trials: int | None = None) -> Sampling:
    ledger = DatabaseLedger(study, database, lambda _: None, SHORT)
    return Sampling(study, trials, ledger)


def outcome(number: int, point: Point) -> Outcome:
    score = SeedScore(seed=0, accuracy=0.5, log_loss=1.0)
    return Outcome(status="done", seconds=1, seeds=(score,), number=number, point=point)


def finish_all(sampling: Sampling) -> int:
    finished = 0
    while asked := sampling.ask():
        finished += sampling.tell(outcome(*asked))
    return finished


def assert_each_once(study: Study) -> None:
    tried = Counter(str(sorted(o.point.items())) for o in study.outcomes())
    assert tried == Counter(str(sorted(point.items())) for point in study.space.grid())


def test_two_machines_share_the_trials_and_each_has_all_results(
    tmp_path: Path, server: Server, database: Database
) -> None:
    studies = [machine(tmp_path, name, database) for name in ("first", "second")]

    def work(study: Study) -> tuple[Outcome, ...]:
        with Database(server.url()) as own:
            return go_on(study, database=own, patience=SHORT)

    with ThreadPoolExecutor(2) as machines:
        found = list(machines.map(work, studies))
    assert found[0] == found[1]
    for study in studies:
        assert_each_once(study)
        assert study.best() in found[0]
        assert study.best_path.exists()
    logs = [list((study.path / "workers").iterdir()) for study in studies]
    assert all(logs)  # both have tried points


def test_what_a_killed_machine_was_at_is_run_by_another(
    tmp_path: Path, server: Server, database: Database
) -> None:
    lost = machine(tmp_path, "lost", database, TWO)
    here = Path(__file__).parent
    ended = subprocess.run(
        [sys.executable, here / "killed_at_an_epoch.py", lost.path, server.url()],
        env=os.environ
        | {"PYTHONPATH": f"{here}:{here.parent}:{Path(ferboost.__file__).parents[1]}"},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    other = machine(tmp_path, "other", database, TWO)
    outcomes = go_on(other, database=database, patience=SHORT)
    assert [o.status for o in outcomes] == ["done"] * 2
    assert outcomes[0].number > 0  # trial 0 was lost
    assert_each_once(other)
    resumed = resume_study(lost.path, FACES, database)
    assert go_on(resumed, database=database, patience=SHORT) == outcomes


def test_a_machine_that_was_taken_for_lost_does_not_count_twice(
    tmp_path: Path, database: Database
) -> None:
    sleeping = sampling_of(machine(tmp_path, "sleeping", database), database)
    asked = sleeping.ask()
    assert asked is not None
    other = machine(tmp_path, "other", database)
    never = DatabaseLedger(other, database, lambda _: None, Patience(abandoned=0))
    assert finish_all(Sampling(other, None, never)) == 4
    assert sleeping.report(asked[0], 1, 1.0)  # it is to stop
    assert not sleeping.tell(outcome(*asked))
    assert_each_once(other)


def test_a_sign_of_life_keeps_a_trial(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    time_there = 0.0
    monkeypatch.setattr(Database, "now", lambda _: time_there)
    studies = [machine(tmp_path, name, database) for name in ("slow", "other")]
    slow, other = (
        Sampling(study, None, DatabaseLedger(study, database, lambda _: None, Patience()))
        for study in studies
    )
    asked = slow.ask()
    time_there = 80.0  # of 90
    assert finish_all(other) == 3
    slow.still_running()
    time_there = 160.0
    assert other.ask() is None
    time_there = 180.0
    again = other.ask()
    assert asked is not None
    assert again is not None
    assert again[1] == asked[1]
    assert not slow.tell(outcome(*asked))
    assert other.tell(outcome(*again))
    assert_each_once(studies[1])


def test_what_is_given_back_is_handed_out_at_once(tmp_path: Path, database: Database) -> None:
    stopped = sampling_of(machine(tmp_path, "stopped", database), database)
    assert stopped.ask()
    assert stopped.ask()
    stopped.give_back()
    other = machine(tmp_path, "other", database)
    assert finish_all(sampling_of(other, database)) == 4
    assert_each_once(other)


def test_machines_that_ask_at_once_get_as_many_trials_as_were_planned(
    tmp_path: Path, server: Server, database: Database
) -> None:
    space = {"cnn.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}
    plan = {"sampler": "random", "trials": 10}
    barrier = threading.Barrier(4)

    def work(name: str) -> Study:
        with Database(server.url()) as own:
            study = machine(tmp_path, name, own, space, **plan)
            sampling = sampling_of(study, own)
            barrier.wait()
            finish_all(sampling)
            return study

    with ThreadPoolExecutor(4) as machines:
        studies = list(machines.map(work, "abcd"))
    last = sampling_of(studies[0], database)
    assert len(last.outcomes()) == 10
    assert len({o.point["cnn.learning_rate"] for o in last.outcomes()}) == 10


def test_a_server_that_is_away_for_a_moment_is_waited_for(
    tmp_path: Path, server: Server, database: Database
) -> None:
    study = machine(tmp_path, "only", database)
    told: list[str] = []
    sampling = Sampling(study, None, DatabaseLedger(study, database, told.append, SHORT))
    asked = sampling.ask()
    assert asked is not None
    server.stop()
    with ThreadPoolExecutor(1) as background:
        kept = background.submit(sampling.tell, outcome(*asked))
        deadline = time.monotonic() + 20
        while not told and time.monotonic() < deadline:
            time.sleep(0.01)
        server.start()
        assert kept.result()
    assert told[0].startswith(f"waiting for the database {database.name}: ")
    assert PASSWORD not in told[0]
    assert finish_all(sampling) == 3
    assert_each_once(study)


def test_other_votes_are_refused(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    learning = settings(cnn={"votes": 1.0})
    monkeypatch.setattr("studies.FACES", voted(FACES))
    machine(tmp_path, "first", database, settings=learning)
    machine(tmp_path, "second", database, settings=learning)
    for others in (FACES, voted(FACES, seed=1)):
        monkeypatch.setattr("studies.FACES", others)
        with pytest.raises(RunError, match=r"the study .* is of other votes; give what it was"):
            machine(tmp_path, "third", database, settings=learning)


def test_other_data_another_plan_and_another_version_are_refused(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = machine(tmp_path, "first", database)
    where = f"the study {tmp_path.name} in .*"
    with pytest.raises(RunError, match=where + "has another plan: cnn.epochs is 2 there and 3"):
        machine(tmp_path, "b", database, settings=settings(cnn={"epochs": 3}))
    with pytest.raises(
        RunError, match=where + r"plan: space.cnn.learning_rate.values is .* there and None"
    ):
        machine(tmp_path, "b", database, {"cnn.dropout": [0.0]})
    monkeypatch.setattr("studies.FACES", FACES.select(np.arange(50)))
    with pytest.raises(RunError, match=where + "is of other data"):
        machine(tmp_path, "b", database)
    monkeypatch.setattr("studies.FACES", FACES)
    described = {"ferboost": "99.0"}
    monkeypatch.setattr("ferboost.tuning.study.describe_environment", lambda: described)
    with pytest.raises(RunError, match=where + r"was started with ferboost .*, and this is 99\.0"):
        machine(tmp_path, "b", database)
    assert not (tmp_path / "b").exists()
    with pytest.raises(RunError, match=r"the trials of .* are in postgresql://me@127"):
        resume_study(study.path, FACES)
    moved = study.path.rename(study.path.with_name("renamed"))
    with pytest.raises(RunError, match=r"the study renamed in .* is not there any more"):
        resume_study(moved, FACES, database)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda url: url.replace(QUOTED, "secret"), "password authentication failed"),
        (lambda url: url.replace("/postgres", "/nowhere"), '"nowhere" does not exist'),
        (lambda url: url.replace("127.0.0.1", "nowhere.invalid"), "nowhere.invalid"),
        (lambda url: url.rpartition(":")[0] + ":1/postgres", "refused"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line_without_the_password(
    server: Server, change: Any, reason: str
) -> None:
    start = time.monotonic()
    with pytest.raises(RunError, match=reason) as caught:
        Database(change(server.url()))
    assert time.monotonic() - start < 15
    told = str(caught.value)
    assert told.startswith("cannot use the database postgresql://me@")
    assert "\n" not in told
    for secret in (PASSWORD, QUOTED, "secret"):
        assert secret not in told


@pytest.mark.parametrize("url", ["mysql://me:secret@host/x", "secret", "postgresql://h:secret/x"])
def test_what_is_no_address_is_told_without_repeating_it(url: str) -> None:
    with pytest.raises(SettingsError, match="takes the address of a PostgreSQL database") as caught:
        Database(url)
    assert "secret" not in str(caught.value)


def test_no_password_is_in_what_is_shown() -> None:
    shown = public_url("postgres://me:secret@host:5/x?sslmode=require&password=secret")
    assert shown == "postgresql://me@host:5/x?sslmode=require"
