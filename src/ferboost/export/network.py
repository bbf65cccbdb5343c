"""A network as ONNX nodes, read off its own forward pass.

The pass is traced by torch.fx, so that no architecture is written down here, only what ONNX calls
each operation. `torch.onnx` does the same through two more packages, in seconds instead of
milliseconds, and warns on the way (torch 2.13).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import Tensor, fx, nn

from ferboost.cnn.network import FaceNetwork
from ferboost.errors import ExportError
from ferboost.export.graph import Graph

__all__ = ["add_network"]


def add_network(graph: Graph, network: FaceNetwork, faces: str) -> dict[str, str]:
    """Add a network in evaluation mode to `graph`.

    Parameters
    ----------
    graph : Graph
    network : FaceNetwork
    faces : str
        The value in `graph` that is its input.

    Returns
    -------
    dict of str to str
        The value of each tap, ``"logits"`` included.

    Raises
    ------
    ExportError
        If the network does something that has no translation here.
    """
    network.eval()
    traced = fx.symbolic_trace(_Taps(network))
    values: dict[fx.Node, Any] = {}  # Any: names of values, and what Python holds beside them
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            values[node] = faces
        elif node.op == "output":
            taps: dict[str, str] = fx.map_arg(node.args[0], values.__getitem__)
            return dict(taps)
        elif node.op == "get_attr":
            values[node] = graph.constant(_array(_attribute(traced, str(node.target))))
        else:
            arguments = fx.map_arg(node.args, values.__getitem__)
            named = fx.map_arg(node.kwargs, values.__getitem__)
            values[node] = _translate(graph, traced, node, arguments, named)
    raise ExportError("the network returns nothing")


class _Taps(nn.Module):
    def __init__(self, network: FaceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.network.taps(images)


def _translate(
    graph: Graph, traced: fx.GraphModule, node: fx.Node, arguments: Any, named: Any
) -> str:
    if node.op == "call_module":
        module = traced.get_submodule(str(node.target))
        translation = _MODULES.get(type(module))
        name, arguments = type(module).__name__, (module, *arguments)
    else:
        name = node.target if isinstance(node.target, str) else node.target.__name__
        translation = _FUNCTIONS.get(name)
    if translation is None:
        raise ExportError(f"the network uses {name}, which cannot be exported")
    try:
        return translation(graph, *arguments, **named)
    except TypeError as error:
        raise ExportError(
            f"the network uses {name} in a way that cannot be exported ({error})"
        ) from error


def _attribute(module: nn.Module, path: str) -> Tensor:
    for part in path.split("."):
        module = getattr(module, part)
    if not isinstance(module, Tensor):
        raise ExportError(f"the network uses {path}, which is no tensor and cannot be exported")
    return module


def _array(tensor: Tensor | None) -> NDArray[Any]:
    if tensor is None:
        raise TypeError("a parameter is missing")
    return np.asarray(tensor.detach().cpu().contiguous().numpy())


def _pair(value: int | tuple[int, ...] | list[int]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


# Modules. Each function takes the graph, the module and its input.


def _convolution(graph: Graph, module: nn.Conv2d, x: str) -> str:
    if isinstance(module.padding, str) or module.padding_mode != "zeros":
        raise TypeError(f"padding {module.padding}, {module.padding_mode}")
    parameters = [graph.weights(_array(module.weight))]
    if module.bias is not None:
        parameters.append(graph.constant(_array(module.bias)))
    return graph.add(
        "Conv",
        x,
        *parameters,
        kernel_shape=list(module.kernel_size),
        strides=list(module.stride),
        pads=list(module.padding) * 2,
        dilations=list(module.dilation),
        group=module.groups,
    )


def _dense(graph: Graph, module: nn.Linear, x: str) -> str:
    bias = torch.zeros(module.out_features) if module.bias is None else module.bias
    weight = graph.weights(_array(module.weight))
    return graph.add("Gemm", x, weight, graph.constant(_array(bias)), transB=1)


def _batch_norm(graph: Graph, module: nn.BatchNorm2d, x: str) -> str:
    parameters = (module.weight, module.bias, module.running_mean, module.running_var)
    names = [graph.constant(_array(parameter)) for parameter in parameters]
    return graph.add("BatchNormalization", x, *names, epsilon=module.eps)


def _same(_graph: Graph, _module: nn.Module, x: str) -> str:
    return x


_MODULES: dict[type, Callable[..., str]] = {
    nn.Conv2d: _convolution,
    nn.Linear: _dense,
    nn.BatchNorm2d: _batch_norm,
    nn.Dropout: _same,
    nn.Identity: _same,
    nn.ReLU: lambda graph, _module, x: graph.add("Relu", x),
    nn.MaxPool2d: lambda graph, module, x: _max_pool(
        graph, x, module.kernel_size, module.stride, module.padding
    ),
}


# Functions and methods. Each takes the graph, and then what torch's does.


def _elementwise(name: str) -> Callable[..., str]:
    def add(graph: Graph, left: str | float, right: str | float) -> str:
        return graph.add(name, *(_operand(graph, value) for value in (left, right)))

    return add


def _operand(graph: Graph, value: str | float) -> str:
    return value if isinstance(value, str) else graph.constant(np.array(value, dtype=np.float32))


def _get_item(graph: Graph, x: str, index: Any) -> str:  # Any: whatever stands in brackets
    if index != (slice(None), None):
        raise TypeError(f"index {index}")
    return graph.add("Unsqueeze", x, _integers(graph, 1))


def _max_pool(
    graph: Graph,
    x: str,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    *,
    dilation: int = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> str:
    if ceil_mode or return_indices or dilation != 1:
        raise TypeError("ceil_mode, return_indices and dilation are not translated")
    return graph.add("MaxPool", x, **_window(kernel_size, stride, padding))


def _average_pool(
    graph: Graph, x: str, kernel_size: int, stride: int | None = None, padding: int = 0
) -> str:
    return graph.add("AveragePool", x, count_include_pad=1, **_window(kernel_size, stride, padding))


def _window(kernel_size: int, stride: int | None, padding: int) -> dict[str, Any]:
    return {
        "kernel_shape": _pair(kernel_size),
        "strides": _pair(stride or kernel_size),
        "pads": _pair(padding) * 2,
    }


def _flatten(graph: Graph, x: str, start_dim: int = 0) -> str:
    if start_dim != 1:
        raise TypeError(f"start_dim {start_dim}")
    return graph.add("Flatten", x, axis=1)


def _mean(graph: Graph, x: str, dim: int | tuple[int, ...], *, keepdim: bool = False) -> str:
    axes = (dim,) if isinstance(dim, int) else dim
    return graph.add("ReduceMean", x, _integers(graph, *axes), keepdims=int(keepdim))


def _concatenate(graph: Graph, parts: Sequence[str], dim: int = 0) -> str:
    return graph.add("Concat", *parts, axis=dim)


def _reshape(graph: Graph, x: str, *shape: int) -> str:
    return graph.add("Reshape", x, _integers(graph, *shape))


def _index_select(graph: Graph, x: str, dim: int, index: str) -> str:
    return graph.add("Gather", x, index, axis=dim)


def _flip(graph: Graph, x: str, *dims: int) -> str:
    whole = np.iinfo(np.int64)
    axes = len(dims)
    return graph.add(
        "Slice",
        x,
        _integers(graph, *[-1] * axes),
        _integers(graph, *[int(whole.min)] * axes),
        _integers(graph, *dims),
        _integers(graph, *[-1] * axes),
    )


def _pixel_unshuffle(graph: Graph, x: str, factor: int) -> str:
    # Channels come out as (channel, row, column) in torch and as (row, column, channel) in ONNX:
    # the same for one channel, which is all that a gray face has.
    return graph.add("SpaceToDepth", x, blocksize=factor)


def _integers(graph: Graph, *values: int) -> str:
    return graph.constant(np.array(values, dtype=np.int64))


def _interpolate(
    graph: Graph, x: str, *, size: tuple[int, int], mode: str, align_corners: bool, **others: object
) -> str:
    if mode != "bilinear" or align_corners or any(others.values()):
        raise TypeError(f"mode {mode}, align_corners {align_corners}, {others}")
    whole = graph.add("Shape", x, end=2)  # images and channels
    sizes = graph.add("Concat", whole, _integers(graph, *size), axis=0)
    how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return graph.add("Resize", x, "", "", sizes, **how)


def _pad(
    graph: Graph, x: str, pad: tuple[int, ...], mode: str = "constant", value: float | None = None
) -> str:
    if mode != "constant" or value:
        raise TypeError(f"mode {mode}, value {value}")
    # torch names two numbers an axis, the last axis first; ONNX all first numbers, then the others.
    numbers = (*pad, *[0] * (8 - len(pad)))
    before, after = numbers[-2::-2], numbers[::-2]
    return graph.add("Pad", x, _integers(graph, *before, *after))


_FUNCTIONS: dict[str, Callable[..., str]] = {
    "add": _elementwise("Add"),
    "sub": _elementwise("Sub"),
    "mul": _elementwise("Mul"),
    "truediv": _elementwise("Div"),
    "float": lambda graph, x: graph.add("Cast", x, to=TensorProto.FLOAT),
    "getitem": _get_item,
    "relu": lambda graph, x, *, inplace=False: graph.add("Relu", x),  # noqa: ARG005
    "max_pool2d": _max_pool,
    "avg_pool2d": _average_pool,
    "cat": _concatenate,
    "flatten": _flatten,
    "mean": _mean,
    "flip": _flip,
    "index_select": _index_select,
    "reshape": _reshape,
    "softmax": lambda graph, x, dim: graph.add("Softmax", x, axis=dim),
    "interpolate": _interpolate,
    "pad": _pad,
    "pixel_unshuffle": _pixel_unshuffle,
}
