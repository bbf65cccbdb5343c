"""What maps of a face must be, whatever network made them."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ferboost.cnn.network import FaceNetwork, build_network
from ferboost.config import CNNSettings
from ferboost.explanation.maps import blur, grad_cam, integrated_gradients, occlusion
from tiny import cnn_settings, faces, new_network

RESIDUAL = CNNSettings(architecture="residual", filters=(4, 4, 6, 6), blocks=(1,), mirror=True)
SETTINGS = (cnn_settings(), cnn_settings(pooling="none"), RESIDUAL)
IMAGES = faces(4).images[:5]
TARGETS = np.array([0, 1, 2, 0, 1])


def centred(network: FaceNetwork, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    with torch.inference_mode():
        logits = network.eval()(torch.from_numpy(images)).numpy()
    return np.asarray(logits - logits.mean(axis=1, keepdims=True))


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_last_maps_are_all_that_the_logits_need(settings: CNNSettings) -> None:
    network = new_network(settings).eval()
    images = torch.from_numpy(IMAGES)
    torch.testing.assert_close(network.logits_of_maps(network.last_maps(images)), network(images))


@pytest.mark.parametrize("settings", SETTINGS)
def test_integrated_gradients_share_out_what_the_details_add(settings: CNNSettings) -> None:
    network = new_network(settings)
    maps = integrated_gradients(network, IMAGES, TARGETS)
    added = centred(network, IMAGES) - centred(network, blur(IMAGES))
    expected = added[np.arange(5), TARGETS]
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), expected, atol=0.15 * np.abs(added).max())


def test_grad_cam_of_averaged_maps_is_what_each_place_adds() -> None:
    """After global average pooling and one layer, the map's mean is the logit, but for the bias."""
    settings = CNNSettings(architecture="residual", filters=(4, 6), blocks=(1,))
    network = new_network(settings)
    maps = network.eval().last_maps(torch.from_numpy(IMAGES)).detach()
    weight = network.get_parameter("output.weight").detach()
    weight = weight - weight.mean(dim=0)
    coarse = torch.einsum("nchw,kc->nkhw", maps, weight)[np.arange(5), TARGETS]
    found = grad_cam(network, IMAGES, TARGETS)
    shown = torch.nn.functional.interpolate(
        coarse[:, None], (48, 48), mode="bilinear", align_corners=False
    )[:, 0]
    scale = float(shown.abs().max() / np.abs(found).max())
    np.testing.assert_allclose(found * scale, shown, atol=1e-4 * float(shown.abs().max()))


def test_a_mirroring_network_explains_a_mirrored_face_by_the_mirrored_map() -> None:
    network = new_network(RESIDUAL)
    mirrored = np.ascontiguousarray(IMAGES[:, :, ::-1])
    for explain in (grad_cam, integrated_gradients):
        maps = explain(network, IMAGES, TARGETS)
        found = explain(network, mirrored, TARGETS)
        np.testing.assert_allclose(found[:, :, ::-1], maps, atol=1e-4 * np.abs(maps).max())


def test_occlusion_finds_the_only_place_that_a_model_looks_at() -> None:
    def by_the_mouth(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        dark = (images[:, 30:42, 18:30] < 100).mean(axis=(1, 2), dtype=np.float32)
        return np.stack([dark, 1 - dark], axis=1)

    images = np.full((2, 48, 48), 200, dtype=np.uint8)
    images[:, 33:39, 20:28] = 0
    found = occlusion(by_the_mouth, images, np.zeros(2, np.int64))
    assert np.unravel_index(found[0].argmax(), (48, 48))[0] in range(30, 42)
    assert found[0, 30:42, 18:30].min() > 0
    assert not found[0, :12].any()
    against = occlusion(by_the_mouth, images, np.ones(2, np.int64))
    np.testing.assert_allclose(against, -found, atol=1e-6)


def test_occlusion_is_the_same_for_many_faces_as_for_one() -> None:
    network = build_network(cnn_settings(), 3).eval()

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(images)).softmax(dim=1).numpy())

    together = occlusion(predict, IMAGES, TARGETS)
    alone = occlusion(predict, IMAGES[3:4], TARGETS[3:4])
    np.testing.assert_allclose(alone[0], together[3], atol=1e-6)
