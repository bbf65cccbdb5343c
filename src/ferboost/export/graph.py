"""An ONNX graph under construction."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ferboost.datasets.dataset import IMAGE_SIZE

__all__ = ["FACES", "PROBABILITIES", "TREE_DOMAIN", "Graph", "WeightFormat"]

#: What convolutions and dense layers are kept in: float32 and float16 compute in float32, int8 in
#: 8 bits, see `ferboost.export.quantizing`.
WeightFormat = Literal["float32", "float16", "int8"]

#: Name of the input, uint8 of shape (n, 48, 48).
FACES = "faces"
#: Name of the output, float32 of shape (n, classes).
PROBABILITIES = "probabilities"
#: Where ONNX keeps its tree operators.
TREE_DOMAIN = "ai.onnx.ml"

# ONNX 1.16 (2024), the first with TreeEnsemble, and onnxruntime 1.20 read these.
_IR_VERSION = 10
_OPERATOR_SETS = {"": 18, TREE_DOMAIN: 5}


class Graph:
    """Nodes and constants in the order in which they are added.

    Values are known by name. Constants of equal content are kept once.

    Parameters
    ----------
    weight_format : {"float32", "float16", "int8"}
        What `weights` keeps its values in; int8 comes after the whole graph is made.
    """

    def __init__(self, weight_format: WeightFormat = "float32") -> None:
        self._weight_format = weight_format
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._names: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def constant(self, values: NDArray[np.generic]) -> str:
        """Add a constant; return its name."""
        array = np.ascontiguousarray(values).reshape(values.shape)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._names:
            name = f"constant{len(self._names)}"
            self._names[key] = name
            self._constants[name] = numpy_helper.from_array(array, name)
        return self._names[key]

    def weights(self, values: NDArray[np.float32]) -> str:
        """Add the weights of a layer, outputs first; return the name of their float32 value."""
        if self._weight_format != "float16":
            return self.constant(values)
        small = self.constant(values.astype(np.float16))
        return self.add("Cast", small, to=TensorProto.FLOAT)

    def add(
        self,
        operator: str,
        *inputs: str,
        domain: str = "",
        **attributes: Any,  # Any: whatever ONNX takes as an attribute
    ) -> str:
        """Add a node with one output; return the output's name."""
        name = f"{operator.lower()}{len(self._nodes)}"
        self._nodes.append(
            helper.make_node(operator, inputs, [name], name=name, domain=domain, **attributes)
        )
        return name

    def name_output(self, value: str, name: str) -> None:
        """Give `value` another name, by which it can be an output."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=name))

    def model(self, outputs: Sequence[str]) -> onnx.ModelProto:
        """Return a model from `FACES` to `outputs`, float32 of shape (n, anything), and no more.

        What no output depends on is left out.
        """
        nodes = list(self._needed(outputs))
        used = {name for node in nodes for name in node.input}
        graph = helper.make_graph(
            nodes,
            "ferboost",
            [
                helper.make_tensor_value_info(
                    FACES, TensorProto.UINT8, ["n", IMAGE_SIZE, IMAGE_SIZE]
                )
            ],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", None])
                for name in outputs
            ],
            [tensor for name, tensor in self._constants.items() if name in used],
        )
        model = helper.make_model(
            graph,
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid(*item) for item in _OPERATOR_SETS.items()],
        )
        onnx.checker.check_model(model)
        return model

    def _needed(self, outputs: Iterable[str]) -> list[onnx.NodeProto]:
        wanted = set(outputs)
        kept = []
        for node in reversed(self._nodes):
            if wanted & set(node.output):
                kept.append(node)
                wanted |= set(node.input)
        return kept[::-1]
