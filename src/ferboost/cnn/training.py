"""The training loop."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ferboost.cnn.augmentation import GENTLE, PUBLISHED, STRONG, augment
from ferboost.cnn.checkpoint import TrainingState, copy_weights, load_state, save_state
from ferboost.cnn.group import Group, current_group, group_errors
from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.memory import keep_freed_memory
from ferboost.cnn.network import FaceNetwork, new_network
from ferboost.cnn.precision import Precision, one_thread
from ferboost.cnn.recognition import RecognitionNetwork
from ferboost.cnn.recognition_weights import load_recognition_weights
from ferboost.cnn.sending import receive_training, send_training
from ferboost.cnn.stepping import TrainingStep, new_optimizer
from ferboost.cnn.viewed import ViewedNetwork
from ferboost.config import CNNSettings
from ferboost.curves import EpochRecord
from ferboost.errors import RunError, TrainingDivergedError

__all__ = ["TrainingProgress", "follow", "train_network"]

_EVALUATION_BATCH = 512
_AUGMENTATIONS = {"published": PUBLISHED, "gentle": GENTLE, "strong": STRONG}
# Epochs of rising step size, where the schedule is a cosine.
_WARM_UP = 0.5
# Pixels a side of the images that the first epochs see, where the settings say so.
_SHRUNK_SIDE = 32
# Steps between two reports of the progress on a GPU.
_STEPS_TOLD = 32
# On a GPU, whose epochs can be shorter than writing the state takes.
_SECONDS_UNSAVED = 10
# From which the means and variances of known weights' channels are taken.
_IMAGES_OF_STATISTICS = 512
# Of the output layer.
_OUTPUTS = ("output.weight", "output.bias")


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
    teachers: Sequence[FaceNetwork] = (),
    state_path: Path | None = None,
    identity: str = "",
    on_progress: Callable[[TrainingProgress], None] = _ignore,
    on_epoch: Callable[[list[EpochRecord]], None] = _ignore,
) -> TrainingState:
    """Train `network`, and leave it with the weights that the settings say to keep.

    Losses are mean cross-entropies plus the L2 penalty, as Keras reports them; that of training has
    the share of what teachers say, if any. Where an average of
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
    teachers : sequence of FaceNetwork
        Trained networks of the same classes. What they say, on average, of each image as it is
        augmented is learnt beside its label, however much that is believed; they look at one view
        of it, and stay as they are.
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

    References
    ----------
    .. [1] Hinton, G., Vinyals, O., Dean, J. (2015). Distilling the knowledge in a neural network.
    .. [2] Beyer, L. et al. (2022). Knowledge distillation: A good teacher is patient and
       consistent. CVPR.
    """
    group = current_group()
    classes = cast("nn.Linear", network.get_submodule("output")).out_features
    if group.size > 1 and group.leads:
        header = {
            "settings": settings.model_dump(mode="json"),
            "classes": classes,
            "precision": precision.to_dict(),
            "seed": seed,
            "state_path": None if state_path is None else str(state_path.resolve()),
            "identity": identity,
        }
        send_training(group, header, train, validation, teachers)
    _start(network, train.images, settings, seed)
    columns = 0 if train.votes is None else train.votes.shape[1]
    _add_outputs(network, columns, seed)
    precision.place(network)
    optimizer = new_optimizer(network, settings)
    state = _state_so_far(state_path, identity, network, optimizer)
    if state.history:
        on_epoch(state.history)
    judged = network
    if settings.averaging:
        judged = copy.deepcopy(network)
        if state.averaged:
            judged.load_state_dict(state.averaged)
    step = TrainingStep(
        network, judged, optimizer, settings=settings, precision=precision, group=group,
        teachers=[_listening(teacher, precision) for teacher in teachers],
    )  # fmt: skip
    # Beside a GPU, what is left to the processor is too little to wait for threads with.
    with (
        torch.random.fork_rng(devices=range(torch.cuda.device_count())),
        keep_freed_memory(),
        nullcontext() if precision.device == "cpu" else one_thread(),
    ):
        saved = -math.inf
        while not _is_finished(state, settings):
            epoch = len(state.history) + 1
            start = time.perf_counter()
            network.train()
            loss, accuracy = _train_epoch(
                step,
                train,
                group=group,
                settings=settings,
                precision=precision,
                seed=(seed, epoch),
                on_progress=on_progress,
            )
            group.average((network,) if judged is network else (network, judged))
            entropy, validation_accuracy = _evaluate(group, judged, classes, validation, precision)
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
            due = precision.device == "cpu" or time.perf_counter() - saved > _SECONDS_UNSAVED
            if state_path is not None and group.leads and due:
                save_state(state_path, identity, state, network, optimizer)
                saved = time.perf_counter()
            on_epoch(state.history)
    _add_outputs(network, -columns, seed)
    state.best_weights |= {name: state.best_weights[name][:classes] for name in _OUTPUTS}
    network.load_state_dict(state.best_weights)
    return state


def _listening(teacher: FaceNetwork, precision: Precision) -> FaceNetwork:
    """Return a copy of a teacher that looks at one view of an image, which is what it teaches."""
    own = copy.deepcopy(teacher).eval()
    if isinstance(own, ViewedNetwork):
        own.mirror = False
    precision.place(own)
    return own


def _start(
    network: FaceNetwork, images: NDArray[np.uint8], settings: CNNSettings, seed: int
) -> None:
    """Give a network the weights that the settings say to start from."""
    if settings.weights == "faces" and isinstance(network, RecognitionNetwork):
        some = np.random.default_rng(seed).permutation(len(images))[:_IMAGES_OF_STATISTICS]
        load_recognition_weights(network, images[np.sort(some)])


def _add_outputs(network: FaceNetwork, more: int, seed: int) -> None:
    """Give the output layer `more` outputs, behind those that it has; fewer if negative."""
    if more == 0:
        return
    old = cast("nn.Linear", network.get_submodule("output"))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)
        new = nn.Linear(old.in_features, old.out_features + more)
        kept = min(old.out_features, new.out_features)
        for parameter, value in zip(new.parameters(), old.parameters(), strict=True):
            parameter[:kept] = value[:kept]
    network.add_module("output", new.to(old.weight.device))


@group_errors()
def follow(group: Group) -> None:
    """Train along with the first process of a `training_group` whatever it trains."""
    while (sent := receive_training(group)) is not None:
        settings = CNNSettings.model_validate(sent.header["settings"])
        path = sent.header["state_path"]
        train_network(
            new_network(settings, sent.header["classes"], sent.header["seed"]),
            sent.train,
            sent.validation,
            settings,
            Precision(**sent.header["precision"]),
            seed=sent.header["seed"],
            teachers=sent.teachers,
            state_path=None if path is None else Path(path),
            identity=sent.header["identity"],
        )


def _state_so_far(
    path: Path | None, identity: str, network: FaceNetwork, optimizer: torch.optim.Optimizer
) -> TrainingState:
    """Return the state that is kept at `path`, the same in all processes, or a new one."""
    state = None if path is None else load_state(path, identity, network, optimizer)
    if state is None:
        state = TrainingState([], 0, math.inf, {})
    group = current_group()
    epochs = len(state.history)
    if path is not None and group.sum((epochs,))[0] != epochs * group.size:
        raise RunError(
            f"not every process can read {path.parent}; put the run on a disk that all machines "
            "of the training share"
        )
    return state


def _rate_factor(step: int, steps_per_epoch: int, settings: CNNSettings) -> float:
    """Return the share of the greatest step size that a step takes; `step` counts from 0."""
    if settings.schedule == "constant":
        return 1.0
    warm_up = min(1.0, step / (_WARM_UP * steps_per_epoch))
    return warm_up * (1 + math.cos(math.pi * step / (settings.epochs * steps_per_epoch))) / 2


def _averaged_share(step: int, settings: CNNSettings) -> float:
    """Return the share of the new weights in their average; greater at first, when all is new."""
    return 1 - min(settings.averaging, (1 + step) / (10 + step))


def _is_finished(state: TrainingState, settings: CNNSettings) -> bool:
    epochs = len(state.history)
    if settings.patience is None or not epochs:
        return epochs >= settings.epochs
    lowest = min(state.history, key=lambda record: record.validation_loss)  # not always the kept
    return epochs >= min(settings.epochs, lowest.epoch + settings.patience)


def _train_epoch(
    step: TrainingStep,
    train: LabelledImages,
    *,
    group: Group,
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
    total = len(order)
    data = {name: _tensor(array).to(precision.device) for name, array in train.learnt().items()}
    done, seen = 0, 0
    step.sums.zero_()
    ranges = _AUGMENTATIONS.get(settings.augmentation)
    batches = torch.split(order.to(precision.device), settings.batch_size)
    first = (seed[1] - 1) * len(batches)
    # A GPU would have to wait for Python, were it asked after every step how far it is.
    told = 1 if precision.device == "cpu" else _STEPS_TOLD
    for number, index in enumerate(batches, start=first):
        batch = {name: tensor[index] for name, tensor in data.items()}
        if ranges is not None:  # of the whole batch, so that every process draws the same
            batch["images"] = augment(batch["images"], ranges, generator)
        if seed[1] <= settings.shrunk * settings.epochs:
            batch["images"] = _shrink(batch["images"])
        step.take(
            batch,
            rate=_rate_factor(number, len(batches), settings),
            share=_averaged_share(number, settings),
        )
        done += len(index)
        seen += group.part(len(index))[1]
        if (number - first + 1) % told == 0 or done == total:
            loss_sum, right = step.sums.tolist()
            so_far = max(seen, 1)
            on_progress(TrainingProgress(seed[1], done, total, loss_sum / so_far, right / so_far))
    loss_sum, right = group.sum(step.sums.tolist())
    return loss_sum / total, right / total


def _shrink(images: Tensor) -> Tensor:
    small = functional.interpolate(
        images[:, None].float(), _SHRUNK_SIDE, mode="bilinear", antialias=True
    )
    return small[:, 0]


@torch.inference_mode()
def _evaluate(
    group: Group,
    network: FaceNetwork,
    classes: int,
    data: LabelledImages,
    precision: Precision,
) -> tuple[float, float]:
    """Return the mean cross-entropy and the accuracy on `data`."""
    network.eval()
    network.is_hurried = True
    images, labels = _tensor(data.images), _tensor(data.labels)
    loss_sum, correct_sum = 0.0, 0.0
    first, step = group.rank * _EVALUATION_BATCH, group.size * _EVALUATION_BATCH
    for start in range(first, len(images), step):
        x = images[start : start + _EVALUATION_BATCH].to(precision.device)
        y = labels[start : start + _EVALUATION_BATCH].to(precision.device)
        with precision.autocast():
            logits = network(x)[:, :classes]
        loss_sum += float(functional.cross_entropy(logits, y, reduction="sum"))
        correct_sum += int((logits.argmax(dim=1) == y).sum())
    network.is_hurried = False
    loss_sum, correct_sum = group.sum((loss_sum, correct_sum))
    return loss_sum / len(images), correct_sum / len(images)


def _tensor(array: NDArray[Any]) -> Tensor:
    # torch refuses mirrored arrays and warns of read-only ones, such as joblib hands to workers.
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))
