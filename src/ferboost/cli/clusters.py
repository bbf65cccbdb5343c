"""The Ray cluster of ``--ray``."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ferboost.clusters import Cluster

__all__ = ["cluster_at"]


def cluster_at(address: str | None) -> "AbstractContextManager[Cluster | None]":
    """Return what connects to a cluster; without an address, to none."""
    if address is None:
        return nullcontext()
    from ferboost.clusters import connected

    return connected(address)
