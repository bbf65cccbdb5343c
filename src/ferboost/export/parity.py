"""Proof that an exported model computes what the run's own models do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from ferboost.errors import ExportError
from ferboost.export.ensemble import ExportedGraph
from ferboost.export.graph import FACES
from ferboost.features import feature_matrix
from ferboost.models import SeedModel

__all__ = ["TOLERANCE", "Parity", "check_parity"]

#: Greatest difference of a probability, and of a value that enters the trees (relative above 1).
TOLERANCE = 1e-5

_BATCH = 256


@dataclass(frozen=True)
class Parity:
    """How near an exported model comes to the run's own.

    Trees are steps: where a layer's value lies within a rounding error of a threshold, it can fall
    on the other side. So the network and the trees are compared apart, the trees on what the
    exported network gives them, and `crossings` counts the faces on which it made a difference.

    Attributes
    ----------
    faces : int
        Faces compared.
    probability : float
        Greatest difference of a probability.
    layer : float
        Greatest difference of a value that enters the last part, relative where it is above 1.
    crossings : int
        Faces whose probabilities differ from end to end by more than `TOLERANCE`.
    other_emotion : int
        Those of them whose most probable class differs, too.
    """

    faces: int
    probability: float
    layer: float
    crossings: int
    other_emotion: int


def check_parity(
    exported: ExportedGraph,
    models: Sequence[SeedModel],
    variant: str,
    faces: NDArray[np.uint8],
) -> Parity:
    """Compare an exported graph with the models that it was made of.

    Parameters
    ----------
    exported : ExportedGraph
    models : sequence of SeedModel
    variant : str
    faces : ndarray of uint8, shape (n, 48, 48)

    Raises
    ------
    ExportError
        If a probability or a layer differs by more than `TOLERANCE`, the most probable class
        differs on any face, or a face gets another answer alone than among others.
    """
    probabilities = run_graph(exported.model, faces)[0]
    inspected, *seen = run_graph(exported.inspected, faces)
    own_seen = [_enters_last_part(model, variant, faces) for model in models]
    expected = _mean([_last_part(m, variant, s) for m, s in zip(models, seen, strict=True)])
    whole = _mean([_last_part(m, variant, s) for m, s in zip(models, own_seen, strict=True)])
    layer = max(
        float((np.abs(a - b) / np.maximum(1, np.abs(b))).max())
        for a, b in zip(seen, own_seen, strict=True)
    )
    difference = max(
        float(np.abs(probabilities - expected).max()),
        float(np.abs(probabilities - inspected).max()),
    )
    alone = np.concatenate([run_graph(exported.model, faces[i : i + 1])[0] for i in range(3)])
    difference = max(difference, float(np.abs(alone - probabilities[:3]).max()))
    disagreeing = int((probabilities.argmax(1) != expected.argmax(1)).sum())
    crossings = int((np.abs(probabilities - whole).max(1) > TOLERANCE).sum())
    other_emotion = int((probabilities.argmax(1) != whole.argmax(1)).sum())
    if not (layer <= TOLERANCE and difference <= TOLERANCE) or disagreeing:
        raise ExportError(
            f"the exported model does not compute what the run's models do: on {len(faces):,} "
            f"faces its layers differ by {layer:.1e} and its probabilities by {difference:.1e} "
            f"(at most {TOLERANCE:.0e} is accepted), and {disagreeing} get another emotion; "
            "nothing was written"
        )
    return Parity(len(faces), difference, layer, crossings, other_emotion)


def run_graph(model: onnx.ModelProto, faces: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Return all outputs of a model with the input `FACES`, in batches."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Threads that spin while they wait take 100 times as long beside another program.
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    batches = [
        session.run(None, {FACES: faces[start : start + _BATCH]})
        for start in range(0, len(faces), _BATCH)
    ]
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def _enters_last_part(
    model: SeedModel, variant: str, faces: NDArray[np.uint8]
) -> NDArray[np.float32]:
    return feature_matrix(model.network, faces, "logits" if variant == "cnn" else variant)


def _last_part(model: SeedModel, variant: str, seen: NDArray[np.float32]) -> NDArray[np.float32]:
    if variant != "cnn":
        return model.trees[variant].predict_proba(seen)
    powers = np.exp(seen - seen.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def _mean(members: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.asarray(np.mean(members, axis=0), dtype=np.float32)
