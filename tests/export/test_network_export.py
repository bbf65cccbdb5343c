"""Networks as ONNX nodes: whatever their layers are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ferboost.cnn.network import FaceNetwork
from ferboost.config import CNNSettings
from ferboost.errors import ExportError
from ferboost.export.graph import FACES, PROBABILITIES, Graph
from ferboost.export.network import add_network
from ferboost.export.parity import run_graph
from ferboost.features import tap_features
from tiny import cnn_settings, new_network

IMAGES = np.random.default_rng(5).integers(0, 256, (7, 48, 48), dtype=np.uint8)


class Stacked(FaceNetwork):
    """Convolutions with batch normalisation, in blocks that are added, and mean pooling."""

    def __init__(self, alter: Callable[[Tensor], Tensor] = functional.relu) -> None:
        super().__init__()
        self.alter = alter
        self.dropout = nn.Dropout(0.5)
        self.first = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6))
        self.second = nn.Sequential(nn.Conv2d(6, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.skip = nn.Identity()
        self.head = nn.Linear(6, 3, bias=False)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                nn.init.uniform_(module.running_mean, -0.1, 0.1)
                nn.init.uniform_(module.running_var, 0.5, 1.5)

    def _pooled(self, images: Tensor) -> Tensor:
        x = functional.pixel_unshuffle((images.float() / 255 - 0.5)[:, None], 2)
        x = self.alter(self.first(x))
        x = self.second(x) + functional.avg_pool2d(self.skip(x), 2)
        return functional.max_pool2d(x, 2).mean(dim=(2, 3))

    def taps(self, images: Tensor) -> dict[str, Tensor]:
        pooled = (self._pooled(images) + self._pooled(images.flip(-1))) / 2
        logits = self.head(self.dropout(pooled))
        return {"pooled": pooled, "output": logits.softmax(dim=1), "logits": logits}


def assert_alike(network: FaceNetwork) -> None:
    graph = Graph()
    taps = add_network(graph, network, FACES)
    expected = tap_features(network, IMAGES, list(taps))
    for tap, value in taps.items():
        graph.name_output(value, f"{PROBABILITIES}-{tap}")
        found = run_graph(graph.model([f"{PROBABILITIES}-{tap}"]), IMAGES)[0]
        np.testing.assert_allclose(found, expected[tap], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pooling": "average", "padding": "zero"},
        {"pooling": "none", "stride": 3},
        {"kernel_size": 5, "pool_size": 3},
    ],
)
def test_every_tap_of_the_published_network_comes_out_alike(changes: dict[str, Any]) -> None:
    assert_alike(new_network(cnn_settings(**changes)))


@pytest.mark.parametrize("views", [{}, {"mirror": True}, {"mirror": True, "shift": 3}])
def test_every_tap_of_the_residual_network_comes_out_alike(views: dict[str, Any]) -> None:
    changes: dict[str, Any] = {"architecture": "residual", "filters": (4, 6)}
    assert_alike(new_network(CNNSettings(**changes, **views)))


def test_another_architecture_comes_out_alike() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = Stacked()
    assert_alike(network)


def test_what_has_no_translation_is_refused_by_name() -> None:
    with pytest.raises(ExportError, match="the network uses elu, which cannot be exported"):
        add_network(Graph(), Stacked(functional.elu), FACES)
