"""A network of the architecture that settings name."""

from collections.abc import Callable

import torch
from torch import nn

from ferboost.cnn.face_network import FaceNetwork
from ferboost.cnn.published import LayerShape, PublishedNetwork, layer_shapes
from ferboost.cnn.recognition import RecognitionNetwork
from ferboost.cnn.residual import ResidualNetwork
from ferboost.config import CNNSettings
from ferboost.errors import SettingsError

__all__ = [
    "FaceNetwork",
    "LayerShape",
    "PublishedNetwork",
    "RecognitionNetwork",
    "ResidualNetwork",
    "build_network",
    "layer_shapes",
    "new_network",
]

_KINDS: dict[str, Callable[[CNNSettings, int], FaceNetwork]] = {
    "published": PublishedNetwork,
    "recognition": RecognitionNetwork,
    "residual": ResidualNetwork,
}

# With their gradients and Adam's two moments: 4 GiB.
_MOST_WEIGHTS = 2**28


def build_network(settings: CNNSettings, classes: int) -> FaceNetwork:
    """Return a network of the architecture that the settings name, with random weights.

    Raises
    ------
    SettingsError
        If the settings leave a layer without rows, or have more weights than memory may hold.
    """
    kind = _KINDS[settings.architecture]
    _check_size(kind, settings, classes)
    return kind(settings, classes)


def _check_size(
    kind: Callable[[CNNSettings, int], FaceNetwork], settings: CNNSettings, classes: int
) -> None:
    """Count the weights without having any."""
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            planned = kind(settings, classes)
        weights = f"{count:,}" if (count := _count_weights(planned)) > _MOST_WEIGHTS else ""
    except RuntimeError:  # a tensor has more bytes than 64 bits count
        weights = "countless"
    if weights:
        widest = "filters" if max(settings.filters) >= max(settings.dense) else "dense"
        raise SettingsError(
            f"the network would have {weights} weights, and at most {_MOST_WEIGHTS:,} can be "
            f"trained; make cnn.{widest} smaller"
        )


def _count_weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def new_network(settings: CNNSettings, classes: int, seed: int) -> FaceNetwork:
    """Return a network whose first weights `seed` decides; the random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build_network(settings, classes)
