"""``ferboost train``, ``boost``, ``report`` and ``demo``."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

import typer

from ferboost.cli.console import ConsoleMonitor, print_json, resumable
from ferboost.cli.data import JsonOption, load
from ferboost.cli.outputs import refuse_to_overwrite
from ferboost.cli.settings import FileOption, PresetOption, SetOption, choose_settings, is_given

if TYPE_CHECKING:
    from ferboost.config import Settings
    from ferboost.datasets import FaceDataset
    from ferboost.runs import Run

__all__ = [
    "BOOST_EXAMPLES",
    "CARD_EXAMPLES",
    "TRAIN_EXAMPLES",
    "boost",
    "card",
    "command_line",
    "demo",
    "report",
    "train",
]

OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="RUN", help="The new run directory.")
]

_VOTES = "FER+ votes (fer2013new.csv)"
TrainVotesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"{_VOTES}: by cnn.votes, as in strong, the CNN learns them beside the labels; else "
        "the trees in place of labels, or with --set trees.votes=0.5 half of each.",
    ),
]
BoostVotesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"{_VOTES} that the trees learn in place of labels, unless the CNN learns them; "
        "with --set trees.votes=0.5 half of each.",
    ),
]

TRAIN_EXAMPLES = """\b
Examples:
  ferboost train fer2013.zip --seeds 3
  ferboost train faces/ --set cnn.epochs=20 --set cnn.padding=zero
  ferboost train faces/ --settings studies/1/best.toml --seeds 3
  ferboost train --resume runs/paper-clean-1

Every setting, its value and its meaning: ferboost settings
"""

BOOST_EXAMPLES = """\b
Examples:
  ferboost boost runs/paper-clean-1 --tap fc1 --set trees.rounds=50
  ferboost boost runs/paper-clean-1 --tap fc1+hog --mode residual
  ferboost boost runs/paper-clean-1 --tap flatten --tap pixels -o runs/two
  ferboost boost runs/1 --tap fc1 --baseline logistic --baseline mlp

Every setting, its value and its meaning: ferboost settings
"""


def train(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Argument(metavar="DATA", help="Labelled faces: a folder, zip, CSV or Parquet file."),
    ] = None,
    preset: PresetOption = "paper",
    protocol: Annotated[
        Literal["clean", "paper"],
        typer.Option(
            help="clean: select on validation images cut off train; paper: on the test images, as "
            "published."
        ),
    ] = "clean",
    seeds: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=1000, help="How many models to train; 1, or the preset's."
        ),
    ] = None,
    first_seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="The first seed; the others follow.")
    ] = 0,
    votes: TrainVotesOption = None,
    file: FileOption = None,
    changes: SetOption = None,
    out: OutOption = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Go on with an interrupted run; its settings stay."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Train a CNN, put trees on it, evaluate, report.

    Everything is kept in a run directory, by default runs/PRESET-PROTOCOL-NUMBER. Stop at any
    moment and continue with --resume.
    """
    from ferboost.cnn.group import training_group
    from ferboost.cnn.training import follow

    with training_group(follow):
        from ferboost.errors import SettingsError
        from ferboost.pipeline import resume_run, start_run
        from ferboost.runs import Run, new_run_path

        _require_report()
        if resume is not None:
            _refuse_changes(context)
            record = Run.open(resume).record.data
            known = None if record.votes is None else Path(record.votes)
            run, prepared = resume_run(resume, load(data or Path(record.path), votes or known))
        elif data is None:
            raise SettingsError("train needs DATA, or --resume RUN; see: ferboost train --help")
        else:
            settings = choose_settings(context, preset, file, changes, protocol=protocol)
            settings = _seeded(settings, seeds, first_seed)
            settings = _learning(settings, votes, changes, file)
            dataset = load(data, votes)
            with new_run_path(out, Path("runs"), f"{settings.preset}-{protocol}") as path:
                run, prepared = start_run(path, dataset, settings, command_line())
        _finish(run, prepared, json=json)


def _seeded(settings: "Settings", count: int | None, first: int) -> "Settings":
    """Return settings with the seeds that the options ask for, if they do."""
    from ferboost.settings import change_settings

    if count is None and first == 0:
        return settings
    count = count or len(settings.seeds)
    return change_settings(settings, (), {"seeds": tuple(range(first, first + count))})


def _learning(
    settings: "Settings", votes: Path | None, changes: list[str] | None, file: Path | None
) -> "Settings":
    """Return settings whose trees learn votes, if any are given, unless for the CNN or by name."""
    from ferboost.settings import change_settings
    from ferboost.settings_files import flatten, read_settings_file

    names = [change.partition("=")[0].strip() for change in changes or ()]
    names += [] if file is None else flatten(read_settings_file(file)[1])
    named = "trees.votes" in names or "cnn.votes" in names
    if votes is None or settings.trees.votes or settings.cnn.votes or named:
        return settings
    return change_settings(settings, (), {"trees": {"votes": 1.0}})


def boost(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run with trained CNNs.")],
    tap: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What to put trees on: flatten, fc1, fc2, output, pooled, logits, also as "
            "fc1-views and fc1-centres, pixels, hog, lbp, words, stacked, or several joined by +; "
            "may be repeated. Default: what RUN has.",
        ),
    ] = None,
    mode: Annotated[
        Literal["replace", "residual", "both"] | None,
        typer.Option(help="Trees instead of the layers above, or correcting the CNN's logits."),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What else to fit to the same features, to see whether trees matter: logistic, "
            "mlp or lightgbm; may be repeated.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA", help="The data that the run was made with.  [default: where it was]"
        ),
    ] = None,
    votes: BoostVotesOption = None,
    file: FileOption = None,
    changes: SetOption = None,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Put other trees on the CNNs of a run.

    The result is a new run, by default RUN-boost-NUMBER; only settings of trees can be changed.
    """
    from ferboost.errors import SettingsError
    from ferboost.pipeline import branch_run
    from ferboost.runs import Run, new_run_path
    from ferboost.settings import change_settings

    _require_report()
    strangers = [change for change in changes or () if not change.startswith("trees.")]
    if strangers:
        raise SettingsError(f"boost changes trees.* only, the CNN stays; found {strangers[0]!r}")
    origin = Run.open(run)
    trees = {} if file is None else _tree_settings(file)
    given = (("taps", tap), ("mode", mode), ("baselines", baseline))
    trees |= {key: value for key, value in given if value}
    settings = change_settings(origin.settings, changes or (), {"trees": trees})
    settings = _learning(settings, votes, changes, file)
    known = origin.record.data.votes
    if votes is None and known is not None and (settings.trees.votes or settings.cnn.votes):
        votes = Path(known)
    dataset = load(Path(origin.record.data.path) if data is None else data, votes)
    named = run if run.name else run.resolve()  # "." has no name
    with new_run_path(out, named.parent, f"{named.name}-boost") as path:
        branch, prepared = branch_run(origin, path, dataset, settings, command_line())
    _finish(branch, prepared, json=json)


def _tree_settings(file: Path) -> dict[str, Any]:  # Any: checked with the run's settings
    from ferboost.errors import SettingsError
    from ferboost.settings_files import flatten, read_settings_file

    named, tree = read_settings_file(file)
    strangers = [] if named is None else ["preset"]
    strangers += [name for name in flatten(tree) if not name.startswith("trees.")]
    if strangers:
        raise SettingsError(f"boost changes trees.* only, the CNN stays; {file} has {strangers[0]}")
    return dict(tree.get("trees", {}))


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run directory.")],
) -> None:
    """Write the report of a finished run again."""
    from ferboost.runs import Run

    typer.echo(f"report: {_write_report(Run.open(run))}")


CARD_EXAMPLES = """\b
Examples:
  ferboost card runs/fast-clean-1 -o model-card.md
  ferboost card runs/paper-clean-1 --variant fc1
  ferboost card runs/paper-clean-1 --exported model.onnx
"""


def card(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run directory.")],
    variant: Annotated[
        str, typer.Option(metavar="NAME", help="A model of the run, as evaluate names it.")
    ] = "cnn",
    exported: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL", help="File that export made of RUN: measured, too, on the data of RUN."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write it there instead of printing it."),
    ] = None,
) -> None:
    """Write the model card of a run, in Markdown.

    What the model is, how it was made, how good it is, how far its probabilities can be believed,
    and what it should not be used for. Beside FILE goes a picture of its known failures, on drawn
    faces.
    """
    from ferboost.files import atomic_path, write_text
    from ferboost.report.card import model_card
    from ferboost.runs import Run

    if out is None:
        typer.echo(model_card(Run.open(run), variant, exported).text, nl=False)
        return
    picture = out.with_name(f"{out.stem}-failures.png")
    for target in (out, picture):
        refuse_to_overwrite("--out", target, run, exported)
    card = model_card(Run.open(run), variant, exported, picture=quote(picture.name))
    with atomic_path(picture) as temporary:
        card.failures.savefig(temporary, format="png", dpi=120)
    write_text(out, card.text)
    typer.echo(f"model card: {out}")
    typer.echo(f"known failures: {picture}")


def demo(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")] = Path("demo"),
    count_per_class: Annotated[
        int, typer.Option(metavar="N", min=20, help="Faces of each emotion.")
    ] = 500,
    epochs: Annotated[int, typer.Option(metavar="N", min=1, help="Passes over the faces.")] = 15,
) -> None:
    """Try everything on drawn faces, in a minute or two.

    Draws faces of seven emotions, trains, boosts, evaluates, reports, and predicts a photo.
    """
    from ferboost.cli.prediction import predict
    from ferboost.datasets.images import encode_png
    from ferboost.datasets.synthetic import generate_faces
    from ferboost.datasets.writing import write_dataset
    from ferboost.errors import SettingsError
    from ferboost.files import write_bytes
    from ferboost.pipeline import start_run
    from ferboost.settings import load_settings

    _require_report()
    if out.exists():
        raise SettingsError(f"{out} exists already; give the demo a new folder")
    with ConsoleMonitor().stage(f"draw {7 * count_per_class:,} faces"):
        write_dataset(generate_faces(count_per_class), out / "faces.zip")
    # The published fc2 of 7 ReLU units can lose all of them within an epoch on drawn faces (2 of 14
    # seeds); 32 units do not.
    settings = load_settings(overrides=[f"cnn.epochs={epochs}", "cnn.dense=[64, 32]"])
    run, prepared = start_run(out / "run", load(out / "faces.zip"), settings, command_line())
    _finish(run, prepared, json=False)
    photo = out / "photo.png"
    write_bytes(photo, encode_png(prepared.split("test").images[0]))
    predict([photo], model=run.path)


def _require_report() -> None:
    """Let a package that the report needs be missed now, not after hours of training."""
    import ferboost.report.writing  # noqa: F401


def command_line() -> str:
    """Return what was typed, for the record."""
    return shlex.join(["ferboost", *sys.argv[1:]])


def _refuse_changes(context: typer.Context) -> None:
    """Refuse options that a resumed run would have to ignore."""
    from ferboost.errors import SettingsError

    for parameter in context.command.params:
        if parameter.name in _GO_WITH_RESUME or not is_given(context, parameter.name or ""):
            continue
        raise SettingsError(
            f"--resume goes on with the settings of the run; leave out {parameter.opts[0]}, or "
            "start a new run"
        )


_GO_WITH_RESUME = {"data", "resume", "json", "votes"}


def _finish(run: "Run", prepared: "FaceDataset", *, json: bool) -> None:
    from ferboost.cli.results import describe_results, print_results
    from ferboost.pipeline import execute_run

    monitor = ConsoleMonitor()
    monitor.log(f"run directory: {run.path}")
    for note in run.record.data.notes:
        monitor.log(note)
    with resumable(f"ferboost train --resume {shlex.quote(str(run.path))}"):
        results = execute_run(run, prepared, monitor)
        page = _write_report(run)
    if json:
        described = describe_results(results) | {"run": str(run.path), "report": str(page)}
        print_json(described)
    else:
        print_results(results, run, own_test_split=True)
        typer.echo(f"report: {page}")


def _write_report(run: "Run") -> Path:
    from ferboost.report import write_report

    with ConsoleMonitor().stage("write the report"):
        return write_report(run)
