"""Trials at a time against one at a time, and two Ray nodes against one, in one run.

    python benchmarks/jobs_throughput.py [TRIALS] [EPOCHS] [REPETITIONS]

A grid of short trainings on drawn faces, by default 6 of 2 epochs, twice. The ways take turns, and
the ratios are of trials a minute. What starts the workers and the cluster is part of a way; the
nodes of the cluster are on this machine, with half of its cores each.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from ferboost.clusters import connected
from ferboost.datasets import FaceDataset
from ferboost.datasets.synthetic import generate_faces
from ferboost.progress import Monitor
from ferboost.settings import load_settings
from ferboost.tuning.executing import execute_study
from ferboost.tuning.plans import plan_study
from ferboost.tuning.space import parse_space
from ferboost.tuning.study import Study, start_study
from ferboost.tuning.workers import available_cores


def _study(folder: Path, faces: FaceDataset, trials: int, epochs: int) -> Study:
    rates = [1e-4 * (1 + number) for number in range(trials)]
    changes = [f"cnn.epochs={epochs}", "number_format=float32"]
    plan = plan_study(
        parse_space({"cnn.learning_rate": rates}), load_settings("paper", changes), sampler="grid"
    )
    return start_study(folder, faces, plan, "jobs_throughput")


@contextmanager
def _cluster(nodes: int) -> Iterator[str]:
    from ray.cluster_utils import Cluster

    # 15 by default, which is not what is compared.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - so Ray spells it
    cluster: Any = Cluster()
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=max(1, available_cores() // 2), include_dashboard=False)
        yield cluster.address
    finally:
        cluster.shutdown()


def _seconds(start: Callable[[Path], Study], execute: Callable[[Study], object]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        study = start(Path(folder) / "study")
        begun = time.perf_counter()
        execute(study)
        return time.perf_counter() - begun


def main(trials: int, epochs: int, repetitions: int) -> None:
    """Print the trials a minute of each way, and the ratios."""
    faces = generate_faces(40)
    jobs = available_cores()

    def start(folder: Path) -> Study:
        return _study(folder, faces, trials, epochs)

    def here(at_a_time: int) -> Callable[[Study], object]:
        return lambda study: execute_study(study, faces, Monitor(), jobs=at_a_time)

    def on(nodes: int) -> Callable[[Study], object]:
        def execute(study: Study) -> None:
            with _cluster(nodes) as address, connected(address) as cluster:
                execute_study(study, faces, Monitor(), cluster=cluster)

        return execute

    many = f"{jobs} at a time"
    ways = {"one at a time": here(1), many: here(jobs), "one Ray node": on(1), "two": on(2)}
    spent: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repetitions):
        for way, execute in ways.items():
            spent[way].append(_seconds(start, execute))
            print(f"{way}: {spent[way][-1]:.1f} s", flush=True)
    for way, seconds in spent.items():
        shown = ", ".join(f"{60 * trials / one:.1f}" for one in seconds)
        print(f"{way}: {shown} trials a minute")
    for way, other in ((many, "one at a time"), ("two", "one Ray node")):
        print(f"{way} / {other}: {median(spent[other]) / median(spent[way]):.2f} times")


if __name__ == "__main__":
    given = [int(number) for number in sys.argv[1:]]
    main(*(given + [6, 2, 2][len(given) :]))
