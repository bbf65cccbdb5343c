"""``ferboost explain``: why a face is taken for what it is, and whether the reasons hold."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferboost.cli.console import ConsoleMonitor, one_line, print_json, print_table
from ferboost.cli.data import JsonOption, load
from ferboost.cli.outputs import refuse_to_overwrite
from ferboost.cli.predictors import find_pictures
from ferboost.cli.settings import is_given
from ferboost.cli.splits import SplitOption, check_split, print_left_out, select_split

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ferboost.explanation import Explanation, ExplanationCheck
    from ferboost.runs import Run

__all__ = ["EXPLAIN_EXAMPLES", "explain"]

EXPLAIN_EXAMPLES = """\b
Examples:
  ferboost explain runs/paper-clean-1 photo.png
  ferboost explain runs/paper-clean-1 faces/*.jpg --variant fc1 -o why/
  ferboost explain runs/paper-clean-1 photo.png --emotion sad --json
  ferboost explain runs/paper-clean-1 fer2013.zip --check --faces 200
"""


def explain(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run directory.")],
    pictures: Annotated[
        list[Path],
        typer.Argument(
            metavar="PICTURE",
            help="Pictures that a face fills, folders of them, patterns in quotes; labelled data "
            "for --check.",
        ),
    ],
    variant: Annotated[
        str, typer.Option(metavar="NAME", help="A model of the run, as evaluate names it.")
    ] = "cnn",
    emotion: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What to explain.  [default: the verdict]"),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the figures go.")
    ] = Path("explanations"),
    check: Annotated[
        bool, typer.Option("--check", help="Check on labelled data whether the maps hold.")
    ] = False,
    split: SplitOption = None,
    faces: Annotated[
        int, typer.Option(metavar="N", min=2, help="How many faces --check looks at.")
    ] = 200,
    json: JsonOption = False,
) -> None:
    """Explain verdicts by heat maps and by what the trees add.

    A figure for each picture: the face, Grad-CAM and integrated gradients of the CNN, where the
    model has one, occlusion of the whole model, and what each group of features adds to the verdict
    (TreeSHAP). --json prints the numbers instead.

    --check takes labelled data and asks of each kind of map whether blurring the regions it marks
    costs the verdict more than blurring those marked for random weights, and whether the two maps
    differ.
    Faces that the run was made with, or copies of them, are left out. The run keeps the answer, and
    its report is written again.
    """
    from ferboost.runs import Run

    run = Run.open(model)
    _refuse_what_has_no_effect(context, check=check, json=json)
    if check:
        _check(run, pictures, variant, split, faces, json=json)
        return
    _explain(run, pictures, variant, emotion, out, json=json)


def _refuse_what_has_no_effect(context: typer.Context, *, check: bool, json: bool) -> None:
    from ferboost.errors import SettingsError

    if json and not check and is_given(context, "out"):
        raise SettingsError("--json draws nothing; leave out --out")
    for name in ("emotion", "out") if check else ("split", "faces"):
        if is_given(context, name):
            where = "has no effect with --check" if check else "is for --check"
            raise SettingsError(f"--{name} {where}; leave it out")


def _explain(
    run: "Run",
    paths: list[Path],
    variant: str,
    emotion: str | None,
    out: Path,
    *,
    json: bool,
) -> None:
    import numpy as np

    from ferboost.inference.pictures import read_faces
    from ferboost.pipeline import explain_run

    sources = [source.path for source in find_pictures(paths)]
    for path in sources if not json else ():
        refuse_to_overwrite("--out", out / f"{path.stem}.png", *sources)
    images, names, failures = read_faces(sources)
    found: tuple[Explanation, ...] = ()
    if images:
        with ConsoleMonitor().stage("explain") as tell:
            found = explain_run(run, np.stack(images), variant, emotion=emotion, tell=tell)
    if json:
        print_json([
            {"image": name, **own.to_dict()} for name, own in zip(names, found, strict=True)
        ])  # fmt: skip
    else:
        for name, own, path in zip(names, found, _draw(names, found, out), strict=True):
            share = own.probabilities[own.classes.index(own.emotion)]
            typer.echo(one_line(f"{name}: {own.emotion} {share:.0%}: {path}"))
    for failure in failures:
        typer.echo(f"ferboost: error: {one_line(str(failure))}", err=True)
    if failures:
        raise typer.Exit(1)


def _draw(names: list[str], found: "Sequence[Explanation]", out: Path) -> "Iterable[Path]":
    from ferboost.files import atomic_path
    from ferboost.report.explanation_figures import plot_explanation

    drawn: set[Path] = set()
    for name, explanation in zip(names, found, strict=True):
        path, number = out / f"{Path(name).stem}.png", 1
        while path in drawn:
            number += 1
            path = out / f"{Path(name).stem}-{number}.png"
        drawn.add(path)
        with atomic_path(path) as temporary:
            plot_explanation(explanation).savefig(temporary, format="png", dpi=150)
        yield path


def _check(
    run: "Run", paths: list[Path], variant: str, split: str | None, faces: int, *, json: bool
) -> None:
    from ferboost.errors import SettingsError
    from ferboost.pipeline import check_run_explanations
    from ferboost.report import write_report

    check_split(split)
    if len(paths) != 1:
        raise SettingsError(f"--check takes one data set, found {len(paths)} paths")
    evaluated = select_split(load(paths[0]), run, split)
    with run.lock():
        checked = check_run_explanations(run, evaluated, faces, variant, ConsoleMonitor())
        page = write_report(run)
    if json:
        print_json(checked.to_dict())
        return
    _print(checked)
    typer.echo(f"report: {page}")


def _print(checked: "ExplanationCheck") -> None:
    rows = [
        [
            own.method,
            f"{100 * own.gain.value:+.1f}",
            " - ".join(f"{100 * limit:.1f}" for limit in own.gain.interval),
            f"{100 * own.wins:.0f}",
            f"{100 * own.gain_over_chance.value:+.1f}",
            " / ".join(f"{measure.value:.2f}" for measure in own.similarity),
        ]
        for own in checked.methods
    ]
    print_table(
        f"{checked.faces:,} {checked.source}, {checked.networks} randomised networks;\n"
        "what the order of the trained model's map is worth, in points of the verdict's\n"
        "probability; rank correlation of the maps where the last layer, the upper half\n"
        "and all layers are random",
        ["map", "gain", "95 %", "better on %", "over chance", "correlation"],
        rows,
    )
    print_left_out(checked.left_out)
    for own in checked.methods:
        typer.echo(own.sentence())
