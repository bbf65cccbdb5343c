"""Maps of a face: what in it speaks for an emotion, and what against.

All methods ask the same question, what the details of a face add to its blurred self, so that
their maps can be compared and checked alike. Positive values speak for the emotion.
"""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

from ferboost.cnn.network import FaceNetwork
from ferboost.extras import needed_for
from ferboost.models import SeedModel, members_of

__all__ = [
    "METHODS",
    "Method",
    "blur",
    "explain_networks",
    "grad_cam",
    "integrated_gradients",
    "methods_of",
    "networks_of",
    "occlusion",
]

Method = Literal["Grad-CAM", "integrated gradients", "occlusion"]

#: In the order in which they are shown.
METHODS: tuple[Method, ...] = get_args(Method)

#: Given faces uint8 (n, 48, 48), returns probabilities (n, classes).
Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

# Standard deviation, in pixels, of the blur that takes the details away: eyes and mouth are
# about 12 and 20 pixels wide.
_BLUR = 6.0
# Of the path of integrated gradients (Gauss-Legendre).
_STEPS = 16
# Single pixels are noise: neighbours share what they add.
_SMOOTHING = 1.5
# The patch that is hidden is about as large as an eye.
_WINDOW, _STRIDE = 12, 6
_BATCH = 64


def blur(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return faces without their details, uint8 of the same shape."""
    soft = ndimage.gaussian_filter(images.astype(np.float32), (0, _BLUR, _BLUR))
    return np.asarray(np.rint(soft), dtype=np.uint8)


def networks_of(models: Sequence[SeedModel], variant: str) -> list[FaceNetwork]:
    """Return the networks that a variant's probabilities, or features, come from, if any."""
    owners = members_of(models, variant)
    return [network for own, name in owners for network in own.networks(name)]


def methods_of(networks: Sequence[FaceNetwork]) -> tuple[Method, ...]:
    """Return the methods that explain a variant: occlusion alone where it needs no network."""
    return METHODS if networks else ("occlusion",)


def explain_networks(
    method: Method,
    networks: Sequence[FaceNetwork],
    predict: Predict,
    images: NDArray[np.uint8],
    targets: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return maps by one of `METHODS`, float32 of shape (n, 48, 48).

    Parameters
    ----------
    method : {"Grad-CAM", "integrated gradients", "occlusion"}
    networks : sequence of FaceNetwork
        Of the first two, the mean over these is taken.
    predict : callable
        What occlusion asks: the whole model, trees included.
    images : ndarray of uint8, shape (n, 48, 48)
    targets : ndarray of int64, shape (n,)
        The class of each image that is explained.
    """
    if method == "occlusion":
        return occlusion(predict, images, targets)
    one = grad_cam if method == "Grad-CAM" else integrated_gradients
    maps = np.stack([one(network, images, targets) for network in networks])
    return np.asarray(maps.mean(axis=0), dtype=np.float32)


def grad_cam(
    network: FaceNetwork, images: NDArray[np.uint8], targets: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Weigh the last maps by how much each adds to a class's logit, and sum them.

    Negative sums are kept, which the paper cuts off: they speak against the class.

    Parameters
    ----------
    network : FaceNetwork
        Put into evaluation mode.
    images : ndarray of uint8, shape (n, 48, 48)
    targets : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of float32, shape (n, 48, 48)
        Enlarged bilinearly from `FaceNetwork.last_maps`.

    References
    ----------
    .. [1] Selvaraju, R. R. et al. (2017). Grad-CAM: visual explanations from deep networks via
       gradient-based localization. ICCV, 618-626.
    """
    scores = _Scores(network)
    method = _captum().LayerGradCam(scores, scores.maps)

    def of_batch(faces: Tensor, classes: Tensor) -> Tensor:
        coarse: Tensor = method.attribute(faces, classes)
        size = faces.shape[1:]
        return functional.interpolate(coarse, size, mode="bilinear", align_corners=False)[:, 0]

    return _in_batches(network, images, targets, of_batch)


def integrated_gradients(
    network: FaceNetwork, images: NDArray[np.uint8], targets: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Share out what a face's details add to a class's logit among its pixels.

    The gradient is integrated along the straight line from the blurred face to the face. The sum
    over a map is the difference of the logits at both ends, but for the steps of the integral and
    what smoothing (1.5 pixels) carries over the border, which is reflected.

    Parameters
    ----------
    network : FaceNetwork
        Put into evaluation mode.
    images : ndarray of uint8, shape (n, 48, 48)
    targets : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of float32, shape (n, 48, 48)
        Logits.

    References
    ----------
    .. [1] Sundararajan, M., Taly, A. & Yan, Q. (2017). Axiomatic attribution for deep networks.
       ICML, 3319-3328.
    """
    method = _captum().IntegratedGradients(_Scores(network))

    def of_batch(faces: Tensor, classes: Tensor) -> Tensor:
        blurred = torch.from_numpy(blur(faces.detach().cpu().numpy().astype(np.uint8)))
        found: Tensor = method.attribute(
            faces,
            blurred.to(faces),
            classes,
            n_steps=_STEPS,
            internal_batch_size=max(len(faces), 4 * _BATCH),
        )
        return found

    maps = _in_batches(network, images, targets, of_batch)
    smooth = ndimage.gaussian_filter(maps, (0, _SMOOTHING, _SMOOTHING), mode="reflect")
    return np.asarray(smooth, dtype=np.float32)


def occlusion(
    predict: Predict, images: NDArray[np.uint8], targets: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Measure how much of a class's probability is lost where a patch of the face is blurred.

    It asks for predictions alone, and so explains any model, trees included.

    Parameters
    ----------
    predict : callable
    images : ndarray of uint8, shape (n, 48, 48)
    targets : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of float32, shape (n, 48, 48)
        Probability lost, mean over the patches (12 x 12, every 6 pixels) that cover a pixel.

    References
    ----------
    .. [1] Zeiler, M. D. & Fergus, R. (2014). Visualizing and understanding convolutional networks.
       ECCV, 818-833.
    """

    def scores(faces: Tensor) -> Tensor:
        return torch.from_numpy(predict(faces.numpy().astype(np.uint8)))

    method = _captum().Occlusion(scores)
    found = np.empty(images.shape, dtype=np.float32)
    for start in range(0, len(images), _BATCH):
        rows = slice(start, start + _BATCH)
        faces = torch.from_numpy(images[rows].astype(np.float32))
        found[rows] = method.attribute(
            faces,
            (_WINDOW, _WINDOW),
            (_STRIDE, _STRIDE),
            torch.from_numpy(blur(images[rows]).astype(np.float32)),
            torch.from_numpy(targets[rows]),
            perturbations_per_eval=max(1, 4 * _BATCH // len(faces)),
        ).numpy()
    return found


def _captum() -> ModuleType:
    with needed_for("explaining"):
        from captum import attr
    return attr  # type: ignore[no-any-return]


class _Scores(nn.Module):
    """Faces to logits, less their mean, in two parts; a softmax does not see what all share."""

    def __init__(self, network: FaceNetwork) -> None:
        super().__init__()
        self.network = network
        self.maps = _Maps(network)

    def forward(self, faces: Tensor) -> Tensor:
        logits = self.network.logits_of_maps(self.maps(faces))
        return logits - logits.mean(dim=1, keepdim=True)


class _Maps(nn.Module):
    """The maps that Grad-CAM weighs, as a module of their own."""

    def __init__(self, network: FaceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, faces: Tensor) -> Tensor:
        return self.network.last_maps(faces)


def _in_batches(
    network: FaceNetwork,
    images: NDArray[np.uint8],
    targets: NDArray[np.int64],
    explain: Callable[[Tensor, Tensor], Tensor],
) -> NDArray[np.float32]:
    network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    device = next(network.parameters()).device
    found = np.empty(images.shape, dtype=np.float32)
    for start in range(0, len(images), _BATCH):
        rows = slice(start, start + _BATCH)
        faces = torch.from_numpy(images[rows].astype(np.float32)).to(device).requires_grad_()
        maps = explain(faces, torch.from_numpy(targets[rows]).to(device))
        found[rows] = maps.detach().float().cpu().numpy()
    return found
