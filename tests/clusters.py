"""A Ray cluster of two nodes on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


@contextmanager
def two_nodes() -> Iterator[Any]:  # Any: Ray's Cluster is not typed
    """Yield a cluster of two nodes with one core each, or skip the test."""
    pytest.importorskip("ray", reason="ray is not installed")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")  # 15 would starve them beside other tests
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster: Any = Cluster()
        try:
            for _ in range(2):
                cluster.add_node(**_NODE, include_dashboard=False)
            yield cluster
        finally:
            cluster.shutdown()
