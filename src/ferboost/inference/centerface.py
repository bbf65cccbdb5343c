"""The face detector inside the package: CenterFace.

Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019,
arXiv:1911.03599; the weights are the authors', under the MIT licence.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ferboost.inference.faces import Face, overlap

__all__ = ["BUNDLED_DETECTOR", "CenterFace"]

#: The detector inside the package.
BUNDLED_DETECTOR = Path(__file__).with_name("bundled") / "faces.onnx"
_ERRORS_ONLY = 3
# The network's input is a multiple of this, and its maps have one value for 4 x 4 pixels.
_MULTIPLE, _STRIDE = 32, 4
# Of two boxes that overlap more (intersection over union), the less sure one is dropped.
_MAX_OVERLAP = 0.3
# Of 160 faces of 32 and 48 pixels, 88 are found in a picture enlarged twice and 70 in it as it is.
_MAX_ENLARGEMENT = 2
# Of 40 pictures that a face fills, it is found in 38 at this size and in 33 at twice that.
_SIDE_OF_COPY = 160


class CenterFace:
    """Finds faces by one pass of a convolutional network over the whole picture.

    It can be used by several threads at once.

    Parameters
    ----------
    longest_side : int
        Pictures are brought to this size, in pixels, before they are searched, but no picture is
        enlarged more than twice. Faces of less than a fiftieth of it are found less often. Where
        none is found, a small copy is searched, which shows faces that fill a picture.
    min_score : float
        Faces of which the network is less sure, 0 to 1, are left out.
    threads : int, optional
        As many as there are cores where it is not given.
    """

    def __init__(
        self, *, longest_side: int = 960, min_score: float = 0.5, threads: int | None = None
    ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = threads or 0
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            BUNDLED_DETECTOR, options, providers=["CPUExecutionProvider"]
        )
        self._longest_side = longest_side
        self._min_score = min_score

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Find the faces in an RGB picture, uint8 of shape (height, width, 3); surest first."""
        longest = max(image.shape[:2])
        scale = min(_MAX_ENLARGEMENT, self._longest_side / longest)
        return self._search(image, scale) or self._search(image, _SIDE_OF_COPY / longest)

    def _search(self, image: NDArray[np.uint8], scale: float) -> list[Face]:
        height, width = image.shape[:2]
        new_width, new_height = (max(1, round(side * scale)) for side in (width, height))
        resized = Image.fromarray(image).resize((new_width, new_height), Image.Resampling.BILINEAR)
        padded = np.zeros((_up(new_height), _up(new_width), 3), dtype=np.float32)
        padded[:new_height, :new_width] = np.asarray(resized)
        batch = padded.transpose(2, 0, 1)[np.newaxis]
        found = self._session.run(None, {self._session.get_inputs()[0].name: batch})
        back = (width / new_width, height / new_height)
        return _without_overlaps(self._decode([maps[0] for maps in found], back))

    def _decode(self, maps: list[NDArray[np.float32]], back: tuple[float, float]) -> list[Face]:
        heat, sizes, offsets, landmarks = maps
        faces = []
        for row, column in np.argwhere(heat[0] > self._min_score):
            tall, wide = np.exp(sizes[:, row, column]) * _STRIDE
            top = (row + offsets[0, row, column] + 0.5) * _STRIDE - tall / 2
            left = (column + offsets[1, row, column] + 0.5) * _STRIDE - wide / 2
            points = landmarks[:, row, column].reshape(-1, 2)  # y and x, as shares of the box
            xs = (left + points[:2, 1] * wide) * back[0]
            ys = (top + points[:2, 0] * tall) * back[1]
            faces.append(
                Face(
                    box=(
                        float(left * back[0]),
                        float(top * back[1]),
                        float((left + wide) * back[0]),
                        float((top + tall) * back[1]),
                    ),
                    score=float(heat[0, row, column]),
                    eyes=((float(xs[0]), float(ys[0])), (float(xs[1]), float(ys[1]))),
                )
            )
        return faces


def _up(side: int) -> int:
    return -(-side // _MULTIPLE) * _MULTIPLE


def _without_overlaps(faces: list[Face]) -> list[Face]:
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(overlap(face.box, other.box) < _MAX_OVERLAP for other in kept):
            kept.append(face)
    return kept
