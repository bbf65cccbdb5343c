"""Workers on the nodes of a Ray cluster."""

import os
import queue
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from pydantic import BaseModel
from ray.exceptions import RayError

from ferboost.clusters import cores_of_nodes, in_one_line, nodes, require_version, share_cores
from ferboost.tuning.workers import Heard, Worker, WorkerPool

__all__ = ["ClusterPool", "ClusterWorker", "cluster_pool"]


class _Trier:
    """Tries points in a process that Ray has started on some node; an actor.

    One thread tries, one answers `hear`, one takes what is sent.
    """

    def __init__(self, version_there: str, cores: int) -> None:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(cores)  # before torch is there to read it
        require_version(version_there)
        from ferboost.tuning.worker import Channel

        self._said: queue.SimpleQueue[str | BaseException] = queue.SimpleQueue()
        self._channel: Channel = Channel(self._said.put)

    def begin(self, arrays: Mapping[str, NDArray[Any]]) -> tuple[str, int]:
        """Begin to try points; return the node and the process that this is."""
        threading.Thread(target=self._try, args=(arrays,), daemon=True).start()
        return ray.get_runtime_context().get_node_id(), os.getpid()

    def send(self, line: str) -> None:
        """Take a message."""
        self._channel.put(line)

    def hear(self) -> str:
        """Wait for the next that is said."""
        said = self._said.get()
        if isinstance(said, BaseException):
            raise said
        return said

    def _try(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        from ferboost.tuning.faces import faces_of
        from ferboost.tuning.worker import try_points

        # Ray maps what all processes of a node share, and nobody may write it; nobody does.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        try:
            try_points(self._channel, lambda _: faces_of(arrays))
        except BaseException as error:  # noqa: BLE001 - it is told to whoever hears
            traceback.print_exc()
            self._said.put(RuntimeError(f"{type(error).__name__}: {error}"))


class ClusterWorker(Worker):
    """A process on a node of the cluster.

    Parameters
    ----------
    cores : int
        That it takes of the node.
    arrays : ObjectRef
        Of the faces; Ray moves them to each node once.
    inbox : SimpleQueue of Heard
        Where all that it says is put, and its end.

    Attributes
    ----------
    node : str
        Ray's name of the node; empty until the process has begun.
    pid : int
        Of the process; 0 until it has begun.
    """

    def __init__(self, cores: int, arrays: Any, inbox: "queue.SimpleQueue[Heard]") -> None:
        self.node, self.pid = "", 0
        actor: Any = ray.remote(_Trier)  # Any: Ray makes its methods
        self._actor = actor.options(num_cpus=cores, max_concurrency=2).remote(
            version("ferboost"), cores
        )
        self._begun = self._actor.begin.remote(arrays)
        self._inbox = inbox
        self._end = ""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def send(self, message: BaseModel) -> None:
        """Say something to the process."""
        self._actor.send.remote(message.model_dump_json())

    def end(self) -> None:
        """End the process."""
        ray.kill(self._actor)
        self._listener.join()

    def how_it_ended(self) -> str:
        """Return what Ray says of the end of the process."""
        return f"its process ended ({self._end})"

    def was_taken_away(self) -> bool:
        """Say whether the node is no more."""
        return self.node not in {node["NodeID"] for node in nodes()}

    def _listen(self) -> None:
        try:
            self.node, self.pid = ray.get(self._begun)
            while True:
                self._inbox.put(Heard(self, ray.get(self._actor.hear.remote())))
        except RayError as error:
            self._end = in_one_line(error)
            self._inbox.put(Heard(self, None))


class ClusterPool(WorkerPool):
    """Starts processes on the nodes of a cluster.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Of the faces, see `ferboost.tuning.faces.face_arrays`.
    cores : int
        Of each process; where no node has as many any more, as many as the largest has.

    Attributes
    ----------
    faces : ObjectRef
        Of the arrays in the memory that the processes of a node share.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], cores: int) -> None:
        super().__init__()
        self.faces = ray.put({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        self._cores = cores

    def _make(self, inbox: "queue.SimpleQueue[Heard]") -> ClusterWorker:
        cores = min(self._cores, max(cores_of_nodes(), default=self._cores))
        return ClusterWorker(cores, self.faces, inbox)


@contextmanager
def cluster_pool(arrays: Mapping[str, NDArray[Any]], jobs: int) -> Iterator[ClusterPool]:
    """Yield a pool whose `jobs` processes share the cluster out, and that ends with the block."""
    pool = ClusterPool(arrays, share_cores(cores_of_nodes(), jobs))
    try:
        yield pool
    finally:
        pool.end_all()
