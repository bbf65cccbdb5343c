"""The training loop."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ferboost.cnn.augmentation import GENTLE, PUBLISHED, STRONG, augment
from ferboost.cnn.checkpoint import TrainingState, copy_weights, load_state, save_state
from ferboost.cnn.curves import EpochRecord
from ferboost.cnn.group import Group, current_group, group_errors
from ferboost.cnn.memory import keep_freed_memory
from ferboost.cnn.muon import Muon
from ferboost.cnn.network import FaceNetwork, new_network
from ferboost.cnn.precision import Precision
from ferboost.config import CNNSettings
from ferboost.errors import RunError, TrainingDivergedError

__all__ = ["LabelledImages", "TrainingProgress", "follow", "train_network"]

_EVALUATION_BATCH = 512
_AUGMENTATIONS = {"published": PUBLISHED, "gentle": GENTLE, "strong": STRONG}
# Epochs of rising step size, where the schedule is a cosine.
_WARM_UP = 0.5
# Pixels a side of the images that the first epochs see, where the settings say so.
_SHRUNK_SIDE = 32
# Muon's step size is a share of the update's norm; plain momentum, a multiple of the gradient.
_PLAIN_SHARE = 5.0


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images as the loop takes them.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, 48, 48)
    labels : ndarray of int64, shape (n,)
    beliefs : ndarray of float32, shape (n, classes), or None
        What is learnt instead of the labels: a share for each class. An image counts as much as its
        row sums to, at most 1.
    targets : ndarray of float32, shape (n, classes), or None
        What trees learn instead of the labels; rows sum to 1.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    beliefs: NDArray[np.float32] | None = None
    targets: NDArray[np.float32] | None = None

    def select(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> "LabelledImages":
        """Return the images that `index` (a mask or positions) picks, in its order."""
        beliefs = None if self.beliefs is None else self.beliefs[index]
        targets = None if self.targets is None else self.targets[index]
        return LabelledImages(self.images[index], self.labels[index], beliefs, targets)


@dataclass(frozen=True)
class TrainingProgress:
    """What is told while an epoch runs: `images` of `images_total` done, means so far."""

    epoch: int
    images: int
    images_total: int
    loss: float
    accuracy: float


def _ignore(_news: object) -> None:
    """Take no notice."""


@group_errors()
def train_network(
    network: FaceNetwork,
    train: LabelledImages,
    validation: LabelledImages,
    settings: CNNSettings,
    precision: Precision,
    *,
    seed: int,
    state_path: Path | None = None,
    identity: str = "",
    on_progress: Callable[[TrainingProgress], None] = _ignore,
    on_epoch: Callable[[list[EpochRecord]], None] = _ignore,
) -> TrainingState:
    """Train `network`, and leave it with the weights that the settings say to keep.

    Losses are mean cross-entropies plus the L2 penalty, as Keras reports them. Where an average of
    the weights is taken, it is what is evaluated and kept. Every epoch draws
    its order, augmentation and dropout from a seed of its own, so that a training that goes on from
    the end of an epoch ends with the same weights as one that was never interrupted.

    In a `training_group`, the processes share the images of every step, and all come to the same
    weights. Batch normalisation goes by the images of each process, and dropout is drawn in each;
    but for them, one process would come to the same weights but for rounding.

    Parameters
    ----------
    network : FaceNetwork
        Changed in place.
    train, validation : LabelledImages
        The weights are fitted on the first and chosen by the second.
    settings : CNNSettings
    precision : Precision
    seed : int
    state_path : Path, optional
        Where the state is kept after every epoch, and where the training goes on from.
    identity : str
        What the training is of; a state with another identity is refused.
    on_progress : callable, optional
        Called after every step.
    on_epoch : callable, optional
        Called after every epoch, and once on resuming, with the history so far.

    Returns
    -------
    TrainingState

    Raises
    ------
    TrainingDivergedError
        If the loss is no longer a number.
    RunError
        If the state at `state_path` is damaged or of another training.
    """
    group = current_group()
    if group.size > 1 and group.leads:
        header = {
            "settings": settings.model_dump(mode="json"),
            "classes": cast("nn.Linear", network.get_submodule("output")).out_features,
            "precision": precision.to_dict(),
            "seed": seed,
            "state_path": None if state_path is None else str(state_path.resolve()),
            "identity": identity,
        }
        arrays = (validation.images, validation.labels, train.images, train.labels, train.beliefs)
        group.send(header, [array for array in arrays if array is not None])
    precision.place(network)
    optimizer = _optimizer(network, settings)
    state = None
    if state_path is not None:
        state = load_state(state_path, identity, network, optimizer)
        _check_same_state(group, state, state_path)
    if state is None:
        state = TrainingState([], 0, math.inf, {})
    else:
        on_epoch(state.history)
    judged = network
    if settings.averaging:
        judged = copy.deepcopy(network)
        if state.averaged:
            judged.load_state_dict(state.averaged)
    shared = group.share(network)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), keep_freed_memory():
        while not _is_finished(state, settings):
            epoch = len(state.history) + 1
            start = time.perf_counter()
            loss, accuracy = _train_epoch(
                network,
                judged,
                optimizer,
                train,
                group=group,
                shared=shared,
                settings=settings,
                precision=precision,
                seed=(seed, epoch),
                on_progress=on_progress,
            )
            group.average((network,) if judged is network else (network, judged))
            entropy, validation_accuracy = _evaluate(group, judged, validation, precision)
            penalty = settings.l2 * judged.penalty().item()
            validation_loss = entropy + penalty
            seconds = time.perf_counter() - start
            if not math.isfinite(loss + validation_loss):
                raise TrainingDivergedError(
                    f"the training diverged in epoch {epoch} (loss {loss}); lower "
                    f"cnn.learning_rate, now {settings.learning_rate}"
                )
            state.history.append(
                EpochRecord(
                    epoch, loss, accuracy, validation_loss, validation_accuracy, seconds, penalty
                )
            )
            if settings.keep == "last" or validation_loss < state.best_loss:
                state.best_epoch, state.best_loss = epoch, validation_loss
                state.best_weights = copy_weights(judged)
            if settings.averaging:
                state.averaged = copy_weights(judged)
            if state_path is not None and group.leads:
                save_state(state_path, identity, state, network, optimizer)
            on_epoch(state.history)
    network.load_state_dict(state.best_weights)
    return state


@group_errors()
def follow(group: Group) -> None:
    """Train along with the first process of a `training_group` whatever it trains."""
    while (sent := group.receive()) is not None:
        header, (validation_images, validation_labels, *train) = sent
        settings = CNNSettings.model_validate(header["settings"])
        path = header["state_path"]
        train_network(
            new_network(settings, header["classes"], header["seed"]),
            LabelledImages(*train),
            LabelledImages(validation_images, validation_labels),
            settings,
            Precision(**header["precision"]),
            seed=header["seed"],
            state_path=None if path is None else Path(path),
            identity=header["identity"],
        )


def _check_same_state(group: Group, state: TrainingState | None, path: Path) -> None:
    """Check that all processes go on from the same epoch."""
    epochs = 0 if state is None else len(state.history)
    if group.sum((epochs,))[0] != epochs * group.size:
        raise RunError(
            f"not every process can read {path.parent}; put the run on a disk that all machines "
            "of the training share"
        )


def _optimizer(network: FaceNetwork, settings: CNNSettings) -> torch.optim.Optimizer:
    """Return the optimizer, whose groups carry the greatest step size as ``initial_lr``."""
    rate = settings.learning_rate
    optimizer: torch.optim.Optimizer
    if settings.optimizer == "muon":
        optimizer = Muon(network, rate, rate * _PLAIN_SHARE, settings.weight_decay)
    else:
        optimizer = torch.optim.Adam(network.parameters(), lr=rate, eps=1e-7, fused=True)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def _rate_factor(step: int, steps_per_epoch: int, settings: CNNSettings) -> float:
    """Return the share of the greatest step size that a step takes; `step` counts from 0."""
    if settings.schedule == "constant":
        return 1.0
    warm_up = min(1.0, step / (_WARM_UP * steps_per_epoch))
    return warm_up * (1 + math.cos(math.pi * step / (settings.epochs * steps_per_epoch))) / 2


@torch.no_grad()
def _move_average(averaged: FaceNetwork, network: FaceNetwork, keep: float, step: int) -> None:
    """Move the averaged weights towards the current ones; faster at first, when all is new."""
    share = 1 - min(keep, (1 + step) / (10 + step))
    for old, new in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, share)
        else:
            old.copy_(new)


def _is_finished(state: TrainingState, settings: CNNSettings) -> bool:
    epochs = len(state.history)
    if settings.patience is None or not epochs:
        return epochs >= settings.epochs
    lowest = min(state.history, key=lambda record: record.validation_loss)  # not always the kept
    return epochs >= min(settings.epochs, lowest.epoch + settings.patience)


def _train_epoch(
    network: FaceNetwork,
    averaged: FaceNetwork,
    optimizer: torch.optim.Optimizer,
    train: LabelledImages,
    *,
    group: Group,
    shared: nn.Module,
    settings: CNNSettings,
    precision: Precision,
    seed: tuple[int, int],
    on_progress: Callable[[TrainingProgress], None],
) -> tuple[float, float]:
    """Go once over the training images; return the mean loss and accuracy on the way."""
    epoch_seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
    torch.manual_seed(epoch_seed + group.rank)
    generator = torch.Generator().manual_seed(epoch_seed)
    order = torch.randperm(len(train.images), generator=generator)
    images, labels = _tensors(train)
    beliefs = None if train.beliefs is None else torch.from_numpy(train.beliefs)
    total = len(order)
    done, seen, loss_sum, correct_sum = 0, 0, 0.0, 0.0
    network.train()
    ranges = _AUGMENTATIONS.get(settings.augmentation)
    batches = torch.split(order, settings.batch_size)
    for step, batch in enumerate(batches, start=(seed[1] - 1) * len(batches)):
        x: Tensor = images[batch].to(precision.device)
        y = labels[batch].to(precision.device)
        if ranges is not None:  # of the whole batch, so that every process draws the same
            x = augment(x, ranges, generator)
        part, own = group.part(len(batch))
        x, y = x[part], y[part]
        if seed[1] <= settings.shrunk * settings.epochs:
            x = _shrink(x)
        for tuned in optimizer.param_groups:
            tuned["lr"] = tuned["initial_lr"] * _rate_factor(step, len(batches), settings)
        with precision.autocast():
            logits = shared(x)
        believed = None if beliefs is None else beliefs[batch][part].to(precision.device)
        entropy = _loss(logits, y, believed, settings.label_smoothing)
        penalty = settings.l2 * network.penalty()
        optimizer.zero_grad()
        # The mean of the gradients over the group becomes that of the whole batch.
        torch.autograd.backward(own * group.size / len(batch) * entropy + penalty)
        optimizer.step()
        if averaged is not network:
            _move_average(averaged, network, settings.averaging, step)
        done += len(batch)
        seen += own
        loss_sum += (entropy + penalty).item() * own
        correct_sum += int((logits.argmax(dim=1) == y).sum()) * (own > 0)
        so_far = max(seen, 1)
        on_progress(TrainingProgress(seed[1], done, total, loss_sum / so_far, correct_sum / so_far))
    loss_sum, correct_sum = group.sum((loss_sum, correct_sum))
    return loss_sum / total, correct_sum / total


def _shrink(images: Tensor) -> Tensor:
    small = functional.interpolate(
        images[:, None].float(), _SHRUNK_SIDE, mode="bilinear", antialias=True
    )
    return small[:, 0]


def _loss(logits: Tensor, labels: Tensor, beliefs: Tensor | None, smoothing: float) -> Tensor:
    """Return the mean cross-entropy; with beliefs, weighted by what each row of them sums to."""
    if beliefs is None:
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    weights = beliefs.sum(dim=1)
    shares = beliefs / weights.clamp_min(torch.finfo(beliefs.dtype).tiny)[:, None]
    each = functional.cross_entropy(logits, shares, label_smoothing=smoothing, reduction="none")
    return (each * weights).mean()


@torch.inference_mode()
def _evaluate(
    group: Group,
    network: FaceNetwork,
    data: LabelledImages,
    precision: Precision,
) -> tuple[float, float]:
    """Return the mean cross-entropy and the accuracy on `data`."""
    network.eval()
    network.is_hurried = True
    images, labels = _tensors(data)
    loss_sum, correct_sum = 0.0, 0.0
    first, step = group.rank * _EVALUATION_BATCH, group.size * _EVALUATION_BATCH
    for start in range(first, len(images), step):
        x = images[start : start + _EVALUATION_BATCH].to(precision.device)
        y = labels[start : start + _EVALUATION_BATCH].to(precision.device)
        with precision.autocast():
            logits = network(x)
        loss_sum += float(functional.cross_entropy(logits, y, reduction="sum"))
        correct_sum += int((logits.argmax(dim=1) == y).sum())
    network.is_hurried = False
    loss_sum, correct_sum = group.sum((loss_sum, correct_sum))
    return loss_sum / len(images), correct_sum / len(images)


def _tensors(data: LabelledImages) -> tuple[Tensor, Tensor]:
    # torch refuses mirrored arrays and warns of read-only ones, such as joblib hands to workers.
    return (
        torch.from_numpy(np.require(data.images, requirements=["C", "W"])),
        torch.from_numpy(np.require(data.labels, requirements=["C", "W"])),
    )
