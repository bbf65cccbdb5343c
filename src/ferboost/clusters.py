"""Joining a Ray cluster, and sharing its cores out."""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import ray
from ray.exceptions import RayError

from ferboost.errors import RunError, SettingsError

__all__ = [
    "Cluster",
    "connected",
    "cores_of_nodes",
    "in_one_line",
    "nodes",
    "require_version",
    "share_cores",
]

_CONNECT_SECONDS = 5
_STATUS_SECONDS = 20


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to; see `connected`."""

    address: str

    @property
    def size(self) -> int:
        """How many of its nodes have cores."""
        return len(cores_of_nodes())


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """Have a cluster while the block runs.

    Parameters
    ----------
    address : str
        HOST:PORT of its head node, or "auto" on a machine of the cluster.

    Raises
    ------
    SettingsError
        If that is no address.
    RunError
        If there is no cluster, or this machine is none of its nodes.
    """
    _check_address(address)
    mine = not ray.is_initialized()
    if mine:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to Ray's makers
        try:
            ray.init(
                address=address, log_to_driver=False, logging_level=logging.ERROR,
                configure_logging=False,
            )  # fmt: skip
        except (RayError, ConnectionError, RuntimeError, ValueError, OSError) as error:
            how = "--address HOST:PORT" if address == "auto" else f"--address {address}"
            raise RunError(
                f"cannot join the Ray cluster at {address}: {in_one_line(error)}; this machine "
                f"must be a node of it, by: ray start {how}"
            ) from error
    try:
        yield Cluster(address)
    finally:
        if mine:
            ray.shutdown()


def require_version(version_there: str) -> None:
    """Refuse to work, on a node, for a ferboost of another version.

    Raises
    ------
    RunError
    """
    here = version("ferboost")
    if here != version_there:
        raise RunError(
            f"ferboost {here} is installed on the node {socket.gethostname()}, and {version_there} "
            "where the work comes from; install the same everywhere"
        )


def share_cores(nodes: Sequence[int], jobs: int) -> int:
    """Return the most cores that each of some trials can have at a time.

    Parameters
    ----------
    nodes : sequence of int
        Cores of each.
    jobs : int
        How many trials; each is on one node.

    Raises
    ------
    SettingsError
        If there are fewer cores than trials.
    """
    for cores in range(max(nodes, default=0), 0, -1):
        if sum(node // cores for node in nodes) >= jobs:
            return cores
    raise SettingsError(
        f"the cluster has {sum(nodes)} cores, too few for {jobs} trials at a time; give fewer by "
        "--jobs"
    )


def cores_of_nodes() -> list[int]:
    """Return the cores of each node that has any."""
    cores = (node["Resources"].get("CPU", 0) for node in nodes())
    return [int(number) for number in cores if number >= 1]


def nodes() -> list[dict[str, Any]]:  # Any: as Ray describes them
    """Return the nodes that are there."""
    described = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in described if node["Alive"]]


def _check_address(address: str) -> None:
    """Check that there is a cluster: Ray itself would try for two minutes, and then exit."""
    if address == "auto":
        return
    host, separator, port = address.rpartition(":")
    if not host or not separator or not port.isdecimal() or "/" in host:
        raise SettingsError(
            f"--ray takes HOST:PORT of a head node, such as 10.0.0.1:6379, or auto; found {address}"
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS):
            pass
        subprocess.run(  # noqa: S603 - no shell reads the address
            [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address],
            check=True, capture_output=True, timeout=_STATUS_SECONDS,
        )  # fmt: skip
    except (OSError, OverflowError, subprocess.SubprocessError) as error:
        said = "what listens there does not answer as Ray does"
        if not isinstance(error, subprocess.SubprocessError):
            said = in_one_line(error)
        raise RunError(
            f"there is no Ray cluster at {address}: {said}; start one by: ray start --head"
        ) from error


def in_one_line(error: BaseException) -> str:
    """Return the sentence that says most: Ray's own last one, or the first of anybody else."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if isinstance(error, RayError) else lines[0].partition(". ")[0]
