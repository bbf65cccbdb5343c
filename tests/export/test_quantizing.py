"""A network in 8 bits."""

import logging

import numpy as np
import onnx
import pytest

from ferboost.config import CNNSettings
from ferboost.datasets.synthetic import generate_faces
from ferboost.export import quantizing
from ferboost.export.ensemble import ExportedGraph, build_graph
from ferboost.export.parity import run_graph
from ferboost.export.quantizing import quantize
from ferboost.models import SeedModel
from tiny import new_network

SEEN, NEW = np.split(generate_faces(12, seed=1).images, 2)


@pytest.fixture(scope="module")
def exact() -> onnx.ModelProto:
    """Return a network that looks at other views of the face, too."""
    settings = CNNSettings(
        architecture="residual",
        filters=(8, 16),
        blocks=(1,),
        optimizer="muon",
        mirror=True,
        shift=2,
    )
    network = new_network(settings)
    exported: ExportedGraph = build_graph([SeedModel(network, {})], "cnn", 3)
    return exported.model


@pytest.fixture(scope="module")
def small(exact: onnx.ModelProto) -> onnx.ModelProto:
    return quantize(exact, SEEN)


def test_every_layer_computes_in_8_bits(small: onnx.ModelProto) -> None:
    weights = {tensor.name: tensor for tensor in small.graph.initializer}
    integers = {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
    made_by = {name: node for node in small.graph.node for name in node.output}
    layers = [node for node in small.graph.node if node.op_type in {"Conv", "Gemm"}]
    assert len(layers) > 5
    for layer in layers:
        for value in layer.input[:2]:
            assert made_by[value].op_type == "DequantizeLinear"
        kept = weights[made_by[layer.input[1]].input[0]]
        assert kept.data_type in integers
        assert np.abs(onnx.numpy_helper.to_array(kept).astype(int)).max() <= 64  # 7 bits


def test_ranges_are_of_faces_from_the_first_to_the_last(
    exact: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[np.ndarray] = []

    class Noted(quantizing._Faces):
        def __init__(self, faces: np.ndarray) -> None:
            shown.append(faces)
            super().__init__(faces)

    monkeypatch.setattr(quantizing, "_Faces", Noted)
    monkeypatch.setattr(quantizing, "_FACES", 10)
    faces = np.repeat(np.arange(15, dtype=np.uint8), 48 * 48).reshape(15, 48, 48)
    quantize(exact, faces)
    assert shown[0][:, 0, 0].tolist() == [0, 1, 3, 4, 6, 7, 9, 10, 12, 14]


def test_new_faces_get_nearly_the_same_probabilities(
    exact: onnx.ModelProto, small: onnx.ModelProto
) -> None:
    before, after = run_graph(exact, NEW)[0], run_graph(small, NEW)[0]
    assert 0 < np.abs(before - after).max() < 0.05
    np.testing.assert_allclose(after.sum(axis=1), 1, atol=1e-5)


def test_a_face_alone_gets_what_it_gets_among_others(small: onnx.ModelProto) -> None:
    among = run_graph(small, NEW[:5])[0]
    alone = np.concatenate([run_graph(small, NEW[k : k + 1])[0] for k in range(5)])
    np.testing.assert_allclose(alone, among, atol=1e-6)


def test_it_needs_no_operators_but_those_of_onnx(small: onnx.ModelProto) -> None:
    assert {node.domain for node in small.graph.node} <= {"", "ai.onnx.ml", "ai.onnx"}
    onnx.checker.check_model(small)


def test_the_same_faces_give_the_same_file(exact: onnx.ModelProto, small: onnx.ModelProto) -> None:
    assert quantize(exact, SEEN).SerializeToString() == small.SerializeToString()


def test_advice_for_developers_of_onnxruntime_is_not_shown(
    exact: onnx.ModelProto, capfd: pytest.CaptureFixture[str]
) -> None:
    before = logging.root.manager.disable
    quantize(exact, SEEN)
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == before
