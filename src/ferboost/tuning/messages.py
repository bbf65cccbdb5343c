"""What a study and its workers say to each other."""

from pydantic import BaseModel, ConfigDict

from ferboost.cnn.precision import Precision
from ferboost.config import Settings
from ferboost.curves import EpochRecord
from ferboost.tuning.outcomes import Cost

__all__ = ["Epoch", "Measure", "Pace", "Ready", "Reply", "Setup", "Steps", "Task"]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Setup(_Message):
    """To a worker, once: what it works on."""

    faces: str
    """The folder of `ferboost.tuning.faces.stored_faces`."""
    classes: int
    run: str | None
    """The run whose CNNs the trees grow on."""
    settings: Settings
    """What every point starts from."""
    costs: tuple[Cost, ...] = ()
    """What is measured of each model."""
    precision: Precision | None
    """None where it is to be measured, or no CNN is trained."""


class Ready(_Message):
    """From a worker, once: it can begin, or not."""

    precision: Precision | None = None
    error: str | None = None


class Task(_Message):
    """To a worker: a point to try, with every seed of the settings."""

    settings: Settings
    variant: str
    """What is judged; see `ferboost.variants`."""


class Epoch(_Message):
    """From a worker: an epoch of a training is over; it waits for a `Reply`."""

    position: int
    """Which seed of the settings, from 0."""
    record: EpochRecord
    loss: float
    """On the validation images, in nats, without any penalty."""


class Reply(_Message):
    """To a worker: whether the training goes on."""

    go_on: bool


class Pace(_Message):
    """To a process that is timed, once: what it trains."""

    settings: Settings
    classes: int
    precision: Precision


class Measure(_Message):
    """To a process that is timed: train for so long."""

    seconds: float


class Steps(_Message):
    """From a process that is timed: how fast it was; first once it can begin."""

    per_second: float
