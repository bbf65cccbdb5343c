"""Proof that an exported model computes what the run's own models do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from ferboost.errors import ExportError
from ferboost.evaluation.scaling import Scaling
from ferboost.export.ensemble import ExportedGraph
from ferboost.export.graph import FACES
from ferboost.features import feature_matrix, join_features
from ferboost.models import SeedModel, members_of
from ferboost.variants import has_trees, is_residual, tap_of

__all__ = ["TOLERANCE", "Parity", "WeightLoss", "check_parity", "measure_loss"]

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


@dataclass(frozen=True)
class WeightLoss:
    """What smaller weights make different.

    Attributes
    ----------
    faces : int
        Faces compared.
    greatest, mean : float
        Of the greatest difference of a probability of each face.
    other_emotion : int
        Faces whose most probable class differs.
    """

    faces: int
    greatest: float
    mean: float
    other_emotion: int


def check_parity(
    exported: ExportedGraph,
    models: Sequence[SeedModel],
    variant: str,
    faces: NDArray[np.uint8],
    scaling: Scaling | None = None,
) -> Parity:
    """Compare an exported graph with the models that it was made of.

    Parameters
    ----------
    exported : ExportedGraph
    models : sequence of SeedModel
    variant : str
    faces : ndarray of uint8, shape (n, 48, 48)
    scaling : Scaling, optional
        What calibrates the mean of the models.

    Raises
    ------
    ExportError
        If a probability or a layer differs by more than `TOLERANCE`, the most probable class
        differs on any face, or a face gets another answer alone than among others.
    """
    probabilities = run_graph(exported.model, faces)[0]
    inspected, *seen = run_graph(exported.inspected, faces)
    members = members_of(models, variant)
    own_seen = [array for m, own in members for array in _enters_last_part(m, own, faces)]
    expected, whole = (_last_parts(members, arrays, scaling) for arrays in (seen, own_seen))
    layer = max(
        float((np.abs(a - b) / np.maximum(1, np.abs(b))).max())
        for a, b in zip(seen, own_seen, strict=True)
    )
    difference = max(
        float(np.abs(probabilities - expected).max()),
        float(np.abs(probabilities - inspected).max()),
    )
    alone = np.concatenate(
        [run_graph(exported.model, faces[i : i + 1])[0] for i in range(min(3, len(faces)))]
    )
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


def measure_loss(
    exact: onnx.ModelProto, compact: onnx.ModelProto, faces: NDArray[np.uint8]
) -> WeightLoss:
    """Measure what a graph with smaller weights makes different."""
    before, after = run_graph(exact, faces)[0], run_graph(compact, faces)[0]
    difference = np.abs(before - after).max(axis=1)
    return WeightLoss(
        len(faces),
        float(difference.max()),
        float(difference.mean()),
        int((before.argmax(1) != after.argmax(1)).sum()),
    )


def _enters_last_part(
    model: SeedModel, variant: str, faces: NDArray[np.uint8]
) -> list[NDArray[np.float32]]:
    if not has_trees(variant):
        return [feature_matrix(model.network, faces, "logits")]
    features = model.features(faces, [variant])
    seen = [join_features(features, tap_of(variant))]
    return [*seen, features["logits"]] if is_residual(variant) else seen


def _last_parts(
    members: Sequence[tuple[SeedModel, str]],
    seen: Sequence[NDArray[np.float32]],
    scaling: Scaling | None,
) -> NDArray[np.float32]:
    rest = iter(seen)
    probabilities = []
    for model, variant in members:
        first = next(rest)
        if has_trees(variant):
            logits = next(rest) if is_residual(variant) else None
            probabilities.append(model.trees[variant].predict_proba(first, logits))
        else:
            powers = np.exp(first - first.max(axis=1, keepdims=True))
            probabilities.append(powers / powers.sum(axis=1, keepdims=True))
    mean = np.asarray(np.mean(probabilities, axis=0), dtype=np.float32)
    return mean if scaling is None else scaling.apply(mean)
