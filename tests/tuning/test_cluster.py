"""Studies on a Ray cluster of two nodes: real trainings, in processes that Ray starts."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from studies import FACES, begin, go_on

from clusters import two_nodes
from ferboost.errors import RunError
from ferboost.progress import Monitor
from ferboost.reproduction import repeat_study, start_reproduction
from ferboost.reproduction.experiments import find_experiment
from ferboost.settings import load_settings
from ferboost.tuning.outcomes import Outcome
from ferboost.tuning.sampling import Sampling
from ferboost.tuning.study import Study

pytest.importorskip("ray", reason="ray is not installed")

import ray
from ray.experimental import get_object_locations

from ferboost.clusters import connected
from ferboost.tuning import cluster as clusters_of_trials
from ferboost.tuning.cluster import ClusterPool, ClusterWorker

GRID = {"cnn": {"learning_rate": [1e-3, 1e-2], "dropout": [0.0, 0.5]}}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with two_nodes() as started:
        yield started


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[ClusterPool]:
    """Return what will be the pools that a test makes."""
    made: list[ClusterPool] = []

    class Pool(ClusterPool):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)
            self.known: list[ClusterWorker] = []

        def _make(self, inbox: Any) -> ClusterWorker:
            worker = super()._make(inbox)
            self.known.append(worker)
            return worker

    monkeypatch.setattr(clusters_of_trials, "ClusterPool", Pool)
    return made


def workers_of(pools: list[ClusterPool]) -> list[ClusterWorker]:
    return [worker for pool in pools for worker in getattr(pool, "known")]  # noqa: B009


def assert_each_once(study: Study, outcomes: tuple[Outcome, ...]) -> None:
    assert [outcome.status for outcome in outcomes] == ["done"] * len(outcomes)
    tried = Counter(str(sorted(outcome.point.items())) for outcome in outcomes)
    assert tried == Counter(str(sorted(point.items())) for point in study.space.grid())


@dataclass
class Accident:
    """What happens, once, when the first epoch of a study is reported."""

    happen: Callable[[], None]
    number: int | None = None
    """Of the trial that it happens to."""

    def __post_init__(self) -> None:
        self.report = Sampling.report

    def reported(self, sampling: Sampling, number: int, epoch: int, loss: float) -> bool:
        if self.number is None:
            self.number = number
            self.happen()
        return self.report(sampling, number, epoch, loss)


def test_trials_are_spread_and_what_a_killed_worker_was_at_is_run_again(
    tmp_path: Path, cluster: Any, pools: list[ClusterPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begin(tmp_path / "study", GRID)
    located: list[dict[str, Any]] = []

    def kill_the_first() -> None:
        while pools[0]._inbox.empty():  # until the second can begin; the first waits for a reply
            time.sleep(0.01)
        located.append(get_object_locations([pools[0].faces])[pools[0].faces])
        os.kill(workers_of(pools)[0].pid, signal.SIGKILL)

    accident = Accident(kill_the_first)
    monkeypatch.setattr(Sampling, "report", lambda *said: accident.reported(*said))  # noqa: PLW0108 - becomes a method
    with connected(cluster.address) as joined:
        outcomes = go_on(study, cluster=joined)
    assert accident.number == 0
    assert_each_once(study, outcomes)
    assert [outcome.number for outcome in outcomes] == [1, 2, 3, 4]
    first, second, *others = workers_of(pools)  # one for each node by default, and a new first
    assert len(others) == 1
    assert first.node != second.node
    # Ray has moved the faces once to each node, whoever works there.
    assert set(located[0]["node_ids"]) == {first.node, second.node}
    assert located[0]["object_size"] > FACES.images.nbytes / 2
    assert not ray.is_initialized()


def test_a_node_that_goes_takes_no_trial_with_it(
    tmp_path: Path, cluster: Any, pools: list[ClusterPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = cluster.add_node(num_cpus=2, object_store_memory=100 * 2**20)
    study = begin(tmp_path / "study", {"cnn.dropout": [0.0, 0.5]})

    def remove_the_node() -> None:
        assert workers_of(pools)[0].node == node.node_id
        cluster.remove_node(node)  # the two others have one core each

    accident = Accident(remove_the_node)
    monkeypatch.setattr(Sampling, "report", lambda *said: accident.reported(*said))  # noqa: PLW0108 - becomes a method
    crashed: list[bool] = []
    original = Sampling.try_again

    def try_again(sampling: Sampling, number: int, **how: bool) -> None:
        crashed.append(how["crashed"])
        original(sampling, number, **how)

    monkeypatch.setattr(Sampling, "try_again", try_again)
    with connected(cluster.address) as joined:
        outcomes = go_on(study, cluster=joined, jobs=1)
    assert_each_once(study, outcomes)
    assert crashed == [False]


def test_a_node_with_another_version_ends_the_study_and_says_so(
    tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begin(tmp_path / "study", GRID)
    monkeypatch.setattr(clusters_of_trials, "version", lambda _: "0.0.1")
    with (
        connected(cluster.address) as joined,
        pytest.raises(RunError, match=r"a worker could not begin: .*install the same everywhere"),
    ):
        go_on(study, cluster=joined)
    monkeypatch.undo()
    assert_each_once(study, go_on(study))


def test_the_published_study_is_repeated_on_a_cluster(
    tmp_path: Path, cluster: Any, pools: list[ClusterPool]
) -> None:
    small = ["cnn.filters=[4, 4, 4]", "cnn.epochs=1", "number_format=float32"]
    settings = load_settings("paper", small, seeds=(0,))
    path = tmp_path / "study"
    reproduction = start_reproduction(path, FACES, settings, "tests", parts=["fc1"])
    with connected(cluster.address) as joined:
        repeat_study(reproduction, FACES, Monitor(), cluster=joined)
    experiment = find_experiment("fc1")
    study = reproduction.study(experiment)
    assert study is not None
    assert_each_once(study, study.outcomes())
    first, second = workers_of(pools)
    assert first.node != second.node
