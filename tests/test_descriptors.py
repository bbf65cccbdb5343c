"""HOG, LBP and visual words: shapes, and what they do and do not depend on."""

import hashlib

import numpy as np
import pytest

from ferboost import descriptors
from ferboost.descriptors import (
    SHARPNESS,
    hog_features,
    lbp_features,
    sift_descriptors,
    visual_words,
    word_features,
)

IMAGES = np.random.default_rng(0).integers(60, 120, (5, 48, 48)).astype(np.uint8)


@pytest.mark.parametrize(
    ("describe", "width"), [(hog_features, 900), (lbp_features, 360), (word_features, 1152)]
)
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


def test_sift_of_vertical_stripes_points_left_and_right() -> None:
    stripes = np.tile(np.repeat([0, 200], 4), 6).astype(np.uint8)
    found = sift_descriptors(np.tile(stripes, (1, 48, 1)))
    assert found.shape == (1, 9, 9, 128)
    directions = found.reshape(-1, 8)
    assert (directions[:, [0, 4]].sum(axis=1) > 0).all()
    np.testing.assert_array_equal(np.delete(directions, [0, 4], axis=1), 0)


def test_sift_sees_a_turned_image_turned() -> None:
    image = IMAGES[:1]
    found = sift_descriptors(image).reshape(9, 9, 4, 4, 8)
    turned = sift_descriptors(image[:, ::-1, ::-1]).reshape(9, 9, 4, 4, 8)
    half_a_turn = np.roll(turned[::-1, ::-1, ::-1, ::-1], 4, axis=4)
    np.testing.assert_allclose(half_a_turn, found, atol=1e-6)


def test_a_patch_counts_for_the_words_near_it() -> None:
    patches, words = sift_descriptors(IMAGES[:1])[0], visual_words()
    distance = np.square(patches[:, :, None] - words).sum(axis=3)
    nearness = np.exp(-SHARPNESS * distance.astype(np.float64))
    shares = nearness / nearness.sum(axis=2, keepdims=True)
    found = word_features(IMAGES[:1]).reshape(3, 3, len(words))
    for row, column in np.ndindex(3, 3):
        region = shares[3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
        np.testing.assert_allclose(found[row, column], region.mean(axis=(0, 1)), atol=1e-6)


def test_words_do_not_depend_on_light() -> None:
    expected = word_features(IMAGES)
    np.testing.assert_allclose(word_features(IMAGES + np.uint8(20)), expected, atol=1e-6)
    np.testing.assert_allclose(word_features(2 * IMAGES), expected, atol=1e-6)


def test_the_words_are_those_that_trees_were_grown_on() -> None:
    """Other words are other features: trees grown before would go on without a complaint."""
    digest = hashlib.sha256(visual_words().tobytes()).hexdigest()
    assert digest == "3555f04ef7bf7f62cbcd3f66b5cab3a326e6f3ec66c40f91225e0ca70461a2c6"
