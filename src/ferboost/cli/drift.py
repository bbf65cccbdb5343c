"""``ferboost drift``: whether new faces are like those that a model is known to work on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferboost.cli.console import ConsoleMonitor, one_line, print_json, print_table
from ferboost.cli.data import JsonOption, load
from ferboost.cli.predictors import find_pictures

if TYPE_CHECKING:
    from ferboost.evaluation.drift import Drift

__all__ = ["DRIFT_EXAMPLES", "drift"]

DRIFT_EXAMPLES = """\b
Examples:
  ferboost drift runs/strong-clean-1 new-faces/
  ferboost drift runs/strong-clean-1 new-faces/*.png --data fer2013.zip --json
"""


def drift(
    model: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run directory.")],
    pictures: Annotated[
        list[Path],
        typer.Argument(
            metavar="PICTURE",
            help="Pictures that a face fills, folders of them, or patterns in quotes.",
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA", help="The data that the run was made with.  [default: where it was]"
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compare new faces, without labels, with those of a run.

    A kernel two-sample test (MMD, permutation p) of what the CNN makes of the new faces and of the
    run's validation faces, and brightness, contrast and sharpness of both. The exit code is 0
    whatever is found; --json says "drifted".
    """
    import numpy as np

    from ferboost.inference.pictures import read_faces
    from ferboost.pipeline.drifting import measure_run_drift
    from ferboost.runs import Run

    run = Run.open(model)
    paths = [source.path for source in find_pictures(pictures)]
    with ConsoleMonitor().stage("read pictures") as tell:
        faces, _, failures = read_faces(paths, tell)
    if not faces:
        raise failures[0]
    dataset = load(Path(run.record.data.path) if data is None else data)
    found = measure_run_drift(run, dataset, np.stack(faces), ConsoleMonitor())
    if json:
        print_json(found.to_dict() | {"unreadable": len(failures)})
    else:
        _print(found)
    for failure in failures:
        typer.echo(f"ferboost: error: {one_line(str(failure))}", err=True)
    if failures:
        raise typer.Exit(1)


def _print(found: "Drift") -> None:
    rows = [
        [
            shift.trait,
            f"{shift.reference:.0f}",
            f"{shift.new:.0f}",
            f"{100 * shift.outside:.0f}",
            f"{shift.p:.2g}",
        ]
        for shift in found.traits
    ]
    print_table(
        f"medians in gray values; outside: % of the new faces beyond the limits of training; p: "
        f"Holm\n({found.features}: MMD {found.mmd:.4f}, by chance up to {found.mmd_by_chance:.4f})",
        ["trait", "known", "new", "outside", "p"],
        rows,
    )
    typer.echo(found.sentence())
