"""Faces from parameters: painted part by part, then photographed.

What the parameters are called and how large they are says `ferboost.datasets.synthetic`.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ferboost.datasets.dataset import IMAGE_SIZE

__all__ = ["Parameters", "Pixels", "draw_faces", "photograph"]

#: float32 throughout, which NumPy's type stubs lose beside Python floats.
Pixels: TypeAlias = NDArray[np.floating[Any]]

#: One float32 field per muscle action and property; the stubs know fields only as Any.
Parameters: TypeAlias = np.recarray[Any, np.dtype[np.record]]


def draw_faces(faces: Parameters) -> Pixels:
    """Return the scene without the camera's defects, tones 0 to 1, shape (n, 48, 48).

    The painter's algorithm: each part is painted over the canvas, from back to front. Pixels
    meet no function but +, -, *, / and the square root, which round alike on every machine.
    """
    x, y = _face_coordinates(faces)
    canvas = _background(faces)
    _draw_body_and_head(canvas, x, y, faces)
    # Features lie in front of the head's axis: turning moves them further than its outline.
    x = x - faces.yaw * np.maximum(1 - x * x, 0)
    y = y - faces.pitch * np.maximum(1 - y * y, 0)
    _draw_skin_folds(canvas, x, y, faces)
    _draw_beard(canvas, x, y, faces)
    _draw_nose(canvas, x, y, faces)
    _draw_mouth(canvas, x, y, faces)
    _draw_eyes(canvas, x, y, faces)
    _draw_brows(canvas, x, y, faces)
    _draw_glasses(canvas, x, y, faces)
    return canvas


def photograph(scene: Pixels, faces: Parameters, noise: Pixels) -> NDArray[np.uint8]:
    """Light the scene, blur it, add the sensor's (standard normal) noise and round to 8 bits."""
    x, y = _pixel_coordinates()
    half = np.float32(2 / IMAGE_SIZE)
    lit = scene * (1 + faces.light_x * half * x + faces.light_y * half * y)
    lit = (lit - 0.5) * faces.contrast + (0.5 + faces.brightness)
    padded = np.pad(lit, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = padded[:, 1:-1] * (1 - 2 * faces.blur) + (padded[:, :-2] + padded[:, 2:]) * faces.blur
    blurred = rows[..., 1:-1] * (1 - 2 * faces.blur) + (rows[..., :-2] + rows[..., 2:]) * faces.blur
    exposed: Pixels = np.clip(np.rint((blurred + noise * faces.noise) * 255), 0, 255)
    return exposed.astype(np.uint8)


def _pixel_coordinates() -> tuple[Pixels, Pixels]:
    """Return x and y of the pixels from the image's centre, in pixels, shape (48, 48)."""
    y, x = np.mgrid[:IMAGE_SIZE, :IMAGE_SIZE].astype(np.float32) - (IMAGE_SIZE - 1) / 2
    return x, y


def _face_coordinates(faces: Parameters) -> tuple[Pixels, Pixels]:
    """Return x and y in the face's own axes: 0, 0 between nose and eyes, y down, chin near 1.1."""
    x, y = _pixel_coordinates()
    x, y = x - faces.shift_x, y - faces.shift_y
    cosine = (np.cos(faces.rotation.astype(np.float64)) / faces.scale).astype(np.float32)
    sine = (np.sin(faces.rotation.astype(np.float64)) / faces.scale).astype(np.float32)
    return cosine * x + sine * y, cosine * y - sine * x


def _background(faces: Parameters) -> Pixels:
    x, y = _pixel_coordinates()
    x, y = x / IMAGE_SIZE, y / IMAGE_SIZE
    angle = faces.stripe_angle.astype(np.float64)
    frequency = IMAGE_SIZE / faces.stripe_period
    along = (np.cos(angle) * frequency).astype(np.float32) * x
    along += (np.sin(angle) * frequency).astype(np.float32) * y + faces.stripe_phase
    wave = np.abs(along - np.floor(along) - 0.5) * 4 - 1
    tone = faces.background + faces.background_slope_x * x + faces.background_slope_y * y
    background: Pixels = np.clip(tone + faces.stripe_depth * wave, 0, 1)
    return background


def _coverage(distance: Pixels, faces: Parameters) -> Pixels:
    """Return how much of each pixel lies inside a shape: 1 where `distance` is negative."""
    coverage: Pixels = np.clip(0.5 - distance * faces.scale, 0, 1)
    return coverage


def _paint(canvas: Pixels, coverage: Pixels, tone: Pixels | float) -> None:
    canvas += coverage * (tone - canvas)


def _darken(canvas: Pixels, coverage: Pixels, depth: Pixels | float) -> None:
    canvas *= 1 - coverage * depth


def _blob(x: Pixels, y: Pixels, width: Pixels | float, height: Pixels | float) -> Pixels:
    """Return a soft spot, 1 at 0, 0 and 0 outside the ellipse of these half axes."""
    fall = np.maximum(1 - (x / width) ** 2 - (y / height) ** 2, 0)
    return np.square(fall)


def _draw_body_and_head(canvas: Pixels, x: Pixels, y: Pixels, faces: Parameters) -> None:
    height = np.where(y > 0, faces.head_height + 0.12 * np.maximum(faces.jaw, 0), faces.head_height)
    width = faces.head_width * (1 - faces.jaw_taper * np.maximum(y, 0) ** 2)
    width = np.maximum(width, 0.3)
    squared = (x / width) ** 2 + (y / height) ** 2
    radius = np.sqrt(squared)
    has_hair = faces.hair_style > 0.08
    has_long_hair = faces.hair_style > 0.6
    outline = np.sqrt((x / (faces.head_width + 0.14)) ** 2 + (np.minimum(y, 0) / 1.3) ** 2) - 1
    long_hair = _coverage(np.maximum(outline, y - faces.hair_length), faces) * has_long_hair
    _paint(canvas, long_hair, faces.hair * 0.9)
    shoulders = _coverage(1.25 + 0.35 * x * x - y, faces)
    _paint(canvas, shoulders, faces.clothes)
    neck = _coverage(np.maximum(np.abs(x) - 0.48, np.maximum(0.4 - y, y - 1.4)), faces)
    _paint(canvas, neck, faces.skin * 0.7)
    ears = (((np.abs(x) - faces.head_width) / 0.1) ** 2 + ((y + 0.06) / 0.2) ** 2 - 1) * 0.06
    _paint(canvas, _coverage(ears, faces), faces.skin * 0.8)
    head = _coverage(radius - 1, faces)
    _paint(canvas, head, faces.skin * (1.05 - 0.35 * squared * squared))
    hairline = faces.hairline + 0.9 * (x - faces.parting * 0.3) ** 2 - y
    cap = np.maximum(radius - 1.1, -hairline)
    sheen = 0.85 + 0.5 * _blob(x - faces.parting, y + 1, 0.5, 0.35)
    _paint(canvas, _coverage(cap, faces) * has_hair, faces.hair * sheen)


def _draw_skin_folds(canvas: Pixels, x: Pixels, y: Pixels, faces: Parameters) -> None:
    side = np.abs(x)
    sockets = _blob(side - faces.eye_distance, y + 0.22, 0.34, 0.24)
    _darken(canvas, sockets, 0.22)
    raised = np.maximum(faces.inner_brow + faces.outer_brow, 0)
    wrinkles = _blob(x, y + 0.68, 0.5, 0.2) * (np.abs((y * 8) % 1 - 0.5) > 0.3)
    _darken(canvas, wrinkles, 0.2 * np.minimum(raised, 1))
    between = _blob(side - 0.07, y + 0.40, 0.05, 0.20)
    _darken(canvas, between, np.clip(0.55 * faces.furrow, 0, 0.8))
    root = _blob(x, y + 0.14, 0.2, 0.16) * (np.abs((y * 10) % 1 - 0.5) > 0.25)
    _darken(canvas, root, np.clip(0.7 * faces.nose_wrinkle, 0, 0.8))
    lifted = np.maximum(np.maximum(faces.corners, faces.upper_lip), faces.nose_wrinkle)
    fold = _blob(side - 0.18 - 0.55 * (y - 0.2), y - 0.42, 0.07, 0.28)
    _darken(canvas, fold, np.clip(0.06 + 0.4 * lifted, 0, 0.6))
    cheeks = _blob(side - 0.46, y - 0.22, 0.25, 0.2)
    canvas *= 1 + cheeks * (0.1 + 0.15 * np.clip(faces.corners, 0, 1))


def _draw_beard(canvas: Pixels, x: Pixels, y: Pixels, faces: Parameters) -> None:
    jaw = _coverage(0.45 - y + 0.25 * np.abs(x), faces)
    jaw *= _coverage((x / 0.78) ** 2 + (y / 1.2) ** 2 - 1, faces)
    _darken(canvas, jaw, faces.beard_depth * (faces.beard > 0.85))


def _draw_nose(canvas: Pixels, x: Pixels, y: Pixels, faces: Parameters) -> None:
    tip = faces.nose_length - 0.07 * np.clip(faces.nose_wrinkle, 0, 1)
    ridge = _blob(x - 0.02, y - tip + 0.2, 0.08, 0.36)
    canvas *= 1 + 0.18 * ridge
    flank = _blob(x - np.sign(faces.light_x) * 0.11, y - tip + 0.1, 0.08, 0.3)
    _darken(canvas, flank, 0.22)
    _darken(canvas, _blob(x, y - tip - 0.08, faces.nose_width + 0.08, 0.07), 0.35)
    nostrils = _blob(np.abs(x) - faces.nose_width * 0.7, y - tip - 0.05, 0.06, 0.05)
    _darken(canvas, nostrils, 0.7)


def _draw_mouth(canvas: Pixels, x: Pixels, y: Pixels, faces: Parameters) -> None:
    width = faces.mouth_width * (1 + 0.38 * faces.stretch)
    across = x / width
    squared = np.minimum(across * across, 1.5)
    # Wide mouths open as a rectangle, round ones as an ellipse.
    bulge = np.maximum(1 - squared, 0) * (1 + np.clip(faces.stretch, 0, 1) * squared)
    side = np.where(faces.side < 0, np.float32(-1), np.float32(1))
    lift = 0.07 * np.maximum(faces.sneer, 0) * np.clip(side * across, -0.3, 1)
    jaw = np.maximum(faces.jaw, 0)
    line = faces.mouth_height + 0.1 * jaw - 0.26 * faces.corners * (squared - 0.35) - lift
    parted = np.clip(faces.teeth, 0, 1) * 0.07
    rise = 0.3 * parted + 0.12 * np.maximum(faces.upper_lip, 0) + 0.2 * jaw
    top = line - bulge * rise
    bottom = line + bulge * (0.26 * jaw + parted)
    lip = faces.lip_thickness * np.clip(1 - 0.7 * faces.press, 0.2, 1.2) * bulge
    edge = np.abs(x) - width
    lips = np.maximum(np.maximum(top - lip - y, y - bottom - 1.3 * lip), edge)
    lip_coverage = _coverage(lips, faces)
    _darken(canvas, lip_coverage, faces.lip_depth)
    seam = np.maximum(np.abs(y - (top + bottom) / 2) - 0.012, edge)
    _darken(canvas, _coverage(seam, faces), 0.55)
    inside = _coverage(np.maximum(np.maximum(top - y, y - bottom), edge), faces)
    inside *= np.clip((bottom - top) * faces.scale, 0, 1)
    _paint(canvas, inside, 0.1 * faces.skin)
    teeth = inside * _coverage(y - top - 0.12, faces)
    _paint(canvas, teeth * np.clip(2 * faces.teeth, 0, 1), 0.35 + 0.6 * faces.skin)
    chin = _blob(x, y - bottom - 0.2, 0.25, 0.09)
    _darken(canvas, chin, 0.25)


def _draw_eyes(canvas: Pixels, x: Pixels, y: Pixels, faces: Parameters) -> None:
    from_centre = np.abs(x) - faces.eye_distance
    across = from_centre / faces.eye_width
    bulge = np.maximum(1 - across * across, 0)
    axis = -0.18 - faces.eye_tilt * across
    droop = 0.05 * np.maximum(-faces.upper_lid, 0) * across
    upper_open = faces.eye_height * np.clip(1.1 + 0.75 * faces.upper_lid, 0.1, 2.2)
    lower_open = faces.eye_height * np.clip(0.8 - 0.75 * faces.lower_lid, -0.1, 1.2)
    upper = axis + droop - bulge * upper_open
    lower = axis + droop + bulge * lower_open
    edge = np.abs(from_centre) - faces.eye_width
    ball = _coverage(np.maximum(np.maximum(upper - y, y - lower), edge), faces)
    _paint(canvas, ball, 0.45 + 0.45 * faces.skin)
    to_iris_x = from_centre - np.sign(x) * faces.gaze_x
    to_iris_y = y - axis - faces.gaze_y
    distance = np.sqrt(to_iris_x * to_iris_x + to_iris_y * to_iris_y)
    _paint(canvas, ball * _coverage(distance - 0.095, faces), faces.iris * 0.6)
    _paint(canvas, ball * _coverage(distance - 0.045, faces), 0.02)
    lash = np.maximum(np.abs(y - upper) - 0.022, edge)
    _darken(canvas, _coverage(lash, faces), 0.7)
    under = np.maximum(np.abs(y - lower - 0.015) - 0.01, edge)
    _darken(canvas, _coverage(under, faces), 0.3)


def _draw_brows(canvas: Pixels, x: Pixels, y: Pixels, faces: Parameters) -> None:
    width = 0.25
    centre = faces.eye_distance - 0.05 * faces.furrow
    along = (np.abs(x) - centre) / width
    clipped = np.clip(along, -1, 1)
    inner, outer = (1 - clipped) / 2, (1 + clipped) / 2
    height = faces.brow_height + faces.brow_arch * (1 - clipped * clipped)
    height = height + 0.18 * faces.inner_brow * inner + 0.18 * faces.outer_brow * outer
    thickness = faces.brow_thickness * (1 - 0.35 * outer)
    shape = np.maximum(np.abs(y + 0.18 + height) - thickness, (np.abs(along) - 1) * width)
    _darken(canvas, _coverage(shape, faces), faces.brow_depth)


def _draw_glasses(canvas: Pixels, x: Pixels, y: Pixels, faces: Parameters) -> None:
    from_centre = np.abs(x) - faces.eye_distance - 0.02
    rim = np.sqrt((from_centre / 0.29) ** 2 + ((y + 0.16) / 0.25) ** 2) - 1
    bridge = np.maximum(np.abs(y + 0.2) - 0.02, np.abs(x) - 0.1)
    frame = np.minimum(np.abs(rim) * 0.27 - 0.022, bridge)
    _paint(canvas, _coverage(frame, faces) * (faces.glasses > 0.85), faces.glasses_tone)
