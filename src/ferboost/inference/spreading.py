"""Photos by the million: predicted on the nodes of a Ray cluster, each with one model."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.exceptions import RayError

from ferboost.clusters import (
    Cluster,
    cores_of_nodes,
    in_one_line,
    require_version,
    share_cores,
)
from ferboost.errors import ImageError, RunError
from ferboost.inference.centerface import CenterFace
from ferboost.inference.photos import Search, Unreadable, predict_photos
from ferboost.inference.predictor import Predictor
from ferboost.inference.records import Record, records_of

__all__ = ["Said", "predict_spread"]

_BATCH = 64
_BLOCK = 256
_MOST_BLOCKS = 10_000


@dataclass(frozen=True)
class Said:
    """What a model says of a picture, as records.

    Attributes
    ----------
    path : Path
    records : list of Record
        See `ferboost.inference.records.records_of`.
    """

    path: Path
    records: list[Record]


class _Node:
    """Predicts on a node; an actor of Ray Data, which loads the model once."""

    def __init__(
        self, content: bytes, version_there: str, coverage: float | None, search: Search, cores: int
    ) -> None:
        require_version(version_there)
        self._search: Search = search
        self._cores = cores
        self._detector = CenterFace(threads=1)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            file.write_bytes(content)
            self._predictor = Predictor(
                file, detector=self._detector, coverage=coverage, threads=cores
            )

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:  # Any: arrays of Ray Data
        """Return of each path what is said of it, as JSON."""
        paths = [Path(os.fsdecode(path)) for path in batch["path"]]
        found = predict_photos(
            paths, self._predictor, self._detector, search=self._search, workers=self._cores
        )
        said = [
            {"error": str(result.error)} if isinstance(result, Unreadable) else records_of(result)
            for result in found
        ]
        return {"said": np.array([json.dumps(one) for one in said], object)}


def predict_spread(
    paths: Sequence[Path],
    model: Path,
    cluster: Cluster,  # noqa: ARG001 - who has one is connected
    *,
    search: Search = "auto",
    coverage: float | None = None,
) -> Iterator[Said | Unreadable]:
    """Tell the emotions of the faces in pictures that every node of a cluster can read.

    Parameters
    ----------
    paths : sequence of Path
        Each node must find the same file there.
    model : Path
        An exported model; it is sent to each node.
    cluster : Cluster
    search : {"auto", "detect", "whole"}
        How faces are come by.
    coverage : float, optional
        Of the sets of emotions, see `Predictor`.

    Yields
    ------
    Said or Unreadable
        One for each path, in their order. What a process or node that ended was at is done again.

    Raises
    ------
    RunError
        If the cluster fails.
    """
    if not paths:
        return
    sizes = cores_of_nodes()
    cores = share_cores(sizes, len(sizes))
    Predictor(model)  # what cannot be read is refused here
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    named = [{"path": os.fsencode(path.absolute())} for path in paths]
    # Results come a block at a time, and what is lost on the way is a block.
    blocks = min(len(named), max(len(sizes), min(len(named) // _BLOCK, _MOST_BLOCKS)))
    rows = ray.data.from_items(named, override_num_blocks=blocks).map_batches(
        _Node,
        fn_constructor_args=(model.read_bytes(), version("ferboost"), coverage, search, cores),
        batch_size=_BATCH,
        concurrency=min(len(sizes), blocks),
        num_cpus=cores,
    )
    try:
        for path, row in zip(paths, rows.iter_rows(), strict=True):  # their order is kept
            said = json.loads(row["said"])
            if isinstance(said, dict):
                yield Unreadable(path, ImageError(said["error"]))
            else:
                yield Said(path, [record | {"image": str(path)} for record in said])
    except RayError as error:
        raise RunError(f"the Ray cluster fails: {in_one_line(error)}") from error
