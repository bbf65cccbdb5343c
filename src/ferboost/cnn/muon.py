"""Muon: momentum whose matrices are orthogonalised before a step."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ferboost.cnn.recording import parallel

__all__ = ["Muon"]

_MOMENTUM = 0.95
_PLAIN_MOMENTUM = 0.9
# Coefficients of the quintic iteration, chosen by Jordan et al. for the steepest slope at zero.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5


class Muon(Optimizer):
    """Orthogonalised momentum for convolutions, Nesterov momentum for everything else.

    The update of a convolution, as a matrix of (filters, inputs x height x width), is replaced by
    the nearest matrix with equal singular values, found by five Newton-Schulz iterations in
    bfloat16 (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024).
    ``torch.optim.Muon`` refuses parameters that are no matrices.

    Parameters
    ----------
    network : Module
        Its convolutions with more than four input channels are orthogonalised.
    lr : float
        Step size of the convolutions, as a share of the update's norm. A group's ``lr`` may later
        be a tensor, which a recorded step reads.
    plain_lr : float
        Step size of the other parameters.
    weight_decay : float
        A step of size ``lr`` takes ``lr * weight_decay`` of the convolutions' weights off.
    """

    def __init__(self, network: nn.Module, lr: float, plain_lr: float, weight_decay: float) -> None:
        matrices: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for parameter in network.parameters():
            wide = parameter.ndim == 4 and parameter.shape[1] > 4
            (matrices if wide else others).append(parameter)
        groups = [
            {"params": matrices, "lr": lr, "weight_decay": weight_decay, "orthogonal": True},
            {"params": others, "lr": plain_lr, "weight_decay": 0.0, "orthogonal": False},
        ]
        super().__init__([group for group in groups if group["params"]], {})
        self._streams: list[torch.cuda.Stream] = []

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Change the parameters by their gradients; `closure` is not supported."""
        if closure is not None:
            raise NotImplementedError("Muon takes no closure")
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            gradients = [parameter.grad for parameter in parameters]
            momenta = [self._momentum(parameter) for parameter in parameters]
            if group["orthogonal"]:
                updates = []
                for gradient, momentum in zip(gradients, momenta, strict=True):
                    momentum.lerp_(gradient, 1 - _MOMENTUM)
                    updates.append(gradient.lerp(momentum, _MOMENTUM))
                updates = parallel(_orthogonal, updates, self._streams)
                kept = 1 - group["lr"] * group["weight_decay"]
                for parameter in parameters:
                    parameter.mul_(kept)
            else:
                for gradient, momentum in zip(gradients, momenta, strict=True):
                    momentum.mul_(_PLAIN_MOMENTUM).add_(gradient)
                updates = [g + _PLAIN_MOMENTUM * m for g, m in zip(gradients, momenta, strict=True)]
            for parameter, update in zip(parameters, updates, strict=True):
                parameter.sub_(update.mul_(group["lr"]))

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"]
        return momentum


def _orthogonal(update: Tensor) -> Tensor:
    """Return the orthogonalised update of a convolution, scaled by its shape."""
    last = update.permute(0, 2, 3, 1)  # as it lies in memory with channels last
    matrix = last.reshape(len(update), -1)
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        squared = x @ x.T
        factor = torch.addmm(squared, squared, squared, beta=_B, alpha=_C)
        x = torch.addmm(x, factor, x, beta=_A)
    if tall:
        x = x.T
    scaled: Tensor = x.to(update.dtype) * max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
    return scaled.reshape(last.shape).permute(0, 3, 1, 2)
