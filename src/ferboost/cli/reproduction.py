"""``ferboost reproduce``."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferboost.cli.clusters import cluster_at
from ferboost.cli.console import ConsoleMonitor, print_json, print_table, resumable
from ferboost.cli.data import JsonOption, load
from ferboost.cli.settings import SetOption, is_given
from ferboost.cli.training import command_line

if TYPE_CHECKING:
    from ferboost.reproduction.findings import Claim

__all__ = ["REPRODUCE_EXAMPLES", "reproduce"]

REPRODUCE_EXAMPLES = """\b
Examples:
  ferboost reproduce fer2013.zip --budget 120
  ferboost reproduce fer2013.zip --only cnn --only table-2 --seeds 5
  ferboost reproduce fer2013.zip --only grid -o grid
  ferboost reproduce fer2013.zip --ray auto
  ferboost reproduce --resume --out reproductions/study-1

\b
Parts: cnn (both protocols, the trees on every tap), table-2 to table-6,
conv-layers, filters, kernel-size, dropout, pool-size, stride, fc1, fc2,
augmentation, grid.
"""


def reproduce(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Argument(metavar="DATA", help="FER-2013: a folder, zip, CSV or Parquet file."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            help="Train for fewer epochs, and thin the grid, so that it takes no longer.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="PART", help="What to repeat, see below; may be repeated."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(metavar="N", min=1, max=100, help="Models at each point, at most.")
    ] = 3,
    changes: SetOption = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=256,
            help="Trials at a time, at most; they share the cores. By default as many as cores, up "
            "to 4, if measured to be faster than 1; with --ray one a node.",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Train the CNNs of sweeps and grid on a Ray cluster: HOST:PORT of its head "
            "node, or auto.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FOLDER", help="The new folder.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the folder of --out; its plan stays.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Repeat the published study, and say what of it holds.

    Every table and figure, beside the published one: both protocols, the trees on every tap, the
    sweeps of the layers, the tables of the trees, augmentation, and the grid of 125 points. Without
    a budget, as long as the authors had. Everything is kept in a folder, by default
    reproductions/study-NUMBER. Stop at any moment and continue with --resume.
    """
    from ferboost.errors import SettingsError
    from ferboost.report.reproduction_page import write_reproduction_page
    from ferboost.reproduction import Reproduction, repeat_study, start_reproduction
    from ferboost.runs import new_run_path
    from ferboost.settings import load_settings

    with cluster_at(ray) as cluster:
        if resume:
            if out is None:
                raise SettingsError("--resume needs to know which folder; give it by --out FOLDER")
            _refuse_changes(context)
            reproduction = Reproduction.open(out)
            dataset = load(data or Path(reproduction.record.data.path))
        elif data is None:
            raise SettingsError("reproduce needs DATA, or --resume; see: ferboost reproduce --help")
        else:
            settings = load_settings("paper", changes or (), seeds=tuple(range(seeds)))
            dataset = load(data)
            with new_run_path(out, Path("reproductions"), "study") as path:
                reproduction = start_reproduction(
                    path, dataset, settings, command_line(), parts=only or (), budget=budget
                )
        monitor = ConsoleMonitor()
        monitor.log(f"folder: {reproduction.path}")
        with resumable(f"ferboost reproduce --resume --out {shlex.quote(str(reproduction.path))}"):
            repeat_study(reproduction, dataset, monitor, jobs=jobs, cluster=cluster)
            with monitor.stage("write the page"):
                claims = write_reproduction_page(reproduction)
    if json:
        described = [vars(claim) for claim in claims]
        print_json({"page": str(reproduction.page), "claims": described})
    else:
        _print(claims)
        typer.echo(f"page: {reproduction.page}")


def _print(claims: "list[Claim]") -> None:
    rows = [[claim.what, claim.published, claim.ours, claim.word] for claim in claims]
    print_table("What the study says", ["claim", "there", "here", "verdict"], rows)


def _refuse_changes(context: typer.Context) -> None:
    """Refuse options that a resumed repetition would have to ignore."""
    from ferboost.errors import SettingsError

    for name, option in (
        ("budget", "--budget"),
        ("only", "--only"),
        ("seeds", "--seeds"),
        ("changes", "--set"),
    ):
        if is_given(context, name):
            raise SettingsError(f"--resume goes on with what was planned; leave out {option}")
