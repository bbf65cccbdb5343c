"""A residual network."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from ferboost.cnn.viewed import ViewedNetwork, standardized
from ferboost.config import CNNSettings
from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.errors import SettingsError

__all__ = ["ResidualNetwork"]

# How often 48 pixels can be halved.
_MOST_STAGES = 4


class ResidualNetwork(ViewedNetwork):
    """Stages of residual blocks, global average pooling and an output layer (He et al., 2016).

    The image enters as its 2 x 2 blocks, four channels at half the size, where the convolutions
    run. Each stage after the first halves the side again.

    Parameters
    ----------
    settings : CNNSettings
    classes : int
        Width of the output layer.

    Raises
    ------
    SettingsError
        If there are more stages than the image's side can be halved.
    """

    def __init__(self, settings: CNNSettings, classes: int) -> None:
        super().__init__(settings)
        widths = settings.filters
        if len(widths) > _MOST_STAGES:
            stage = _MOST_STAGES + 1
            raise SettingsError(
                f"stage {stage} would have {IMAGE_SIZE} / 2^{stage} = {IMAGE_SIZE / 2**stage:g} "
                f"rows; give cnn.filters at most {_MOST_STAGES} stages"
            )
        self.stem = _Convolution(4, widths[0])
        self.stages = nn.ModuleList()
        wide_in = widths[0]
        for depth, width in enumerate(widths):
            count = settings.blocks[min(depth, len(settings.blocks) - 1)]
            blocks = [_Block(wide_in, width, halve=depth > 0)]
            blocks += [_Block(width, width) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*blocks))
            wide_in = width
        self._add_output(wide_in, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    @override
    def first_filters(self) -> NDArray[np.float32]:
        weight: Tensor = self.stem[0].get_parameter("weight")
        whole = functional.pixel_shuffle(weight.detach(), 2)[:, 0]
        return np.asarray(whole.cpu().numpy(), dtype=np.float32)

    @override
    def _enter(self, images: Tensor) -> Tensor:
        return functional.relu(self.stem(_in_blocks(images)))


class _Convolution(nn.Sequential):
    """A 3 x 3 convolution and batch normalisation."""

    def __init__(self, wide_in: int, wide_out: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(wide_in, wide_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(wide_out),
        )


class _Block(nn.Module):
    """Two convolutions, added to the input; a 1 x 1 convolution fits the input where it must."""

    def __init__(self, wide_in: int, wide_out: int, *, halve: bool = False) -> None:
        super().__init__()
        self.first = _Convolution(wide_in, wide_out, stride=2 if halve else 1)
        self.second = _Convolution(wide_out, wide_out)
        self.halve = halve
        self.shortcut = (
            nn.Conv2d(wide_in, wide_out, 1, bias=False) if wide_in != wide_out else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(functional.relu(self.first(x), inplace=True))
        x = functional.avg_pool2d(x, 2) if self.halve else x
        return functional.relu(y + self.shortcut(x), inplace=True)


def _in_blocks(images: Tensor) -> Tensor:
    return functional.pixel_unshuffle(standardized(images), 2)
