"""The networks: the published one with its relatives, and a residual one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from ferboost.cnn.blocked import can_block, pooled_maps
from ferboost.config import CNNSettings
from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.errors import SettingsError

__all__ = [
    "FaceNetwork",
    "LayerShape",
    "PublishedNetwork",
    "ResidualNetwork",
    "build_network",
    "layer_shapes",
    "new_network",
]

# How often 48 pixels can be halved.
_MOST_STAGES = 4
# The maps of a residual network's third stage have 6 x 6 places, those of a fourth 3 x 3.
_PLACED_STAGES = 3

# Mean and standard deviation of the gray values of FER-2013's training images, from 0 to 1.
_MEAN, _DEVIATION = 0.508, 0.255


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


# With their gradients and Adam's two moments: 4 GiB.
_MOST_WEIGHTS = 2**28


def build_network(settings: CNNSettings, classes: int) -> "FaceNetwork":
    """Return a network of the architecture that the settings name, with random weights.

    Raises
    ------
    SettingsError
        If the settings leave a layer without rows, or have more weights than memory may hold.
    """
    kind = ResidualNetwork if settings.architecture == "residual" else PublishedNetwork
    _check_size(kind, settings, classes)
    return kind(settings, classes)


def _check_size(
    kind: "type[ResidualNetwork | PublishedNetwork]", settings: CNNSettings, classes: int
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


def new_network(settings: CNNSettings, classes: int, seed: int) -> "FaceNetwork":
    """Return a network whose first weights `seed` decides; the random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build_network(settings, classes)


class FaceNetwork(nn.Module):
    """What all architectures have in common: gray faces in, taps and logits out.

    Attributes
    ----------
    settings : CNNSettings
        What it was built by.
    is_hurried : bool
        Whether views of the face that only refine a prediction are left out, as while it is
        trained.
    """

    settings: CNNSettings
    is_hurried: bool = False

    def taps(self, images: Tensor) -> dict[str, Tensor]:
        """Return what each tap gives to the trees.

        Parameters
        ----------
        images : Tensor, shape (n, 48, 48)
            Gray values from 0 to 255, of any numeric type.

        Returns
        -------
        dict of str to Tensor, shape (n, width)
            The last hidden layers by name, ``output`` after the softmax, and ``logits``, which the
            softmax is taken of.
        """
        raise NotImplementedError

    def convolve(self, images: Tensor) -> list[tuple[str, Tensor]]:
        """Return the names and maps, shape (n, channels, side, side), of the layers with maps.

        Parameters
        ----------
        images : Tensor, shape (n, 48, 48)
            Gray values from 0 to 255, of any numeric type.
        """
        raise NotImplementedError

    def last_maps(self, images: Tensor) -> Tensor:
        """Return the maps of the last layer that still tells where in the face something is.

        Parameters
        ----------
        images : Tensor, shape (n, 48, 48)
            Gray values from 0 to 255, of any numeric type.

        Returns
        -------
        Tensor, shape (n, channels, side, side)
            What `logits_of_maps` needs, and nothing else.
        """
        raise NotImplementedError

    def logits_of_maps(self, maps: Tensor) -> Tensor:
        """Return the logits, shape (n, classes), float32, of what `last_maps` returned."""
        raise NotImplementedError

    def first_filters(self) -> NDArray[np.float32]:
        """Return the filters of the first convolution, shape (filters, height, width)."""
        raise NotImplementedError

    def penalty(self) -> Tensor:
        """Return the sum of the squared weights that L2 regularisation weighs."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, shape (n, classes), float32, of images (n, 48, 48) from 0 to 255."""
        return self.taps(images)["logits"]

    def parameter_count(self) -> int:
        """Return the number of trained values."""
        return sum(math.prod(parameter.shape) for parameter in self.parameters())


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
