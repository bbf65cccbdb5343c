"""A residual network."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from ferboost.cnn.face_network import FaceNetwork
from ferboost.config import CNNSettings
from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.errors import SettingsError

__all__ = ["ResidualNetwork"]

# How often 48 pixels can be halved.
_MOST_STAGES = 4
# The maps of a residual network's third stage have 6 x 6 places, those of a fourth 3 x 3.
_PLACED_STAGES = 3

# Mean and standard deviation of the gray values of FER-2013's training images, from 0 to 1.
_MEAN, _DEVIATION = 0.508, 0.255


class ResidualNetwork(FaceNetwork):
    """Stages of residual blocks, global average pooling and an output layer (He et al., 2016).

    The image enters as its 2 x 2 blocks, four channels at half the size, where the convolutions
    run. Each stage after the first halves the side again. Its taps are ``pooled``, the means of the
    last maps, and ``output``. Where the settings say ``mirror``, both are the means over the image
    and its mirror image when the network is in evaluation mode, and with ``shift`` over four
    shifted ones, too, half of them mirrored.

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

    _later: Tensor
    _earlier: Tensor

    def __init__(self, settings: CNNSettings, classes: int) -> None:
        super().__init__()
        self.settings = settings
        widths = settings.filters
        if len(widths) > _MOST_STAGES:
            stage = _MOST_STAGES + 1
            raise SettingsError(
                f"stage {stage} would have {IMAGE_SIZE} / 2^{stage} = {IMAGE_SIZE / 2**stage:g} "
                f"rows; give cnn.filters at most {_MOST_STAGES} stages"
            )
        self.mirror = settings.mirror
        self._shifts = bool(settings.shift)
        places = torch.arange(IMAGE_SIZE)
        for name, by in (("_later", settings.shift), ("_earlier", -settings.shift)):
            moved = (places + by).clamp(0, IMAGE_SIZE - 1)
            self.register_buffer(name, moved, persistent=False)
        self.stem = _Convolution(4, widths[0])
        self.stages = nn.ModuleList()
        wide_in = widths[0]
        for depth, width in enumerate(widths):
            count = settings.blocks[min(depth, len(settings.blocks) - 1)]
            blocks = [_Block(wide_in, width, halve=depth > 0)]
            blocks += [_Block(width, width) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*blocks))
            wide_in = width
        self.dropout = nn.Dropout(settings.dropout)
        self.output = nn.Linear(wide_in, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    @override
    def convolve(self, images: Tensor) -> list[tuple[str, Tensor]]:
        x = functional.relu(self.stem(_in_blocks(images)))
        layers = [("conv1", x)]
        for depth, stage in enumerate(self.stages, start=1):
            x = stage(x)
            layers.append((f"stage{depth}", x))
        return layers

    @override
    def last_maps(self, images: Tensor) -> Tensor:
        # A mirrored view's maps are turned back, so that a place in them is one of the face.
        maps = [self._convolve_up(view) for view in self._views(images)]
        return torch.cat(_mirror_every_second(maps), dim=1)

    @override
    def logits_of_maps(self, maps: Tensor) -> Tensor:
        views = _mirror_every_second(maps.chunk(self._view_count, dim=1))
        return self._logits(torch.stack([self._pool_above(view) for view in views]).mean(dim=0))

    @override
    def taps(self, images: Tensor) -> dict[str, Tensor]:
        pooled = self._pooled(torch.cat(self._views(images)))
        pooled = pooled.reshape(self._view_count, -1, self.output.in_features).mean(0)
        logits = self._logits(pooled)
        return {"pooled": pooled, "output": logits.softmax(dim=1), "logits": logits}

    @override
    def first_filters(self) -> NDArray[np.float32]:
        weight: Tensor = self.stem[0].get_parameter("weight")
        whole = functional.pixel_shuffle(weight.detach(), 2)[:, 0]
        return np.asarray(whole.cpu().numpy(), dtype=np.float32)

    @override
    def penalty(self) -> Tensor:
        return torch.zeros((), device=self.output.weight.device)  # muon decays the weights itself

    @property
    def _view_count(self) -> int:
        if self.training or not self.mirror:
            return 1
        return 6 if self._shifts and not self.is_hurried else 2

    def _views(self, images: Tensor) -> list[Tensor]:
        """Return the image and what is looked at beside it; every second view is mirrored."""
        views = [images, images]
        if self._view_count > len(views):
            for axis in (2, 1):
                views += [images.index_select(axis, by) for by in (self._later, self._earlier)]
        views = views[: self._view_count]
        return _mirror_every_second(views)

    def _logits(self, pooled: Tensor) -> Tensor:
        logits: Tensor = self.output(self.dropout(pooled))
        return logits.float()

    def _convolve_up(self, images: Tensor) -> Tensor:
        x = functional.relu(self.stem(_in_blocks(images)))
        for stage in self.stages[:_PLACED_STAGES]:
            x = stage(x)
        return x

    def _pool_above(self, maps: Tensor) -> Tensor:
        for stage in self.stages[_PLACED_STAGES:]:
            maps = stage(maps)
        return maps.float().mean(dim=(2, 3))

    def _pooled(self, images: Tensor) -> Tensor:
        return self.convolve(images)[-1][1].float().mean(dim=(2, 3))


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


def _mirror_every_second(views: Sequence[Tensor]) -> list[Tensor]:
    return [view.flip(-1) if k % 2 else view for k, view in enumerate(views)]


def _in_blocks(images: Tensor) -> Tensor:
    x = (images.float() / 255 - _MEAN) / _DEVIATION
    return functional.pixel_unshuffle(x[:, None], 2)
