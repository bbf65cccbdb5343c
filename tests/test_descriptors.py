"""HOG and LBP: shapes, and what they do and do not depend on."""

import numpy as np
import pytest

from ferboost import descriptors
from ferboost.descriptors import hog_features, lbp_features

IMAGES = np.random.default_rng(0).integers(60, 120, (5, 48, 48)).astype(np.uint8)


@pytest.mark.parametrize(("describe", "width"), [(hog_features, 900), (lbp_features, 360)])
def test_every_image_is_described_for_itself(
    describe: descriptors.Describe, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = describe(IMAGES)
    assert whole.shape == (5, width)
    assert whole.dtype == np.float32
    assert np.isfinite(whole).all()
    monkeypatch.setattr(descriptors, "_ROWS", 2)
    np.testing.assert_array_equal(describe(IMAGES), whole)
    assert describe(IMAGES[:0]).shape == (0, width)


def test_brightness_changes_neither_and_contrast_leaves_hog_alone() -> None:
    np.testing.assert_allclose(hog_features(IMAGES + np.uint8(20)), hog_features(IMAGES))
    np.testing.assert_array_equal(lbp_features(IMAGES + np.uint8(20)), lbp_features(IMAGES))
    np.testing.assert_allclose(hog_features(2 * IMAGES), hog_features(IMAGES), atol=1e-6)


def test_hog_of_vertical_stripes_has_one_direction() -> None:
    stripes = np.tile(np.repeat([0, 200], 4), 6).astype(np.uint8)
    cells = hog_features(np.tile(stripes, (1, 48, 1))).reshape(-1, 9)
    assert (cells[:, 0] > 0).all()
    np.testing.assert_array_equal(cells[:, 1:], 0)


def test_lbp_counts_every_pixel_and_a_blank_face_is_all_bright() -> None:
    np.testing.assert_array_equal(lbp_features(IMAGES).reshape(5, 36, 10).sum(2), 64)
    blank = lbp_features(np.zeros((1, 48, 48), np.uint8)).reshape(36, 10)
    np.testing.assert_array_equal(blank[:, 8], 64)


def test_hog_is_that_of_scikit_image() -> None:
    feature = pytest.importorskip("skimage.feature", reason="pip install scikit-image")
    ramp = np.arange(48)
    steep = [ramp[:, None] * down + ramp * right for down in range(-5, 6) for right in range(-5, 6)]
    images = np.concatenate((IMAGES, np.stack(steep).astype(np.uint8)))
    expected = [feature.hog(image, cells_per_block=(2, 2)) for image in images]
    np.testing.assert_allclose(hog_features(images), expected, atol=1e-4)
