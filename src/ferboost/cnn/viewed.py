"""A network that looks at several views of a face."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from typing_extensions import override

from ferboost.cnn.face_network import FaceNetwork
from ferboost.config import CNNSettings
from ferboost.datasets.dataset import IMAGE_SIZE

__all__ = ["GRAY_DEVIATION", "GRAY_MEAN", "ViewedNetwork", "standardized"]

#: Mean and standard deviation of the gray values of FER-2013's training images, from 0 to 1.
GRAY_MEAN, GRAY_DEVIATION = 0.508, 0.255

# The maps of a third stage have 6 x 6 or 9 x 9 places, those of the next 3 x 3 or 5 x 5.
_PLACED_STAGES = 3


class ViewedNetwork(FaceNetwork):
    """Convolutions, global average pooling and an output layer, over views of the face.

    Its taps are ``pooled``, the means of the last maps, and ``output``. Where the settings say
    ``mirror``, both are the means over the image and its mirror image when the network is in
    evaluation mode, and with ``shift`` over four shifted ones, too, half of them mirrored.

    Parameters
    ----------
    settings : CNNSettings
    """

    dropout: nn.Dropout
    output: nn.Linear
    stages: nn.ModuleList
    _later: Tensor
    _earlier: Tensor

    def __init__(self, settings: CNNSettings) -> None:
        super().__init__()
        self.settings = settings
        self.mirror = settings.mirror
        self._shifts = bool(settings.shift)
        places = torch.arange(IMAGE_SIZE)
        for name, by in (("_later", settings.shift), ("_earlier", -settings.shift)):
            moved = (places + by).clamp(0, IMAGE_SIZE - 1)
            self.register_buffer(name, moved, persistent=False)

    def _add_output(self, width: int, classes: int) -> None:
        """Add what comes after the convolutions, whose last maps have so many channels."""
        self.dropout = nn.Dropout(self.settings.dropout)
        self.output = nn.Linear(width, classes)

    def _enter(self, images: Tensor) -> Tensor:
        """Return what the first stage is given of one view."""
        raise NotImplementedError

    @override
    def convolve(self, images: Tensor) -> list[tuple[str, Tensor]]:
        x = self._enter(images)
        layers = [("conv1", x)]
        for depth, stage in enumerate(self.stages, start=1):
            x = stage(x)
            layers.append((f"stage{depth}", x))
        return layers

    def _maps_below(self, images: Tensor) -> Tensor:
        """Return the last maps that tell where in the face something is, of one view."""
        x = self._enter(images)
        for stage in self.stages[:_PLACED_STAGES]:
            x = stage(x)
        return x

    def _pool_above(self, maps: Tensor) -> Tensor:
        """Return the means of the last maps, float32, of what `_maps_below` returned."""
        for stage in self.stages[_PLACED_STAGES:]:
            maps = stage(maps)
        return maps.float().mean(dim=(2, 3))

    @override
    def last_maps(self, images: Tensor) -> Tensor:
        # A mirrored view's maps are turned back, so that a place in them is one of the face.
        maps = [self._maps_below(view) for view in self._views(images)]
        return torch.cat(_mirror_every_second(maps), dim=1)

    @override
    def logits_of_maps(self, maps: Tensor) -> Tensor:
        views = _mirror_every_second(maps.chunk(self._view_count, dim=1))
        return self._logits(torch.stack([self._pool_above(view) for view in views]).mean(dim=0))

    @override
    def taps(self, images: Tensor) -> dict[str, Tensor]:
        pooled = self.convolve(torch.cat(self._views(images)))[-1][1].float().mean(dim=(2, 3))
        pooled = pooled.reshape(self._view_count, -1, self.output.in_features).mean(0)
        logits = self._logits(pooled)
        return {"pooled": pooled, "output": logits.softmax(dim=1), "logits": logits}

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


def standardized(images: Tensor) -> Tensor:
    """Return gray values from 0 to 255 with about mean 0 and deviation 1, shape (n, 1, 48, 48)."""
    return ((images.float() / 255 - GRAY_MEAN) / GRAY_DEVIATION)[:, None]


def _mirror_every_second(views: Sequence[Tensor]) -> list[Tensor]:
    return [view.flip(-1) if k % 2 else view for k, view in enumerate(views)]
