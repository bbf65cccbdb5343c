"""What came out of a trial, and the file that keeps it."""

from pathlib import Path
from statistics import fmean
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ferboost.curves import EpochRecord
from ferboost.errors import RunError
from ferboost.files import write_json
from ferboost.tuning.dimensions import Value

__all__ = [
    "Cost",
    "Objective",
    "Outcome",
    "SeedScore",
    "Status",
    "Verdict",
    "best_outcome",
    "pareto_front",
    "read_outcomes",
    "write_outcome",
]

Objective = Literal["accuracy", "log_loss"]
#: What a model costs: the bytes of its weights and trees, or milliseconds for each face.
Cost = Literal["size", "time"]
#: "done": all seeds; "stopped": pruned; "diverged": the loss was no number; "refused": the values
#: do not go together, or with the data; "crashed": its process ended, twice.
Status = Literal["done", "stopped", "diverged", "refused", "crashed"]


class SeedScore(BaseModel):
    """How good one model was on the validation images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    accuracy: float | None = None
    """0 to 1; None where the training was stopped."""
    log_loss: float | None = None
    """Mean cross-entropy in nats, without any penalty; None where the training was stopped."""
    best_epoch: int | None = None
    """The epoch whose weights were kept, from 1; None where no CNN was trained."""
    rounds: int | None = None
    """Rounds of the trees that were kept; None where there are none."""
    size: float | None = None
    """Bytes of the weights, as 32 bits, and of the trees; None where it was not asked for."""
    time: float | None = None
    """Milliseconds for each face of a batch, trees included; None where it was not asked for."""
    history: tuple[EpochRecord, ...] = ()
    """The learning curves of the CNN, empty where none was trained."""


class Verdict(BaseModel):
    """What a worker says of a point."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Status
    reason: str = ""
    """Why it is not done."""
    seconds: float
    """From the start of the trial to its end, on the clock."""
    seeds: tuple[SeedScore, ...] = ()

    @property
    def accuracy(self) -> float | None:
        """Mean accuracy over the seeds, 0 to 1, of a trial that is done."""
        return self._mean("accuracy")

    @property
    def log_loss(self) -> float | None:
        """Mean log loss over the seeds, in nats, of a trial that is done."""
        return self._mean("log_loss")

    def value(self, objective: Objective) -> float | None:
        """Return what is optimised, of a trial that is done."""
        return self.accuracy if objective == "accuracy" else self.log_loss

    def cost(self, cost: Cost) -> float | None:
        """Return the mean over the seeds of what a model costs, of a trial that is done."""
        return self._mean(cost)

    def _mean(self, name: Objective | Cost) -> float | None:
        values = [getattr(score, name) for score in self.seeds]
        return fmean(values) if self.status == "done" and None not in values else None


class Outcome(Verdict):
    """A trial that is over."""

    number: int
    """Counted from 0 in the order of starting; numbers of interrupted trials are left out."""
    point: dict[str, Value]
    """The values that were tried, by dotted name of the setting."""


def best_outcome(outcomes: tuple[Outcome, ...], objective: Objective) -> Outcome | None:
    """Return the best trial that is done, the earliest of equal ones; None where none is."""
    sign = 1 if objective == "accuracy" else -1
    done = [(sign * value, o) for o in outcomes if (value := o.value(objective)) is not None]
    return max(done, key=lambda pair: (pair[0], -pair[1].number))[1] if done else None


def pareto_front(
    outcomes: tuple[Outcome, ...], objective: Objective, costs: tuple[Cost, ...]
) -> tuple[Outcome, ...]:
    """Return the trials that no other beats, the cheapest first.

    One beats another that is at least as good and as cheap in all respects, and better in one; of
    equal ones the earliest stays.
    """
    sign = -1 if objective == "accuracy" else 1
    found: list[tuple[tuple[float, ...], Outcome]] = []
    for outcome in outcomes:
        value = outcome.value(objective)
        spent = [outcome.cost(cost) for cost in costs]
        if value is not None and None not in spent:
            found.append(((*(s for s in spent if s is not None), sign * value), outcome))
    found.sort(key=lambda pair: (pair[0], pair[1].number))  # none is beaten by one behind it
    front: list[tuple[tuple[float, ...], Outcome]] = []
    for values, outcome in found:
        if not any(all(a <= b for a, b in zip(kept, values, strict=True)) for kept, _ in front):
            front.append((values, outcome))
    return tuple(outcome for _, outcome in front)


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Keep an outcome in a file of its own, atomically."""
    write_json(folder / f"trial-{outcome.number:05}.json", outcome.model_dump(mode="json"))


def read_outcomes(folder: Path) -> tuple[Outcome, ...]:
    """Read what came out of the trials so far, by number.

    Raises
    ------
    RunError
        If a file is damaged.
    """
    found = []
    for file in sorted(folder.glob("trial-*.json")):
        try:
            found.append(Outcome.model_validate_json(file.read_bytes()))
        except (OSError, ValidationError) as error:
            raise RunError(f"{file} is damaged; delete it, and the trial is run again") from error
    return tuple(found)
