"""What the first process of a group sends the others to train."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from ferboost.cnn.group import Group
from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.network import FaceNetwork, new_network
from ferboost.config import CNNSettings

__all__ = ["SentTraining", "receive_training", "send_training"]


@dataclass(frozen=True, eq=False)
class SentTraining:
    """What another process is to train: `header` is what `send_training` was given."""

    header: dict[str, Any]  # Any: JSON values
    train: LabelledImages
    validation: LabelledImages
    teachers: tuple[FaceNetwork, ...]


def send_training(
    group: Group,
    header: dict[str, Any],  # Any: JSON values
    train: LabelledImages,
    validation: LabelledImages,
    teachers: Sequence[FaceNetwork],
) -> None:
    """Send the other processes of a group what they are to train.

    Parameters
    ----------
    group : Group
    header : dict
        What JSON can hold, among it the number of ``"classes"``.
    train, validation : LabelledImages
    teachers : sequence of FaceNetwork
    """
    learnt = train.learnt()
    arrays: list[NDArray[Any]] = [validation.images, validation.labels, *learnt.values()]
    for teacher in teachers:
        arrays += [tensor.cpu().numpy() for tensor in teacher.state_dict().values()]
    shapes = [teacher.settings.model_dump(mode="json") for teacher in teachers]
    group.send(header | {"learnt": list(learnt), "teachers": shapes}, arrays)


def receive_training(group: Group) -> SentTraining | None:
    """Wait for what `send_training` sends; None where there is nothing more."""
    sent = group.receive()
    if sent is None:
        return None
    header, (images, labels, *others) = sent
    arrays = iter(others)
    train = LabelledImages(**{name: next(arrays) for name in header["learnt"]})
    teachers = tuple(
        _rebuilt(CNNSettings.model_validate(shape), header["classes"], arrays)
        for shape in header["teachers"]
    )
    return SentTraining(header, train, LabelledImages(images, labels), teachers)


def _rebuilt(settings: CNNSettings, classes: int, weights: Iterator[NDArray[Any]]) -> FaceNetwork:
    """Return a network with the next of the weights."""
    network = new_network(settings, classes, seed=0)
    names = network.state_dict()
    network.load_state_dict({name: torch.from_numpy(next(weights)) for name in names})
    return network
