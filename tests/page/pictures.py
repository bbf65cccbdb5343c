"""Pictures with faces, and what Python makes of them."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ferboost.inference import Predictor
from ferboost.inference.centerface import CenterFace
from ferboost.inference.faces import Face, crop_face

#: Milliseconds that a browser may take: other programs may have the processor.
PATIENCE = 120_000


def astronaut() -> Image.Image:
    """Return a photo of one smiling face."""
    data = pytest.importorskip("skimage.data", reason="no photo: pip install scikit-image")
    return Image.fromarray(data.astronaut())


def crowd() -> Image.Image:
    """Return a photo of five faces from left to right, surest about some, unsure about others.

    Cut off by the edge, upright, tilted and mirrored, dark, and small with mouth and chin covered.
    """
    face = astronaut().crop((120, 10, 320, 230))
    photo = Image.new("RGB", (800, 500), (96, 110, 124))
    photo.paste(face, (20, 20))
    tilted = face.transpose(Image.Transpose.FLIP_LEFT_RIGHT).rotate(17, Image.Resampling.BICUBIC)
    photo.paste(tilted.resize((160, 176)), (300, 250))
    photo.paste(face.point(lambda value: value * 0.45).resize((300, 330)), (480, 10))
    photo.paste(face, (-70, 290))
    covered = face.copy()
    covered.paste((120, 90, 80), (66, 116, 138, 166))
    photo.paste(covered.resize((120, 132)), (680, 350))
    return photo


@dataclass(frozen=True)
class Reading:
    """What is said of one face."""

    box: tuple[float, float, float, float]
    probabilities: NDArray[np.float32]
    face: str = ""
    time: float | None = None
    set: tuple[str, ...] = ()
    warning: str = ""


def read_table(path: Path, classes: tuple[str, ...]) -> list[Reading]:
    """Read what the page saves."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return [
            Reading(
                (float(r["left"]), float(r["top"]), float(r["right"]), float(r["bottom"])),
                np.array([r[name] for name in classes], dtype=np.float32),
                r["face"],
                float(r["time"]) if r["time"] else None,
                tuple(r["set"].split()),
                r["warning"],
            )
            for r in csv.DictReader(io.StringIO(stream.read()))
        ]


def python_readings(
    picture: Image.Image, predictor: Predictor
) -> tuple[list[Reading], NDArray[np.uint8]]:
    """Return what Python says of each face, from left to right, and the crops."""
    faces: list[Face] = CenterFace(threads=1).detect(np.asarray(picture))
    faces.sort(key=lambda face: face.box)
    crops = np.stack([crop_face(picture, face) for face in faces])
    rows = predictor.predict_proba(crops)
    return [Reading(face.box, row) for face, row in zip(faces, rows, strict=True)], crops
