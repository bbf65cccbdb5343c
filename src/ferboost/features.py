"""What the trees see: taps of a network, or the image at 8 x 8 pixels."""

from collections.abc import Collection, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from ferboost.cnn.network import FaceNetwork
from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.errors import SettingsError

__all__ = ["PIXEL_SIDE", "feature_matrix", "pixel_features", "tap_features"]

#: Side of the image that the trees on pixels see.
PIXEL_SIDE = 8

_BATCH = 512


def pixel_features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Downscale images to 8 x 8 by the mean of each 6 x 6 block.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 48, 48)

    Returns
    -------
    ndarray of float32, shape (n, 64)
        Gray values from 0 to 255.
    """
    block = IMAGE_SIZE // PIXEL_SIDE
    blocks = images.reshape(len(images), PIXEL_SIDE, block, PIXEL_SIDE, block)
    means: NDArray[np.float32] = blocks.mean(axis=(2, 4), dtype=np.float32)
    return means.reshape(len(images), PIXEL_SIDE**2)


def tap_features(
    network: FaceNetwork, images: NDArray[np.uint8], taps: Collection[str]
) -> dict[str, NDArray[np.float32]]:
    """Run images through a network in float32, and return what the taps give.

    float32 whatever the training used, since an exported model computes in it and a threshold of a
    tree must fall on the same side there.

    Parameters
    ----------
    network : FaceNetwork
        Put into evaluation mode and channels last, on its own device.
    images : ndarray of uint8, shape (n, 48, 48)
    taps : collection of str
        Any of ``flatten``, ``fc1``, ``fc2``, ``output`` and ``logits``.

    Returns
    -------
    dict of str to ndarray of float32, shape (n, width)
    """
    # float32 convolutions take half the time with channels last, and round differently: one layout
    # for all, so that a value near a threshold of a tree falls on the same side always.
    network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    arrays: dict[str, NDArray[np.float32]] = {}
    for start, outputs in _batches(network, images):
        for tap in taps:
            values = outputs[tap].float().cpu().numpy()
            if tap not in arrays:
                arrays[tap] = np.empty((len(images), values.shape[1]), dtype=np.float32)
            arrays[tap][start : start + len(values)] = values
    return arrays


def feature_matrix(
    network: FaceNetwork | None, images: NDArray[np.uint8], tap: str
) -> NDArray[np.float32]:
    """Return what the trees on one tap see.

    Parameters
    ----------
    network : FaceNetwork or None
        ``"pixels"`` needs none.
    images : ndarray of uint8, shape (n, 48, 48)
    tap : str
        ``"pixels"``, or one that `tap_features` knows.

    Returns
    -------
    ndarray of float32, shape (n, width)

    Raises
    ------
    SettingsError
        If the tap needs a network and there is none.
    """
    if tap == "pixels":
        return pixel_features(images)
    if network is None:
        raise SettingsError(f"the tap {tap!r} is a layer of a network, and there is none")
    return tap_features(network, images, [tap])[tap]


@torch.inference_mode()
def _batches(
    network: FaceNetwork, images: NDArray[np.uint8]
) -> Iterator[tuple[int, dict[str, torch.Tensor]]]:
    device = next(network.parameters()).device
    for start in range(0, max(len(images), 1), _BATCH):
        # A copy, since torch refuses mirrored arrays and warns of read-only ones.
        batch = torch.from_numpy(images[start : start + _BATCH].copy())
        yield start, network.taps(batch.to(device))
