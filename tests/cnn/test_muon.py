"""Muon orthogonalises the updates of convolutions, and follows plain momentum elsewhere."""

import pytest
import torch
from torch import nn

from ferboost.cnn.muon import Muon


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(8, 16, 3), nn.Flatten(), nn.Linear(16, 2))


def filters_of(net: nn.Sequential) -> nn.Parameter:
    return net.get_parameter("0.weight")


def backward(net: nn.Sequential) -> None:
    net(torch.randn(4, 8, 3, 3)).square().sum().backward()


@pytest.mark.parametrize("filters", [4, 16, 100])
def test_the_first_step_of_a_convolution_has_nearly_equal_singular_values(filters: int) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(8, filters, 3, bias=False), nn.Flatten())
    filters_of(net).grad = torch.randn_like(filters_of(net))
    before = filters_of(net).detach().clone()
    Muon(net, lr=0.5, plain_lr=1.0, weight_decay=0.0).step()
    moved = (before - filters_of(net).detach()) / 0.5
    values = torch.linalg.svdvals(moved.permute(0, 2, 3, 1).reshape(filters, -1))
    scale = max(1.0, filters / 72) ** 0.5
    assert values.min() / scale > 0.5
    assert values.max() / scale < 1.4


def test_the_other_parameters_follow_nesterov_momentum() -> None:
    net, other = network(), network()
    muon = Muon(net, lr=0.0, plain_lr=0.1, weight_decay=0.0)
    others = list(other.parameters())[1:]
    plain = torch.optim.SGD(others, lr=0.1, momentum=0.9, nesterov=True)
    for seed in range(3):
        for module, optimizer in ((net, muon), (other, plain)):
            torch.manual_seed(seed)
            module.zero_grad()
            backward(module)
            optimizer.step()
    assert torch.allclose(net.get_parameter("2.weight"), other.get_parameter("2.weight"), atol=1e-6)


def test_weight_decay_shrinks_convolutions_alone() -> None:
    net = network()
    before = [p.detach().clone() for p in net.parameters()]
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    Muon(net, lr=0.1, plain_lr=0.1, weight_decay=0.5).step()
    assert torch.allclose(filters_of(net), before[0] * 0.95)
    assert torch.equal(net.get_parameter("2.weight"), before[2])


def test_a_parameter_without_gradient_stays() -> None:
    net = network()
    before = filters_of(net).detach().clone()
    Muon(net, lr=0.1, plain_lr=0.1, weight_decay=0.5).step()
    assert torch.equal(filters_of(net), before)
