"""``ferboost train``, ``boost``, ``report`` and ``demo``."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ferboost.cli.console import ConsoleMonitor, print_json
from ferboost.cli.data import JsonOption, load

if TYPE_CHECKING:
    from ferboost.datasets import FaceDataset
    from ferboost.runs import Run

__all__ = ["boost", "demo", "report", "train"]

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting, such as cnn.learning_rate=3e-4."),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Run directory; default: runs/NAME-NUMBER.")
]


def train(
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA", help="A folder, zip, CSV or Parquet file of labelled faces."
        ),
    ] = None,
    preset: Annotated[str, typer.Option(help="Settings to start from: paper.")] = "paper",
    protocol: Annotated[
        Literal["clean", "paper"],
        typer.Option(help="clean: select on validation images; paper: on test, as published."),
    ] = "clean",
    seeds: Annotated[int, typer.Option(min=1, help="How many models to train.")] = 1,
    first_seed: Annotated[int, typer.Option(min=0, help="The first seed; others follow.")] = 0,
    changes: SetOption = None,
    out: OutOption = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with an interrupted run.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Train a CNN, put trees on its taps, evaluate both, and write a report."""
    from ferboost.config import load_settings
    from ferboost.errors import SettingsError
    from ferboost.pipeline import resume_run, start_run
    from ferboost.runs import Run, next_run_path

    if resume is not None:
        source = data or Path(Run.open(resume).record.data.path)
        run, prepared = resume_run(resume, load(source))
    elif data is None:
        raise SettingsError("train needs DATA, or --resume RUN; see: ferboost train --help")
    else:
        settings = load_settings(
            preset,
            changes or (),
            protocol=protocol,
            seeds=tuple(range(first_seed, first_seed + seeds)),
        )
        path = out or next_run_path(Path("runs"), f"{preset}-{protocol}")
        run, prepared = start_run(path, load(data), settings, _command())
    _finish(run, prepared, json=json)


def boost(
    run: RunArgument,
    tap: Annotated[
        list[str] | None,
        typer.Option(help="Tap to put trees on; may be repeated. Default: those of RUN."),
    ] = None,
    changes: SetOption = None,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Put other trees on the CNNs of a finished run; the result is a new run."""
    from ferboost.config import change_settings
    from ferboost.errors import SettingsError
    from ferboost.pipeline import branch_run
    from ferboost.runs import Run, next_run_path

    strangers = [change for change in changes or () if not change.startswith("trees.")]
    if strangers:
        raise SettingsError(f"boost changes trees.* only, the CNN stays: found {strangers[0]}")
    origin = Run.open(run)
    settings = change_settings(
        origin.settings, changes or (), {"trees": {"taps": tap}} if tap else {}
    )
    path = out or next_run_path(run.parent, f"{run.name}-boost")
    branch, prepared = branch_run(
        origin, path, load(Path(origin.record.data.path)), settings, _command()
    )
    _finish(branch, prepared, json=json)


def report(run: RunArgument) -> None:
    """Write the report of a finished run again."""
    from ferboost.runs import Run

    typer.echo(f"report: {_write_report(Run.open(run))}")


def demo(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")] = Path("demo"),
    count_per_class: Annotated[int, typer.Option(min=20, help="Faces of each emotion.")] = 500,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the faces.")] = 15,
) -> None:
    """Draw faces, train, boost, evaluate, report, and predict a photo: all in a minute or two."""
    from ferboost.cli.evaluation import predict
    from ferboost.config import load_settings
    from ferboost.datasets.images import encode_png
    from ferboost.datasets.synthetic import generate_faces
    from ferboost.datasets.writing import write_dataset
    from ferboost.errors import SettingsError
    from ferboost.files import write_bytes
    from ferboost.pipeline import start_run

    if out.exists():
        raise SettingsError(f"{out} exists already; give the demo a new folder")
    with ConsoleMonitor().stage("draw faces") as tell:
        tell(0, 1, f"{7 * count_per_class:,} faces")
        write_dataset(generate_faces(count_per_class), out / "faces.zip")
    settings = load_settings(overrides=[f"cnn.epochs={epochs}"])
    run, prepared = start_run(out / "run", load(out / "faces.zip"), settings, _command())
    _finish(run, prepared, json=False)
    photo = out / "photo.png"
    write_bytes(photo, encode_png(prepared.split("test").images[0]))
    predict([photo], model=run.path)


def _command() -> str:
    return shlex.join(["ferboost", *sys.argv[1:]])


def _finish(run: "Run", prepared: "FaceDataset", *, json: bool) -> None:
    from ferboost.cli.evaluation import describe_results, print_results
    from ferboost.pipeline import execute_run

    monitor = ConsoleMonitor()
    monitor.log(f"run directory: {run.path}")
    for note in run.record.data.notes:
        monitor.log(note)
    with _resumable(run):
        results = execute_run(run, prepared, monitor)
        page = _write_report(run)
    if json:
        described = describe_results(results) | {"run": str(run.path), "report": str(page)}
        print_json(described)
    else:
        print_results(results, run)
        typer.echo(f"report: {page}")


@contextmanager
def _resumable(run: "Run") -> Iterator[None]:
    """Say how to go on when the user interrupts."""
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(f"\ninterrupted; go on with: ferboost train --resume {run.path}\n")
        raise typer.Exit(130) from None


def _write_report(run: "Run") -> Path:
    from ferboost.report import write_report

    with ConsoleMonitor().stage("write the report") as tell:
        tell(0, 1, "")
        return write_report(run)
