"""A folder that holds a repetition of the study: its record, runs, studies and pages."""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ferboost.config import Settings
from ferboost.errors import RunError
from ferboost.files import write_json
from ferboost.reproduction.experiments import Experiment
from ferboost.runs import DataRecord, Run, read_record
from ferboost.tuning.study import Study

__all__ = ["AS_PUBLISHED", "CLEAN", "RUNS", "Reproduction", "ReproductionRecord"]

#: The two runs: chosen on validation images, and on the test images as the authors did.
CLEAN, AS_PUBLISHED = "clean", "as-published"
#: The protocol of each.
RUNS: dict[str, Literal["clean", "paper"]] = {CLEAN: "clean", AS_PUBLISHED: "paper"}

_RECORD = "reproduction.json"
_SPENT = "spent.json"


class ReproductionRecord(BaseModel):
    """How a repetition was started; the content of ``reproduction.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: Settings
    """What every run and every point starts from."""
    parts: tuple[str, ...]
    """Keys of what is repeated; ``"cnn"`` are the two runs."""
    budget: float | None
    """Minutes for all of it; None for as much as the authors took."""
    data: DataRecord
    environment: dict[str, str]
    """Versions of the packages, and the machine."""
    command: str
    """What repeats it."""
    created: str
    """Date and time in UTC, ISO 8601."""


class Reproduction:
    """A repetition of the study.

    Parameters
    ----------
    path : Path
    record : ReproductionRecord
        `Reproduction.open` reads and checks it.
    """

    def __init__(self, path: Path, record: ReproductionRecord) -> None:
        self.path = path
        self.record = record

    @classmethod
    def create(cls, path: Path, record: ReproductionRecord) -> "Reproduction":
        """Make the folder, which must not exist or be empty (see `refuse_existing`)."""
        write_json(path / _RECORD, record.model_dump(mode="json"))
        return cls(path, record)

    @classmethod
    def open(cls, path: Path) -> "Reproduction":
        """Open the folder of a repetition.

        Raises
        ------
        RunError
            If `path` is none, or its record cannot be understood.
        """
        return cls(path, read_record(path, _RECORD, ReproductionRecord, "a reproduction"))

    @property
    def page(self) -> Path:
        """The page with the answer."""
        return self.path / "reproduction.html"

    def run_path(self, name: str) -> Path:
        """Return the folder of one of the `RUNS`."""
        return self.path / "runs" / name

    def study_path(self, experiment: Experiment) -> Path:
        """Return the folder of an experiment's study."""
        return self.path / "studies" / experiment.key

    def run(self, name: str) -> Run | None:
        """Open one of the `RUNS`; None where it has not been started."""
        path = self.run_path(name)
        return Run.open(path) if (path / "run.json").exists() else None

    def study(self, experiment: Experiment) -> Study | None:
        """Open the study of an experiment; None where it has not been started."""
        path = self.study_path(experiment)
        return Study.open(path) if (path / "study.json").exists() else None

    @property
    def spent(self) -> float:
        """Seconds that have gone into it, but for the last ten of a killed process."""
        return float(self._account["seconds"])

    @property
    def is_over(self) -> bool:
        """Whether everything that its budget allows is done; what is left can go on beyond it."""
        return bool(self._account["over"])

    @property
    def _account(self) -> dict[str, float]:
        file = self.path / _SPENT
        if not file.exists():
            return {"seconds": 0.0, "over": False}
        try:
            content = json.loads(file.read_bytes())
            return {"seconds": float(content["seconds"]), "over": content["over"] is True}
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{file} is damaged; delete it, and the budget begins anew") from error

    def spend(self, seconds: float, *, over: bool = False) -> None:
        """Keep how many seconds have gone into it, and whether that is all of its budget."""
        write_json(self.path / _SPENT, {"seconds": round(seconds, 1), "over": over})
