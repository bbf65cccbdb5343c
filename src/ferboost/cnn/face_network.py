"""What all networks have in common."""

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ferboost.config import CNNSettings

__all__ = ["FaceNetwork"]


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
