"""oneDNN's layout changes the speed of the layers, not their values."""

import pytest
import torch
from torch import Tensor

from ferboost.cnn import published
from ferboost.cnn.blocked import can_block
from ferboost.cnn.network import FaceNetwork
from ferboost.config import CNNSettings
from tiny import new_network

IMAGES = torch.randint(0, 256, (6, 48, 48), generator=torch.Generator().manual_seed(0))

VARIANTS = {
    "published": CNNSettings(dropout=0),
    "zero padding": CNNSettings(dropout=0, padding="zero", filters=(3, 5)),
    "stride 2": CNNSettings(dropout=0, stride=2, filters=(4,), kernel_size=5),
    "pooling 3": CNNSettings(dropout=0, pool_size=3, filters=(4, 8)),
}


def outcome(network: FaceNetwork) -> dict[str, Tensor]:
    """The logits and every gradient of a step in bfloat16."""
    network.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(IMAGES)
    logits.square().sum().backward()
    gradients = {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
    return {"logits": logits.detach(), **gradients}


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_and_gradients_are_those_of_the_plain_layers(
    variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        if not can_block(IMAGES):
            pytest.skip("this processor has no bfloat16 in oneDNN")
    network = new_network(VARIANTS[variant]).train()
    blocked = outcome(network)
    monkeypatch.setattr(published, "can_block", lambda _: False)
    plain = outcome(network)
    assert blocked.keys() == plain.keys()
    for name, expected in plain.items():
        scale = float(expected.abs().max())
        torch.testing.assert_close(blocked[name], expected, rtol=2**-6, atol=scale * 2**-6)


def test_float32_keeps_the_plain_layers() -> None:
    assert not can_block(IMAGES)
