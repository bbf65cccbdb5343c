"""What the trees see."""

import warnings

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ferboost import features
from ferboost.cnn.network import FaceNetwork
from ferboost.cnn.precision import Precision
from ferboost.config import Views
from ferboost.errors import SettingsError
from ferboost.features import (
    FeatureSource,
    feature_matrix,
    group_features,
    needs_network,
    pixel_features,
    tap_features,
)
from ferboost.views import view_faces, views_of
from tiny import cnn_settings, faces, new_network

TAPS = ("flatten", "fc1", "fc2", "output", "logits")


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return faces().images


@pytest.fixture(scope="module")
def network() -> FaceNetwork:
    return new_network(cnn_settings())


def test_pixel_features_are_the_means_of_6_by_6_blocks(images: NDArray[np.uint8]) -> None:
    found = pixel_features(images)
    assert found.shape == (len(images), 64)
    assert found.dtype == np.float32
    for row, column in [(0, 0), (0, 7), (7, 0), (3, 5)]:
        block = images[:, 6 * row : 6 * row + 6, 6 * column : 6 * column + 6]
        expected = block.astype(np.float64).mean((1, 2))
        np.testing.assert_allclose(found[:, 8 * row + column], expected, rtol=1e-6)


def test_taps_are_those_of_the_network(network: FaceNetwork, images: NDArray[np.uint8]) -> None:
    found = tap_features(network, images, TAPS)
    with torch.no_grad():
        expected = network.eval().taps(torch.from_numpy(images))
    for tap in TAPS:
        np.testing.assert_allclose(found[tap], expected[tap].numpy(), rtol=1e-5, atol=1e-6)


def test_the_size_of_the_batches_does_not_matter(
    network: FaceNetwork, images: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tap_features(network, images, TAPS)
    monkeypatch.setattr(features, "_BATCH", 7)
    parts = tap_features(network, images, TAPS)
    for tap in TAPS:
        np.testing.assert_allclose(parts[tap], whole[tap], rtol=1e-5, atol=1e-6)


def test_only_the_taps_asked_for_are_returned(
    network: FaceNetwork, images: NDArray[np.uint8]
) -> None:
    assert tap_features(network, images, ["fc2"]).keys() == {"fc2"}


def test_taps_are_computed_in_float32_whatever_the_layout_and_mode_of_the_training(
    images: NDArray[np.uint8],
) -> None:
    trained = Precision("cpu", "bfloat16", channels_last=True, reason="").place(
        new_network(cnn_settings(dropout=0.9)).train()
    )
    assert isinstance(trained, FaceNetwork)
    plain = new_network(cnn_settings(dropout=0.9))
    for tap, found in tap_features(trained, images, TAPS).items():
        assert found.dtype == np.float32
        expected = tap_features(plain, images, [tap])[tap]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_no_image_has_no_features(network: FaceNetwork, images: NDArray[np.uint8]) -> None:
    assert tap_features(network, images[:0], ["fc1"])["fc1"].shape == (0, 8)
    assert pixel_features(images[:0]).shape == (0, 64)


def test_read_only_and_mirrored_images_are_taken(
    network: FaceNetwork, images: NDArray[np.uint8]
) -> None:
    locked = images.copy()
    locked.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = tap_features(network, locked, ["fc1"])["fc1"]
        tap_features(network, images[:, :, ::-1], ["fc1"])
    np.testing.assert_array_equal(found, tap_features(network, images, ["fc1"])["fc1"])


def test_a_feature_matrix_is_of_the_tap_or_of_the_pixels(
    network: FaceNetwork, images: NDArray[np.uint8]
) -> None:
    np.testing.assert_array_equal(feature_matrix(None, images, "pixels"), pixel_features(images))
    expected = tap_features(network, images, ["fc1"])["fc1"]
    np.testing.assert_array_equal(feature_matrix(network, images, "fc1"), expected)


def test_a_tap_of_no_network_is_refused(images: NDArray[np.uint8]) -> None:
    with pytest.raises(SettingsError, match="'fc1' is a layer of a network, and there is none"):
        feature_matrix(None, images, "fc1")


@pytest.mark.parametrize("views", ["mirror", "jitter"])
def test_a_layer_is_averaged_over_views(
    network: FaceNetwork, images: NDArray[np.uint8], views: Views
) -> None:
    source = FeatureSource(network, views)
    found = group_features(source, images, ["fc1", "fc1-views", "pixels"])
    assert found.keys() == {"fc1", "fc1-views", "pixels"}
    seen = [feature_matrix(network, view_faces(images, v), "fc1") for v in views_of(views)]
    np.testing.assert_allclose(found["fc1-views"], np.mean(seen, axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found["fc1"], seen[0])
    assert np.abs(found["fc1"] - found["fc1-views"]).max() > 1e-3
    turned = group_features(source, images[:, :, ::-1], ["fc1-views"])["fc1-views"]
    np.testing.assert_allclose(turned, found["fc1-views"], rtol=1e-4, atol=1e-5)


def test_averaged_layers_need_a_network_as_layers_do(images: NDArray[np.uint8]) -> None:
    assert needs_network("hog+fc1-views")
    with pytest.raises(SettingsError, match="'fc1-views' is a layer of a network"):
        feature_matrix(None, images, "fc1-views")
