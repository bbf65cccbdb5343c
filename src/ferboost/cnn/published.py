"""The published network and its relatives."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from ferboost.cnn.blocked import can_block, pooled_maps
from ferboost.cnn.face_network import FaceNetwork
from ferboost.config import CNNSettings
from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.errors import SettingsError

__all__ = ["LayerShape", "PublishedNetwork", "layer_shapes"]


@dataclass(frozen=True)
class LayerShape:
    """The size of one layer's output: `channels` maps of `side` x `side` values."""

    name: str
    channels: int
    side: int


def layer_shapes(settings: CNNSettings) -> list[LayerShape]:
    """Work out the shape of every convolution's and pooling layer's output.

    A convolution of kernel k, stride s and padding p turns n rows into floor((n + 2p - k) / s) + 1,
    with p = floor(k / 2) for zero padding (the study's equation 3) and 0 without.

    Raises
    ------
    SettingsError
        If a layer would have no row left; the message shows the arithmetic.
    """
    kernel, stride, pool = settings.kernel_size, settings.stride, settings.pool_size
    padding = kernel // 2 if settings.padding == "zero" else 0
    side = IMAGE_SIZE
    shapes = []
    for depth, filters in enumerate(settings.filters, start=1):
        rows = (side + 2 * padding - kernel) // stride + 1
        _check_rows(
            f"convolution {depth}", rows, f"({side} + 2 * {padding} - {kernel}) / {stride} + 1"
        )
        side = rows
        shapes.append(LayerShape(f"conv{depth}", filters, side))
        if settings.pooling != "none":
            _check_rows(f"pooling layer {depth}", side // pool, f"{side} / {pool}")
            side //= pool
            shapes.append(LayerShape(f"pool{depth}", filters, side))
    return shapes


def _check_rows(layer: str, rows: int, arithmetic: str) -> None:
    if rows < 1:
        raise SettingsError(
            f"{layer} would have no rows left: floor({arithmetic}) = {rows}; use fewer layers, "
            "a smaller kernel, stride or pooling window, or cnn.padding=zero"
        )


class PublishedNetwork(FaceNetwork):
    """Convolutions with pooling, dropout, fc1, fc2 and an output layer (section 2.2 of the study).

    Its taps are ``flatten`` (the pooled maps), ``fc1`` and ``fc2`` after their ReLU, and
    ``output``. Weights start as in Keras: Glorot uniform, biases zero (Glorot and Bengio, 2010).
    The published settings give 121,855 parameters.

    Parameters
    ----------
    settings : CNNSettings
    classes : int
        Width of the output layer.

    Raises
    ------
    SettingsError
        If the settings leave a layer without rows.
    """

    def __init__(self, settings: CNNSettings, classes: int) -> None:
        super().__init__()
        self.settings = settings
        shapes = layer_shapes(settings)
        self.pooling = settings.pooling
        self.pool_size = settings.pool_size
        padding = settings.kernel_size // 2 if settings.padding == "zero" else 0
        inputs = (1, *settings.filters)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(wide_in, wide_out, settings.kernel_size, settings.stride, padding)
            for wide_in, wide_out in zip(inputs, settings.filters, strict=False)
        )
        self.dropout = nn.Dropout(settings.dropout)
        flat = shapes[-1].channels * shapes[-1].side ** 2
        self.fc1 = nn.Linear(flat, settings.dense[0])
        self.fc2 = nn.Linear(settings.dense[0], settings.dense[1])
        self.output = nn.Linear(settings.dense[1], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    @override
    def convolve(self, images: Tensor) -> list[tuple[str, Tensor]]:
        x = (images.float() / 255)[:, None]
        layers = []
        for depth, convolution in enumerate(self.convolutions, start=1):
            x = functional.relu(convolution(x))
            layers.append((f"conv{depth}", x))
            if self.pooling != "none":
                x = self._pool(x)
                layers.append((f"pool{depth}", x))
        return layers

    @override
    def last_maps(self, images: Tensor) -> Tensor:
        return dict(self.convolve(images))[f"conv{len(self.convolutions)}"]

    @override
    def logits_of_maps(self, maps: Tensor) -> Tensor:
        return self._above(self._pool(maps).flatten(1))["logits"]

    @override
    def taps(self, images: Tensor) -> dict[str, Tensor]:
        return self._above(self._flatten(images))

    def _above(self, flatten: Tensor) -> dict[str, Tensor]:
        fc1 = functional.relu(self.fc1(self.dropout(flatten)))
        fc2 = functional.relu(self.fc2(fc1))
        logits = self.output(fc2).float()
        return {
            "flatten": flatten,
            "fc1": fc1,
            "fc2": fc2,
            "output": logits.softmax(dim=1),
            "logits": logits,
        }

    @override
    def first_filters(self) -> NDArray[np.float32]:
        weight: Tensor = self.convolutions[0].get_parameter("weight")
        return np.asarray(weight[:, 0].detach().cpu().numpy(), dtype=np.float32)

    @override
    def penalty(self) -> Tensor:
        return self.fc1.weight.square().sum() + self.fc2.weight.square().sum()

    def _flatten(self, images: Tensor) -> Tensor:
        x = (images.float() / 255)[:, None]
        if self.pooling == "max" and can_block(x):
            convolutions = (cast("nn.Conv2d", module) for module in self.convolutions)
            return pooled_maps(x, convolutions, self.pool_size).flatten(1)
        for convolution in self.convolutions:
            # Maxima before the ReLU are the same function, and the ReLU then has a quarter of
            # the values to do: 10 s an epoch became 6.6 s.
            if self.pooling == "max":
                x = functional.relu(self._pool(convolution(x)))
            else:
                x = self._pool(functional.relu(convolution(x)))
        return x.flatten(1)

    def _pool(self, x: Tensor) -> Tensor:
        if self.pooling == "max":
            return functional.max_pool2d(x, self.pool_size)
        if self.pooling == "average":
            return functional.avg_pool2d(x, self.pool_size)
        return x
