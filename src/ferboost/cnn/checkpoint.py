"""The state of a training between two epochs, in one safetensors file."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from ferboost.curves import EpochRecord
from ferboost.errors import RunError
from ferboost.files import write_bytes

__all__ = [
    "TrainingState",
    "copy_weights",
    "load_state",
    "load_weights",
    "save_state",
    "save_weights",
]


@dataclass
class TrainingState:
    """What has to be kept so that a training goes on as if it had not been interrupted.

    Attributes
    ----------
    history : list of EpochRecord
        One for each finished epoch.
    best_epoch : int
        The epoch with the lowest validation loss so far, from 1; 0 before the first.
    best_loss : float
        Its validation loss.
    best_weights : dict of str to Tensor
        Its weights.
    averaged : dict of str to Tensor
        The moving average of the weights; empty where none is taken.
    """

    history: list[EpochRecord]
    best_epoch: int
    best_loss: float
    best_weights: dict[str, Tensor]
    averaged: dict[str, Tensor] = field(default_factory=dict)


def save_state(
    path: Path, identity: str, state: TrainingState, network: nn.Module, optimizer: Optimizer
) -> None:
    """Write the state, the current weights and the optimizer's moments to `path` atomically.

    Parameters
    ----------
    identity : str
        What the training is of (settings, seed, data); `load_state` refuses any other.
    """
    tensors = {f"network.{name}": t for name, t in network.state_dict().items()}
    tensors |= {f"best.{name}": t for name, t in state.best_weights.items()}
    tensors |= {f"averaged.{name}": t for name, t in state.averaged.items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": t for name, t in moments.items()}
    metadata = {
        "identity": identity,
        "history": json.dumps([asdict(record) for record in state.history]),
        "best_epoch": str(state.best_epoch),
        "best_loss": repr(state.best_loss),
    }
    _save(path, tensors, metadata)


def load_state(
    path: Path, identity: str, network: nn.Module, optimizer: Optimizer
) -> TrainingState | None:
    """Restore `network` and `optimizer` in place from `path`; None where there is no such file.

    Raises
    ------
    RunError
        If the file is damaged, or of another training.
    """
    if not path.exists():
        return None
    tensors, metadata = _load(path)
    if metadata.get("identity") != identity:
        raise RunError(
            f"{path} is the state of a training with other settings, data or machine; "
            "start a new run"
        )
    try:
        network.load_state_dict(_below(tensors, "network."))
        _restore_moments(optimizer, _below(tensors, "optimizer."))
        return TrainingState(
            history=[EpochRecord(**record) for record in json.loads(metadata["history"])],
            best_epoch=int(metadata["best_epoch"]),
            best_loss=float(metadata["best_loss"]),
            best_weights=_below(tensors, "best."),
            averaged=_below(tensors, "averaged."),
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise RunError(f"{path} is damaged; remove it to train this CNN anew") from error


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Write the weights of a trained network to `path` atomically."""
    _save(path, weights, {})


def load_weights(path: Path, network: nn.Module) -> None:
    """Read weights into `network` in place.

    Raises
    ------
    RunError
        If the file is missing, damaged, or of another network.
    """
    try:
        network.load_state_dict(_load(path)[0])
    except RuntimeError as error:
        raise RunError(f"{path} holds the weights of another network; restore the run") from error


def _restore_moments(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, moment = name.partition(".")
        moments.setdefault(int(index), {})[moment] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    for parameter, restored in optimizer.state.items():
        for name, tensor in restored.items():
            if tensor.shape == parameter.shape:
                # The fused Adam pairs values by their place in memory, whatever the strides say.
                restored[name] = torch.empty_like(parameter).copy_(tensor)


def _save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(plain, metadata))  # save_file reports a full disk as its own error


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise RunError(f"cannot read the weights {path} ({error}); restore the run") from error


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def copy_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the network's weights."""
    return {name: torch.clone(tensor) for name, tensor in network.state_dict().items()}
