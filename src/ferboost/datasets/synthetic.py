"""Faces drawn from parameters: a data set that needs no download, for the demo and for tests.

An expression is a set of muscle actions after the Facial Action Coding System (Ekman and Friesen,
1978). Each emotion has two prototypes; an image takes one of them at a random strength and adds
the person, the pose, the light and the camera. Weak expressions look alike, as in photographs.
"""

import numpy as np
from numpy.typing import NDArray

from ferboost.datasets.dataset import IMAGE_SIZE, FaceDataset
from ferboost.datasets.drawing import Parameters, draw_faces, photograph
from ferboost.emotions import EMOTIONS
from ferboost.errors import SettingsError

__all__ = ["draw_emotion", "generate_faces"]

#: Images drawn at once: 64 planes of 48 x 48 float32 are 590 kB and stay in the cache.
_BATCH_SIZE = 64

#: Muscle actions, 1 = strong, negative = the opposite movement, with FACS action units.
_ACTIONS = (
    "inner_brow",  # 1 raised, 4 lowered
    "outer_brow",  # 2 raised
    "furrow",  # 4, brows drawn together
    "upper_lid",  # 5 raised, 43 drooping
    "lower_lid",  # 6 and 7, raised
    "nose_wrinkle",  # 9
    "upper_lip",  # 10, raised
    "corners",  # 12 raised, 15 lowered
    "stretch",  # 20 wide, 18 narrow
    "jaw",  # 26 and 27, dropped
    "press",  # 23 and 24, lips tight
    "teeth",  # 25, bared
    "sneer",  # one side of the mouth higher
)

#: Two variants per emotion: rows of strengths in the order of `_ACTIONS`.
_PROTOTYPES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "angry": (
        (-1.0, 0.2, 1.0, 0.2, 0.7, 0.2, 0.0, -0.4, 0.0, 0.0, 1.0, 0.0, 0.0),
        (-1.0, 0.2, 1.0, 0.5, 0.6, 0.4, 0.4, -0.3, 0.2, 0.6, 0.0, 1.0, 0.0),
    ),
    "disgusted": (
        (-0.5, -0.3, 0.4, -0.4, 0.8, 1.0, 1.0, -0.4, 0.0, 0.0, 0.0, 0.0, 0.5),
        (-0.5, -0.3, 0.3, -0.3, 0.7, 1.0, 1.0, -0.5, 0.0, 0.3, 0.0, 0.9, 0.8),
    ),
    "fearful": (
        (0.9, 0.2, 0.6, 1.0, 0.2, 0.0, 0.0, -0.4, 0.8, 0.4, 0.0, 0.9, 0.0),
        (0.9, 0.2, 0.6, 1.0, 0.2, 0.0, 0.0, -0.3, 0.6, 0.6, 0.0, 0.1, 0.0),
    ),
    "happy": (
        (0.0, 0.1, 0.0, -0.2, 0.8, 0.0, 0.1, 1.0, 0.6, 0.35, 0.0, 1.0, 0.0),
        (0.1, 0.1, 0.0, -0.1, 0.6, 0.0, 0.0, 0.9, 0.3, 0.0, 0.1, 0.0, 0.0),
    ),
    "neutral": ((0.0,) * 13, (0.0,) * 13),
    "sad": (
        (1.0, -0.5, 0.4, -0.7, 0.1, 0.0, 0.0, -1.0, -0.1, 0.0, 0.1, 0.0, 0.0),
        (0.9, -0.4, 0.3, -0.4, 0.3, 0.0, 0.2, -0.9, 0.1, 0.2, 0.0, 0.4, 0.0),
    ),
    "surprised": (
        (1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -0.6, 1.0, 0.0, 0.0, 0.0),
        (0.9, 1.0, 0.0, 0.9, 0.0, 0.0, 0.0, 0.0, -0.4, 0.7, 0.0, 0.4, 0.0),
    ),
}

#: Standard deviation of each action around its prototype.
_ACTION_SPREAD = 0.12

#: Lowest and highest strength of an expression.
_STRENGTH = (0.45, 1.35)

#: Everything but the expression: lowest and highest value of a uniform distribution. Lengths are
#: in units of about half a head's width, tones run from 0 (black) to 1 (white).
_APPEARANCE: dict[str, tuple[float, float]] = {
    # The person
    "head_width": (0.80, 0.96),
    "head_height": (1.08, 1.24),
    "jaw_taper": (0.15, 0.40),
    "skin": (0.42, 0.78),
    "hair": (0.03, 0.50),
    "hairline": (-0.92, -0.66),
    "hair_style": (0.0, 1.0),
    "hair_length": (0.3, 1.5),
    "parting": (-0.5, 0.5),
    "eye_distance": (0.33, 0.41),
    "eye_width": (0.19, 0.23),
    "eye_height": (0.085, 0.12),
    "eye_tilt": (-0.03, 0.05),
    "iris": (0.05, 0.25),
    "brow_height": (0.20, 0.27),
    "brow_thickness": (0.03, 0.07),
    "brow_arch": (0.0, 0.06),
    "brow_depth": (0.65, 0.95),
    "nose_width": (0.09, 0.16),
    "nose_length": (0.18, 0.30),
    "mouth_height": (0.53, 0.65),
    "mouth_width": (0.33, 0.42),
    "lip_thickness": (0.05, 0.10),
    "lip_depth": (0.30, 0.55),
    "beard": (0.0, 1.0),
    "beard_depth": (0.10, 0.35),
    "glasses": (0.0, 1.0),
    "glasses_tone": (0.0, 0.4),
    # The pose
    "rotation": (-0.28, 0.28),
    "scale": (20.0, 23.0),
    "shift_x": (-3.4, 3.4),
    "shift_y": (-3.4, 3.4),
    "yaw": (-0.20, 0.20),
    "pitch": (-0.08, 0.08),
    "gaze_x": (-0.06, 0.06),
    "gaze_y": (-0.03, 0.03),
    "side": (-1.0, 1.0),
    # The scene and the camera
    "background": (0.0, 0.65),
    "background_slope_x": (-0.4, 0.4),
    "background_slope_y": (-0.4, 0.4),
    "stripe_angle": (0.0, 3.14),
    "stripe_period": (8.0, 30.0),
    "stripe_phase": (0.0, 1.0),
    "stripe_depth": (-0.2, 0.2),
    "clothes": (0.2, 0.8),
    "light_x": (-0.30, 0.30),
    "light_y": (-0.25, 0.25),
    "brightness": (-0.13, 0.02),
    "contrast": (0.80, 1.15),
    "blur": (0.02, 0.13),
    "noise": (0.004, 0.018),
}


def generate_faces(
    count_per_class: int, *, test_fraction: float = 0.2, seed: int = 0
) -> FaceDataset:
    """Draw faces of the seven emotions.

    Parameters
    ----------
    count_per_class : int
        Number of images of each emotion, train and test together; at least 1.
    test_fraction : float
        Share of each class that goes to the test split, 0 to below 1; the number is rounded.
    seed : int
        The same arguments draw the same images; 0 or more.

    Returns
    -------
    FaceDataset
        ``7 * count_per_class`` images in a random order, classes in the order of `EMOTIONS`.

    Raises
    ------
    SettingsError
        If an argument is out of its range.
    """
    if count_per_class < 1:
        raise SettingsError(f"count_per_class is {count_per_class}; it must be at least 1")
    if not 0 <= test_fraction < 1:
        raise SettingsError(f"test_fraction is {test_fraction}; it must be from 0 to below 1")
    if seed < 0:
        raise SettingsError(f"seed is {seed}; it must be 0 or more")
    test_count = round(count_per_class * test_fraction)
    order_source, face_source, noise_source = (
        np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(seed).spawn(3)
    )
    order = order_source.permutation(len(EMOTIONS) * count_per_class)
    labels = (order % len(EMOTIONS)).astype(np.int64)
    splits = np.where(order // len(EMOTIONS) < test_count, "test", "train")
    faces = _draw_parameters(labels, face_source)
    images = np.empty((len(labels), IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    for start in range(0, len(labels), _BATCH_SIZE):
        batch = faces[start : start + _BATCH_SIZE].view(np.recarray)
        noise = noise_source.standard_normal((len(batch), IMAGE_SIZE, IMAGE_SIZE), np.float32)
        images[start : start + len(batch)] = photograph(draw_faces(batch), batch, noise)
    names = [
        f"{split}/{EMOTIONS[label]}/generated-{number:06d}.png"
        for number, (split, label) in enumerate(zip(splits, labels, strict=True))
    ]
    return FaceDataset(
        images=images,
        labels=labels,
        splits=splits,
        names=np.array(names),
        classes=EMOTIONS,
        source="generated faces",
    )


def draw_emotion(emotion: str) -> NDArray[np.uint8]:
    """Draw the textbook's expression of an emotion on the average drawn person.

    Parameters
    ----------
    emotion : str
        One of `EMOTIONS`.

    Returns
    -------
    ndarray of uint8, shape (48, 48)
        The same each time.
    """
    fields = [(name, np.float32) for name in (*_ACTIONS, *_APPEARANCE)]
    face = np.recarray((1, 1, 1), dtype=fields)
    for name, strength in zip(_ACTIONS, _PROTOTYPES[emotion][0], strict=True):
        face[name] = strength
    for name, (low, high) in _APPEARANCE.items():
        face[name] = (low + high) / 2
    noise = np.zeros((1, IMAGE_SIZE, IMAGE_SIZE), np.float32)
    drawn: NDArray[np.uint8] = photograph(draw_faces(face), face, noise)[0]
    return drawn


def _draw_parameters(labels: NDArray[np.int64], source: np.random.Generator) -> Parameters:
    """Return one record per face, shape (n, 1, 1) to broadcast against pixels."""
    count = len(labels)
    prototypes = np.array([_PROTOTYPES[emotion] for emotion in EMOTIONS])
    expression = prototypes[labels, source.integers(2, size=count)]
    expression *= source.uniform(*_STRENGTH, size=(count, 1))
    expression += source.normal(0, _ACTION_SPREAD, size=expression.shape)
    fields = [(name, np.float32) for name in (*_ACTIONS, *_APPEARANCE)]
    faces = np.recarray((count, 1, 1), dtype=fields)
    for column, name in enumerate(_ACTIONS):
        faces[name][:, 0, 0] = expression[:, column]
    for name, (low, high) in _APPEARANCE.items():
        faces[name][:, 0, 0] = source.uniform(low, high, size=count)
    return faces
