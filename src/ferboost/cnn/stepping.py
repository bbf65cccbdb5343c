"""One step of a training, recorded once and replayed where it runs on a GPU."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ferboost.cnn.face_network import FaceNetwork
from ferboost.cnn.group import Group
from ferboost.cnn.muon import Muon
from ferboost.cnn.precision import Precision
from ferboost.cnn.recording import aside, record
from ferboost.config import CNNSettings

__all__ = ["TrainingStep", "mean_cross_entropy", "new_optimizer"]

# Steps taken with a batch of some shape before one is recorded: in them, kernels are chosen and
# moments made.
_FIRST_STEPS = 3
# Muon's step size is a share of the update's norm; plain momentum, a multiple of the gradient.
_PLAIN_SHARE = 5.0


class TrainingStep:
    """Forward pass, loss, gradients, optimizer and moving average, for one batch.

    A small network's step is some thousand kernels, which a GPU runs faster than Python starts
    them. There, a step is recorded as a CUDA graph and replayed, which takes one call. A group of
    processes starts the kernels one by one.

    Parameters
    ----------
    network, averaged : FaceNetwork
        What is trained, and the moving average of its weights; the same where none is taken.
    optimizer : Optimizer
    settings : CNNSettings
    precision : Precision
    group : Group
    teachers : sequence of FaceNetwork
        What they say of each batch, on average, is learnt beside the labels.

    Attributes
    ----------
    sums : Tensor of float64, shape (2,)
        Sums over this process's images of the loss with its penalty, and of right verdicts.
    """

    def __init__(
        self,
        network: FaceNetwork,
        averaged: FaceNetwork,
        optimizer: torch.optim.Optimizer,
        *,
        settings: CNNSettings,
        precision: Precision,
        group: Group,
        teachers: Sequence[FaceNetwork] = (),
    ) -> None:
        self._network = network
        self._averaged = averaged
        self._shared = group.share(network)
        self._optimizer = optimizer
        self._settings = settings
        self._precision = precision
        self._group = group
        self._teachers = teachers
        self._records = precision.device == "cuda" and group.size == 1
        self._taken: Counter[torch.Size] = Counter()
        self._recorded: dict[torch.Size, tuple[dict[str, Tensor], Callable[[], None]]] = {}
        self.sums = torch.zeros(2, dtype=torch.float64, device=precision.device)
        self._share = torch.zeros((), device=precision.device)
        if self._records:
            for tuned in optimizer.param_groups:
                tuned["lr"] = torch.tensor(tuned["lr"], device=precision.device)

    def take(self, batch: Mapping[str, Tensor], *, rate: float, share: float) -> None:
        """Take a step.

        Parameters
        ----------
        batch : mapping of str to Tensor
            ``images``, ``labels`` and, where they are learnt, ``beliefs`` and ``votes``, as in
            `LabelledImages`, of all processes.
        rate : float
            Share of the greatest step size.
        share : float
            Share that the moving average takes of the new weights.
        """
        self._share.fill_(share)
        for tuned in self._optimizer.param_groups:
            if self._records:
                tuned["lr"].fill_(tuned["initial_lr"] * rate)
            else:
                tuned["lr"] = tuned["initial_lr"] * rate
        if not self._records:
            self._step(batch)
            return
        shape = batch["images"].shape
        if shape not in self._recorded:
            self._taken[shape] += 1
            if self._taken[shape] <= _FIRST_STEPS:
                with aside():
                    self._step(batch)
                return
            kept = {name: tensor.clone() for name, tensor in batch.items()}
            self._recorded[shape] = kept, record(lambda: self._step(kept))
        kept, replay = self._recorded[shape]
        for name, tensor in batch.items():
            kept[name].copy_(tensor)
        replay()

    def _step(self, batch: Mapping[str, Tensor]) -> None:
        count = len(batch["images"])
        part, own = self._group.part(count)
        mine = {name: tensor[part] for name, tensor in batch.items()}
        with self._precision.autocast():
            logits = self._shared(mine["images"])
        if "votes" in mine:
            logits, opinions = logits.tensor_split(
                [logits.shape[1] - mine["votes"].shape[1]], dim=1
            )
        entropy = mean_cross_entropy(
            logits, mine["labels"], mine.get("beliefs"), self._settings.label_smoothing
        )
        if self._teachers:
            said = _entropy_of_shares(logits, self._ask_teachers(mine["images"]))
            entropy = torch.lerp(entropy, said, self._settings.taught)
        penalty = self._settings.l2 * self._network.penalty()
        loss = entropy
        if "votes" in mine:
            loss = loss + self._settings.votes * _entropy_of_shares(opinions, mine["votes"])
        self._optimizer.zero_grad()
        # The mean of the gradients over the group becomes that of the whole batch.
        torch.autograd.backward(own * self._group.size / count * loss + penalty)
        self._optimizer.step()
        if self._averaged is not self._network:
            self._move_average()
        if own:
            right = (logits.argmax(dim=1) == mine["labels"]).sum()
            self.sums += torch.stack(((entropy + penalty).detach().double() * own, right.double()))

    @torch.no_grad()
    def _ask_teachers(self, images: Tensor) -> Tensor:
        """Return the mean of their probabilities, shape (n, classes)."""
        with self._precision.autocast():
            logits = [teacher(images) for teacher in self._teachers]
        return torch.stack(logits).softmax(dim=2).mean(dim=0)

    @torch.no_grad()
    def _move_average(self) -> None:
        """Move the averaged weights towards the current ones."""
        pairs = (self._averaged.state_dict(), self._network.state_dict())
        for old, new in zip(*(weights.values() for weights in pairs), strict=True):
            if old.is_floating_point():
                old.lerp_(new, self._share)
            else:
                old.copy_(new)


def new_optimizer(network: FaceNetwork, settings: CNNSettings) -> torch.optim.Optimizer:
    """Return the optimizer, whose groups carry the greatest step size as ``initial_lr``."""
    rate = settings.learning_rate
    optimizer: torch.optim.Optimizer
    if settings.optimizer == "muon":
        optimizer = Muon(network, rate, rate * _PLAIN_SHARE, settings.weight_decay)
    else:
        capturable = next(network.parameters()).is_cuda
        optimizer = torch.optim.Adam(
            network.parameters(), lr=rate, eps=1e-7, fused=True, capturable=capturable
        )
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def mean_cross_entropy(
    logits: Tensor, labels: Tensor, beliefs: Tensor | None, smoothing: float
) -> Tensor:
    """Return the mean cross-entropy; with beliefs, weighted by what each row of them sums to."""
    if beliefs is None:
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    weights = beliefs.sum(dim=1)
    shares = beliefs / weights.clamp_min(torch.finfo(beliefs.dtype).tiny)[:, None]
    each = functional.cross_entropy(logits, shares, label_smoothing=smoothing, reduction="none")
    return (each * weights).mean()


def _entropy_of_shares(logits: Tensor, shares: Tensor) -> Tensor:
    """Return the mean cross-entropy; images whose shares are zero add nothing."""
    return -(shares * logits.log_softmax(dim=1)).sum(dim=1).mean()
