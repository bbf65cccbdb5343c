"""Goes on with a study in a database, and is killed after the first epoch of its first trial."""

import os
import signal
import sys
from pathlib import Path

from studies import FACES, go_on

from ferboost.tuning.database import Database
from ferboost.tuning.sampling import Sampling
from ferboost.tuning.study import resume_study


def main() -> None:
    """Take the study and the address of the database."""

    def report(*_: object) -> bool:
        os.kill(os.getpid(), signal.SIGKILL)
        return False

    setattr(Sampling, "report", report)  # noqa: B010 - mypy allows no other method
    with Database(sys.argv[2]) as database:
        go_on(resume_study(Path(sys.argv[1]), FACES, database), database=database)


if __name__ == "__main__":
    main()
