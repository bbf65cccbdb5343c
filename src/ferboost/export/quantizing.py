"""A model whose network computes in 8 bits."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray

from ferboost.export.graph import FACES

__all__ = ["quantize"]

#: Faces that show what range the values of a layer have.
_FACES = 512
_BATCH = 64


def quantize(model: onnx.ModelProto, faces: NDArray[np.uint8]) -> onnx.ModelProto:
    """Have the convolutions and dense layers of a model computed in 8 bits.

    Weights have a scale for each output channel and 7 bits, since processors with AVX2 and without
    VNNI add pairs of products in 16 bits, which 8 bits would overflow: the file gives the same
    everywhere. What enters and leaves a layer has one scale, of the least and the greatest value
    that it has on `faces` (Jacob et al., 2018). The output of a dense layer stays in float32.

    Parameters
    ----------
    model : onnx.ModelProto
        From `FACES`.
    faces : ndarray of uint8, shape (n, 48, 48)
        At most 512 of them are used, spread evenly.

    Returns
    -------
    onnx.ModelProto
        With the operators that ONNX itself has.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    shown = faces[np.linspace(0, len(faces) - 1, min(len(faces), _FACES)).astype(np.int64)]
    with TemporaryDirectory() as folder, _quiet():
        exact, fused, small = (Path(folder) / f"{name}.onnx" for name in ("exact", "fused", "int8"))
        exact.write_bytes(model.SerializeToString())
        quant_pre_process(exact, fused, skip_symbolic_shape=True)
        quantization.quantize_static(
            fused,
            small,
            _Faces(shown),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Gemm"],
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm"]},
        )
        return onnx.load_model(small)


class _Faces:
    """Hands out batches of faces, as onnxruntime asks for them."""

    def __init__(self, faces: NDArray[np.uint8]) -> None:
        self._batches = (faces[start : start + _BATCH] for start in range(0, len(faces), _BATCH))

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {FACES: batch}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what onnxruntime advises its developers from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
