"""``ferboost tune``."""

import shlex
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ferboost.cli.clusters import cluster_at
from ferboost.cli.console import ConsoleMonitor, print_json, print_table, resumable
from ferboost.cli.data import JsonOption, load
from ferboost.cli.settings import (
    FileOption,
    PresetOption,
    SetOption,
    choose_settings,
    is_given,
)
from ferboost.cli.training import command_line

if TYPE_CHECKING:
    from ferboost.config import Settings
    from ferboost.datasets import FaceDataset
    from ferboost.runs import Run
    from ferboost.tuning.database import Database
    from ferboost.tuning.outcomes import Cost, Outcome
    from ferboost.tuning.study import Study

__all__ = ["TUNE_EXAMPLES", "tune"]

_SHOWN = 10
_DEFAULT_TRIALS = 20
_COSTS: "dict[str | None, tuple[Cost, ...]]" = {
    "size": ("size",),
    "time": ("time",),
    "both": ("size", "time"),
}

TUNE_EXAMPLES = """\b
Examples:
  ferboost tune faces/
  ferboost tune fer2013.zip --space space.toml --trials 50 --pruner halving
  ferboost tune faces/ --space grid.toml --sampler grid --seeds 3 -o studies/1
  ferboost tune --space trees.toml --run runs/paper-clean-1 --trials 100
      --set 'trees.taps=["fc1"]'
  ferboost tune --resume --out studies/1
  ferboost tune fer2013.zip --space space.toml --trials 500 --out studies/big
      --storage postgresql://me@db.example.org/tuning
  ferboost tune fer2013.zip --space space.toml --trials 500 --ray auto

\b
A space is a TOML file with settings, and what each can be:
  [cnn]
  learning_rate = {low = 1e-5, high = 1e-1, log = true, points = 5}
  batch_size = [32, 64, 128]
  optimizer = ["adam", "muon"]
  weight_decay = {low = 0, high = 0.1, when = {"cnn.optimizer" = "muon"}}

Every setting, its value and its meaning: ferboost settings
"""


def tune(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Argument(metavar="DATA", help="Labelled faces: a folder, zip, CSV or Parquet file."),
    ] = None,
    space: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What is searched, as TOML; see below. Without it, what trains the CNN, or the "
            "trees of --run, in 20 trials.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="STUDY", help="The study directory.")
    ] = None,
    sampler: Annotated[
        Literal["grid", "random", "tpe"],
        typer.Option(
            help="grid: every point once; random: points drawn at random; tpe: drawn where good "
            "ones were."
        ),
    ] = "tpe",
    trials: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="How many in all; a grid has as many as it has points."
        ),
    ] = None,
    pruner: Annotated[
        Literal["none", "halving", "hyperband"],
        typer.Option(help="What stops hopeless trainings, by their validation loss."),
    ] = "none",
    objective: Annotated[
        Literal["accuracy", "log_loss"],
        typer.Option(help="What is optimised, on validation images."),
    ] = "accuracy",
    against: Annotated[
        Literal["size", "time", "both"] | None,
        typer.Option(
            help="Also minimise the bytes of a model, the time for a face, or both; trials that no "
            "other beats are the front (Pareto)."
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=100, help="Models at each point; their mean counts."),
    ] = 1,
    run: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Search trees on the CNNs of this run."),
    ] = None,
    votes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="FER+ votes (fer2013new.csv), for cnn.votes and trees.votes.  [default: those of "
            "--run]",
        ),
    ] = None,
    preset: PresetOption = "paper",
    file: FileOption = None,
    changes: SetOption = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=256,
            help="Trials at a time; they share the cores. By default 1, or as many as cores, up to "
            "4, if their order does not matter and they are measured to be faster; with --ray one "
            "a node.",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run the trials on a Ray cluster: HOST:PORT of its head node, or auto.",
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A PostgreSQL database: several machines that run the same command share the "
            "trials. Its password is best left to PGPASSWORD or ~/.pgpass.",
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES", min=0, max=1e6, help="Begin no trial after so long; see --resume."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the study of --out; its plan stays.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Search settings of the CNN and the trees.

    Points are compared on validation images, the test images are not touched. Everything is kept in
    a study directory, by default studies/PRESET-SAMPLER-NUMBER, with the best settings as
    best.toml. Stop at any moment and continue with --resume. In a database the study has the name
    of its directory.
    """
    from ferboost.errors import SettingsError
    from ferboost.report.study_page import write_study_page
    from ferboost.runs import Run, new_run_path
    from ferboost.tuning.default_spaces import default_space
    from ferboost.tuning.executing import execute_study
    from ferboost.tuning.plans import plan_study
    from ferboost.tuning.space import read_space
    from ferboost.tuning.study import Study, start_study

    origin = None if run is None else Run.open(run)
    if resume and out is None:
        raise SettingsError("--resume needs to know which study; give it by --out STUDY")
    if storage is not None and out is None:
        raise SettingsError("a study in a database has a name; give it by --out STUDY")
    if resume and storage is None and out is not None:
        storage = Study.open(out).record.storage
    with _opened(storage) as database, cluster_at(ray) as cluster:
        if resume and out is not None:
            study, dataset = _resume(context, out, data, votes, space, database)
        else:
            source = data or (None if origin is None else Path(origin.record.data.path))
            if source is None:
                raise SettingsError("tune needs DATA; see: ferboost tune --help")
            settings = _settings(context, origin, preset, file, changes, seeds)
            if space is None:
                searched = default_space(settings, trees=origin is not None)
                trials = trials or (_DEFAULT_TRIALS if sampler != "grid" else None)
            else:
                searched = read_space(space)
            plan = plan_study(
                searched,
                settings,
                sampler=sampler,
                trials=trials,
                pruner=pruner,
                objective=objective,
                costs=_COSTS.get(against, ()),
                run=origin,
            )
            learns_votes = settings.trees.votes or "trees.votes" in searched.parameters
            if votes is None and origin is not None and learns_votes and origin.record.data.votes:
                votes = Path(origin.record.data.votes)
            dataset = load(source, votes)
            with new_run_path(out, Path("studies"), f"{plan.settings.preset}-{sampler}") as path:
                study = start_study(path, dataset, plan, _command(storage), database)
        monitor = ConsoleMonitor()
        monitor.log(f"study directory: {study.path}")
        if database is not None:
            monitor.log(f"study {study.name} in {database.name}")
        with resumable(f"ferboost tune --resume --out {shlex.quote(str(study.path))}"):
            outcomes = execute_study(
                study,
                dataset,
                monitor,
                trials=trials,
                jobs=jobs,
                seconds=None if timeout is None else 60 * timeout,
                cluster=cluster,
                database=database,
            )
            page = write_study_page(study)
    if json:
        print_json(_describe(study, outcomes) | {"page": str(page)})
    else:
        _print(study, outcomes)
        typer.echo(f"figures: {page}")


def _opened(storage: str | None) -> "AbstractContextManager[Database | None]":
    if storage is None:
        return nullcontext()
    from ferboost.tuning.database import Database

    return Database(storage)


def _command(storage: str | None) -> str:
    """Return what was typed, without the password."""
    if storage is None:
        return command_line()
    from ferboost.tuning.database import public_url

    words = (word.replace(storage, public_url(storage)) for word in sys.argv[1:])
    return shlex.join(["ferboost", *words])


def _settings(
    context: typer.Context,
    origin: "Run | None",
    preset: str,
    file: Path | None,
    changes: list[str] | None,
    seeds: int,
) -> "Settings":
    from ferboost.errors import SettingsError
    from ferboost.settings import change_settings

    if origin is None:
        return choose_settings(context, preset, file, changes, seeds=tuple(range(seeds)))
    for name, option in (("preset", "preset"), ("file", "settings"), ("seeds", "seeds")):
        if is_given(context, name):
            raise SettingsError(
                f"settings and seeds are those of {origin.path}; leave out --{option}"
            )
    strangers = [change for change in changes or () if not change.startswith("trees.")]
    if strangers:
        raise SettingsError(f"the CNNs of {origin.path} stay; --set {strangers[0]} cannot be")
    return change_settings(origin.settings, changes or (), {})


def _resume(
    context: typer.Context,
    out: Path,
    data: Path | None,
    votes: Path | None,
    space: Path | None,
    database: "Database | None",
) -> "tuple[Study, FaceDataset]":
    """Open a study, and refuse options that would plan another one."""
    from ferboost.errors import SettingsError
    from ferboost.tuning.space import read_space
    from ferboost.tuning.study import Study, resume_study

    record = Study.open(out).record.data
    known = None if record.votes is None else Path(record.votes)
    dataset = load(data or Path(record.path), votes or known)
    study = resume_study(out, dataset, database)
    planned = {
        "sampler": study.plan.sampler,
        "pruner": study.plan.pruner,
        "objective": study.plan.objective,
        "seeds": len(study.plan.settings.seeds),
        "against": next((k for k, v in _COSTS.items() if v == study.plan.costs), "nothing"),
    }
    for name, value in planned.items():
        if is_given(context, name) and context.params[name] != value:
            raise SettingsError(f"{out} was started with --{name} {value}, and that stays")
    if space is not None and read_space(space) != study.space:
        raise SettingsError(f"{space} is not the space that {out} was started with")
    options = {"preset": "--preset", "file": "--settings", "changes": "--set", "run": "--run"}
    for name, option in options.items():
        if is_given(context, name):
            raise SettingsError(
                f"--resume goes on with the settings of the study; leave out {option}, or start a "
                "new study"
            )
    return study, dataset


def _describe(study: "Study", outcomes: "tuple[Outcome, ...]") -> dict[str, Any]:
    best = study.best()
    return {
        "study": str(study.path),
        "objective": study.plan.objective,
        "trials": [_describe_trial(outcome) for outcome in outcomes],
        "best": None if best is None else _describe_trial(best),
        "best_settings": None if best is None else str(study.best_path),
    } | ({"front": [outcome.number for outcome in study.front()]} if study.plan.costs else {})


def _describe_trial(outcome: "Outcome") -> dict[str, Any]:
    described = outcome.model_dump(mode="json", exclude={"seeds"})
    scores = [score.model_dump(mode="json", exclude={"history"}) for score in outcome.seeds]
    return described | {
        "accuracy": outcome.accuracy,
        "log_loss": outcome.log_loss,
        "size": outcome.cost("size"),
        "time": outcome.cost("time"),
        "seeds": scores,
    }


def _print(study: "Study", outcomes: "tuple[Outcome, ...]") -> None:
    from ferboost.tuning.wording import (
        count_outcomes,
        describe_cost,
        describe_outcome,
        value_in_words,
    )

    best = study.best()
    if best is None:
        typer.echo(f"{count_outcomes(outcomes)}; none is done, so there is no best one")
        for outcome in outcomes[:_SHOWN]:
            typer.echo(describe_outcome(outcome, study.plan.objective))
        return
    sign, costs = -1 if study.plan.objective == "accuracy" else 1, study.plan.costs
    done = [o for o in outcomes if o.status == "done"]
    done.sort(key=lambda o: sign * (o.value(study.plan.objective) or 0))
    names = list(study.space.parameters)

    def row(outcome: "Outcome") -> list[str]:
        return [
            str(outcome.number),
            f"{100 * (outcome.accuracy or 0):.2f}",
            f"{outcome.log_loss or 0:.4f}",
            *(describe_cost(outcome.cost(cost) or 0, cost) for cost in costs),
            *(value_in_words(outcome.point[n]) if n in outcome.point else "-" for n in names),
            f"{outcome.seconds:.1f}",
        ]

    columns = ["trial", "accuracy %", "log loss", *costs, *names, "seconds"]
    title = f"{count_outcomes(outcomes)}; on validation images, best first"
    print_table(title, columns, [row(outcome) for outcome in done[:_SHOWN]])
    if costs:
        rows = [row(outcome) for outcome in study.front()]
        print_table("the front: no other trial beats these, cheapest first", columns, rows)
        typer.echo(f"settings of the front: {shlex.quote(str(study.path / 'front'))}")
    typer.echo("The best of many trials is optimistic: it was chosen on these images.")
    source = shlex.quote(study.record.data.path)
    settings = shlex.quote(str(study.best_path))
    if study.record.data.votes is not None:
        settings += f" --votes {shlex.quote(study.record.data.votes)}"
    if study.plan.run is None:
        typer.echo(f"train it: ferboost train {source} --settings {settings} --seeds 3")
    else:
        origin = shlex.quote(study.plan.run)
        typer.echo(f"grow it: ferboost boost {origin} --settings {settings}")
