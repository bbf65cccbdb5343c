"""Studies of networks that are trained in a second."""

from pathlib import Path
from typing import Any

from ferboost.config import Settings
from ferboost.progress import Monitor
from ferboost.tuning.executing import execute_study
from ferboost.tuning.outcomes import Outcome
from ferboost.tuning.plans import plan_study
from ferboost.tuning.space import parse_space
from ferboost.tuning.study import Study, start_study
from tiny import faces, run_settings

FACES = faces()


def settings(**changes: Any) -> Settings:
    """Return settings whose precision is not measured, so that studies are comparable."""
    return run_settings(number_format="float32", **changes)


def begin(path: Path, space: dict[str, Any], **options: Any) -> Study:
    """Start a study."""
    chosen = options.pop("settings", settings())
    database = options.pop("database", None)
    plan = plan_study(parse_space(space), chosen, **({"sampler": "grid"} | options))
    return start_study(path, FACES, plan, "tests", database)


def go_on(study: Study, **options: Any) -> tuple[Outcome, ...]:
    """Run what is left of a study."""
    return execute_study(study, FACES, Monitor(), **options)
