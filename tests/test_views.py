"""Views of a face."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ferboost.config import Views
from ferboost.views import view_faces, views_of
from tiny import faces

IMAGES = faces().images


def test_the_first_view_is_the_face_itself() -> None:
    for kind in ("mirror", "jitter"):
        np.testing.assert_array_equal(view_faces(IMAGES, views_of(kind)[0]), IMAGES)


def test_mirror_views_are_the_face_and_its_mirror_image() -> None:
    _, mirrored = views_of("mirror")
    np.testing.assert_array_equal(view_faces(IMAGES, mirrored), IMAGES[:, :, ::-1])


def test_jittered_views_are_shifted_by_two_pixels_and_repeat_the_border() -> None:
    views = [view_faces(IMAGES, view) for view in views_of("jitter")]
    assert len({view.tobytes() for view in views}) == 10
    down = np.concatenate((IMAGES[:, :1], IMAGES[:, :1], IMAGES[:, :-2]), axis=1)
    right = np.concatenate((IMAGES[:, :, :1], IMAGES[:, :, :1], IMAGES[:, :, :-2]), axis=2)
    for expected in (down, right, down[:, :, ::-1]):
        assert any(np.array_equal(view, expected) for view in views)


@pytest.mark.parametrize("kind", ["mirror", "jitter"])
def test_the_views_of_a_mirror_image_are_those_of_the_face(kind: Views) -> None:
    def bag(images: NDArray[np.uint8]) -> set[bytes]:
        return {view_faces(images, view).tobytes() for view in views_of(kind)}

    assert bag(IMAGES) == bag(IMAGES[:, :, ::-1])
