"""Films that are drawn for the tests: bright squares on black, and who finds them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ferboost.inference import Face, Predictions

CLASSES = ("dark", "bright")
RATE = 30


def draw(squares: Sequence[tuple[int, int]], size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Draw squares of 20 pixels with their upper left corners there."""
    image = Image.new("RGB", size)
    for place in squares:
        image.paste((235, 235, 235), (*place, place[0] + 20, place[1] + 20))
    return image


def write_film(path: Path, frames: Sequence[Image.Image]) -> Path:
    """Write a film of frames, 30 a second, without loss that matters."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(RATE), options={"crf": "10"})
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = "yuv420p"
        for image in frames:
            container.mux(stream.encode(_frame(image)))
        container.mux(stream.encode(None))
    return path


def _frame(image: Image.Image) -> Any:
    import av

    return av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")


class Squares:
    """Finds bright squares that do not touch, by their columns."""

    def __init__(self) -> None:
        self.asked = 0

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        self.asked += 1
        bright = image[..., 0] > 120
        columns = np.flatnonzero(np.diff(np.r_[0, bright.any(axis=0).astype(int), 0]))
        faces = []
        for left, right in columns.reshape(-1, 2):
            rows = np.flatnonzero(bright[:, left:right].any(axis=1))
            box = (float(left), float(rows[0]), float(right), float(rows[-1] + 1))
            faces.append(Face(box, 0.9))
        return faces


class Brightness:
    """Tells dark crops from bright ones."""

    def __init__(self) -> None:
        self.asked = 0

    def predict_crops(
        self,
        crops: Sequence[NDArray[np.uint8]],
        sources: Sequence[str | None],
        faces: Sequence[Face | None] | None = None,
    ) -> Predictions:
        self.asked += len(crops)
        bright = np.array([crop.mean() / 255 for crop in crops], dtype=np.float32)
        return Predictions.of(CLASSES, np.stack([1 - bright, bright], axis=1), sources, faces)
