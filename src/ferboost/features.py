"""What the trees see: taps of a network, pixels, descriptors, alone or joined."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from ferboost.centres import ClassCentres
from ferboost.cnn.network import FaceNetwork
from ferboost.cnn.precision import choose_device
from ferboost.config import Views
from ferboost.datasets.dataset import IMAGE_SIZE
from ferboost.descriptors import hog_features, lbp_features, word_features
from ferboost.errors import SettingsError
from ferboost.variants import (
    CNN,
    STACKED,
    groups_of,
    is_averaged,
    is_distance,
    is_residual,
    layer_of,
    measured_of,
    tap_of,
)
from ferboost.views import view_faces, views_of

__all__ = [
    "PIXEL_SIDE",
    "FeatureSource",
    "feature_matrix",
    "group_features",
    "join_features",
    "needs_network",
    "pixel_features",
    "tap_features",
]

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
        Put into evaluation mode and channels last. It runs on a GPU where there is one, and is
        moved there meanwhile.
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
    with _moved(network, choose_device()):
        for start, outputs in _batches(network, images):
            for tap in taps:
                values = outputs[tap].float().cpu().numpy()
                if tap not in arrays:
                    arrays[tap] = np.empty((len(images), values.shape[1]), dtype=np.float32)
                arrays[tap][start : start + len(values)] = values
    return arrays


@contextmanager
def _moved(network: FaceNetwork, device: str) -> Iterator[None]:
    """Have the network on another device meanwhile, where float32 is what it says."""
    home = next(network.parameters()).device
    network.to(device)
    try:
        whole = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with whole if device == "cuda" else nullcontext():
            yield
    finally:
        network.to(home)


@dataclass(frozen=True, eq=False)
class FeatureSource:
    """What features of an image are made with, beside the image.

    Attributes
    ----------
    network : FaceNetwork or None
        None where no group is of a layer.
    views : {"mirror", "jitter"}
        What layers are averaged over; see `ferboost.views.views_of`.
    centres : mapping of str to ClassCentres
        By the group that distances are measured in.
    stacked : tuple of FaceNetwork
        Other networks, whose logits are the group ``"stacked"``.
    """

    network: FaceNetwork | None
    views: Views = "mirror"
    centres: Mapping[str, ClassCentres] = field(default_factory=dict)
    stacked: tuple[FaceNetwork, ...] = ()

    def networks(self, variant: str) -> tuple[FaceNetwork, ...]:
        """Return the networks that a variant needs: the one above, those that are stacked."""
        needed = variant == CNN or is_residual(variant) or needs_network(tap_of(variant))
        below = self.stacked if variant != CNN and STACKED in groups_of(tap_of(variant)) else ()
        return ((self.network,) if needed and self.network is not None else ()) + below


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
        A feature group, or several joined by ``+``: ``"pixels"``, ``"hog"``, ``"lbp"``,
        ``"words"``, and what `tap_features` knows.

    Returns
    -------
    ndarray of float32, shape (n, width)

    Raises
    ------
    SettingsError
        If the tap needs a network and there is none.
    """
    return join_features(group_features(FeatureSource(network), images, groups_of(tap)), tap)


def needs_network(tap: str) -> bool:
    """Say whether a tap holds a layer of a network."""
    others = {*_IMAGE_FEATURES, STACKED}
    return any(layer_of(group) not in others for group in groups_of(tap))


def group_features(
    source: FeatureSource,
    images: NDArray[np.uint8],
    groups: Collection[str],
    members: NDArray[np.int64] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Return feature groups by name, the network run once for all of its layers.

    Parameters
    ----------
    source : FeatureSource
    images : ndarray of uint8, shape (n, 48, 48)
    groups : collection of str
    members : ndarray of int64, shape (n,), optional
        The labels of the images, where the class centres are means of these very images.

    Raises
    ------
    SettingsError
        If a group needs a network, or several, and there is none.
    """
    features = {
        group: _IMAGE_FEATURES[group](images) for group in groups if group in _IMAGE_FEATURES
    }
    if STACKED in groups:
        features[STACKED] = _stacked(source.stacked, images)
    of_network = [group for group in groups if group not in features]
    if not of_network:
        return features
    if source.network is None:
        raise SettingsError(f"the tap {of_network[0]!r} is a layer of a network, and there is none")
    values = _layers(source.network, source.views, images, set(map(measured_of, of_network)))
    for group in of_network:
        measured = values[measured_of(group)]
        if is_distance(group):
            features[group] = source.centres[measured_of(group)].distances(measured, members)
        else:
            features[group] = measured
    return features


def _stacked(networks: Collection[FaceNetwork], images: NDArray[np.uint8]) -> NDArray[np.float32]:
    if not networks:
        raise SettingsError(
            f"the tap {STACKED!r} is of other runs' networks, and there are none; trees.stacked "
            "names them"
        )
    return np.hstack([tap_features(own, images, ["logits"])["logits"] for own in networks])


def _layers(
    network: FaceNetwork, kind: Views, images: NDArray[np.uint8], groups: Collection[str]
) -> dict[str, NDArray[np.float32]]:
    """Return layers, and those that are averaged over views."""
    averaged = {group: layer_of(group) for group in groups if is_averaged(group)}
    plain = [group for group in groups if group not in averaged]
    first = tap_features(network, images, {*plain, *averaged.values()})
    features = {layer: first[layer] for layer in plain}
    if not averaged:
        return features
    views = views_of(kind)
    sums = {group: first[layer].copy() for group, layer in averaged.items()}
    for view in views[1:]:
        seen = tap_features(network, view_faces(images, view), set(averaged.values()))
        for group, layer in averaged.items():
            sums[group] += seen[layer]
    return features | {group: total / np.float32(len(views)) for group, total in sums.items()}


def join_features(features: Mapping[str, NDArray[np.float32]], tap: str) -> NDArray[np.float32]:
    """Return the groups that a tap names, side by side, float32 of shape (n, width)."""
    parts = [features[group] for group in groups_of(tap)]
    return parts[0] if len(parts) == 1 else np.hstack(parts)


_IMAGE_FEATURES = {
    "pixels": pixel_features,
    "hog": hog_features,
    "lbp": lbp_features,
    "words": word_features,
}


@torch.inference_mode()
def _batches(
    network: FaceNetwork, images: NDArray[np.uint8]
) -> Iterator[tuple[int, dict[str, torch.Tensor]]]:
    device = next(network.parameters()).device
    for start in range(0, max(len(images), 1), _BATCH):
        # A copy, since torch refuses mirrored arrays and warns of read-only ones.
        batch = torch.from_numpy(images[start : start + _BATCH].copy())
        yield start, network.taps(batch.to(device))
