"""The network of dlib's face recognition."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from ferboost.cnn.viewed import ViewedNetwork, standardized
from ferboost.config import CNNSettings

__all__ = ["RecognitionNetwork"]

#: Channels and blocks of its stages. Each but the first halves the side.
_STAGES = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
# Faces enlarged to about what it was made for: the network has 150 pixels, and halves them often.
_SIDE = 144


class RecognitionNetwork(ViewedNetwork):
    """A residual network of 29 convolutions that tells people apart (King, 2017).

    Made for faces of 150 x 150 pixels, to 144 x 144 of which the image is enlarged. Its weights can
    be those that learnt three million faces, see `ferboost.cnn.recognition_weights`.

    Parameters
    ----------
    settings : CNNSettings
    classes : int
        Width of the output layer.

    References
    ----------
    .. [1] King, D. (2017). High quality face recognition with deep metric learning, and the network
       `dlib_face_recognition_resnet_model_v1`, in the public domain (CC0).
    """

    def __init__(self, settings: CNNSettings, classes: int) -> None:
        super().__init__(settings)
        wide = _STAGES[0][0]
        self.stem = _Convolution(1, wide, 7, 2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.stages = nn.ModuleList()
        side = _SIDE // 4
        for depth, (width, count) in enumerate(_STAGES):
            blocks = []
            for number in range(count):
                halve = depth > 0 and number == 0
                blocks.append(_Block(wide, width, odd=bool(side % 2) if halve else None))
                side = (side + 1) // 2 if halve else side
                wide = width
            self.stages.append(nn.Sequential(*blocks))
        self._add_output(wide, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    @override
    def first_filters(self) -> NDArray[np.float32]:
        weight: Tensor = self.stem.convolution.weight
        return np.asarray(weight.detach()[:, 0].cpu().numpy(), dtype=np.float32)

    def convolutions(self) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """Return every convolution with its normalisation, from the image up."""
        found = [module for module in self.modules() if isinstance(module, _Convolution)]
        return [(own.convolution, own.normalization) for own in found]

    @override
    def _enter(self, images: Tensor) -> Tensor:
        x = functional.interpolate(
            standardized(images), size=(_SIDE, _SIDE), mode="bilinear", align_corners=False
        )
        entered: Tensor = self.pool(functional.relu(self.stem(x)))
        return entered


class _Convolution(nn.Module):
    """A convolution and batch normalisation."""

    def __init__(self, wide_in: int, wide_out: int, side: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(wide_in, wide_out, side, stride, padding=side // 2, bias=False)
        self.normalization = nn.BatchNorm2d(wide_out)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.normalization(self.convolution(x))
        return y


class _Block(nn.Module):
    """Two convolutions, added to the input, which is halved and has channels of zeros if it must.

    `odd` says whether the side of a halved input is odd; None where it is not halved.
    """

    def __init__(self, wide_in: int, wide_out: int, *, odd: bool | None = None) -> None:
        super().__init__()
        self.first = _Convolution(wide_in, wide_out, stride=1 if odd is None else 2)
        self.second = _Convolution(wide_out, wide_out)
        self.odd = odd
        self.more = wide_out - wide_in

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(functional.relu(self.first(x), inplace=True))
        if self.odd:
            x = functional.pad(x, (0, 1, 0, 1))
        if self.odd is not None:
            x = functional.avg_pool2d(x, 2)
        if self.more:
            x = functional.pad(x, (0, 0, 0, 0, 0, self.more))
        return functional.relu(y + x, inplace=True)
