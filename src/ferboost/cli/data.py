"""``ferboost data``: what is in a data set, what is wrong with it, and other forms of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferboost.cli.console import ConsoleMonitor, print_json, print_table
from ferboost.cli.outputs import refuse_to_overwrite

if TYPE_CHECKING:
    from ferboost.datasets import FaceDataset
    from ferboost.datasets.worst import BadImage

__all__ = ["ForceOption", "JsonOption", "app", "load", "refuse_edited"]

app = typer.Typer(rich_markup_mode=None)

DataArgument = Annotated[
    Path, typer.Argument(metavar="DATA", help="A folder, zip, CSV or Parquet file.")
]
OutArgument = Annotated[
    Path, typer.Argument(metavar="OUT", help="A new folder, or a .zip, .csv or .parquet file.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Write over a table that may have been edited by hand.")
]

CHECK_EXAMPLES = """\b
Examples:
  ferboost data check fer2013.zip
  ferboost data check faces/ --doubts labels/labels.csv --sheet worst.png
  ferboost data check fer2013.zip --doubts fer2013new.csv --list again.csv
"""

INFO_EXAMPLES = """\b
Examples:
  ferboost data info fer2013.zip --out figures/
  ferboost data info fer2013.csv --votes fer2013new.csv --json
"""


@app.callback(invoke_without_command=True)
def _options(context: typer.Context) -> None:
    """Look at data sets, check and convert them."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def load(path: Path, votes: Path | None = None) -> "FaceDataset":
    """Load a data set with a progress bar, and join votes where there are any."""
    from ferboost.datasets import load_dataset

    with ConsoleMonitor().stage(f"read {path.name}") as tell:
        dataset = load_dataset(path, on_progress=lambda done, total: tell(done, total, ""))
    if votes is None:
        return dataset
    from ferboost.datasets.votes import join_votes, read_votes

    return join_votes(dataset, read_votes(votes))


def refuse_edited(table: Path, *, force: bool) -> None:
    """Refuse to write over a table that is there for people to edit."""
    from ferboost.errors import SettingsError

    if table.exists() and not force:
        raise SettingsError(
            f"{table} exists already and may have been edited; choose another name, or --force"
        )


@app.command(epilog=INFO_EXAMPLES)
def info(
    data: DataArgument,
    votes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="FER+ votes (fer2013new.csv) to join by image name."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Draw class-distribution.png and samples.png into this folder.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Count the images of each class, and draw them."""
    from ferboost.datasets.votes import describe_votes, join_votes, read_votes

    dataset = load(data)
    joined = None if votes is None else describe_votes(join_votes(dataset, read_votes(votes)))
    figures = [] if out is None else _draw(dataset, out)
    counts = dataset.split_counts()
    if json:
        described: dict[str, Any] = {
            "source": str(data),
            "images": len(dataset),
            "classes": list(dataset.classes),
            "counts": {split: list(numbers) for split, numbers in counts.items()},
            "fingerprint": dataset.fingerprint,
            "notes": list(dataset.notes),
            "votes": joined,
            "figures": [str(path) for path in figures],
        }
        print_json(described)
        return
    rows = [
        (name, *(f"{numbers[i]:,}" for numbers in counts.values()))
        for i, name in enumerate(dataset.classes)
    ]
    rows.append(("all", *(f"{sum(numbers):,}" for numbers in counts.values())))
    print_table(f"{data}: {len(dataset):,} images", ("class", *counts), rows)
    for note in dataset.notes:
        typer.echo(note)
    if joined is not None:
        typer.echo(
            f"{joined['images_with_votes']:,} images have FER+ votes, "
            f"{joined['clear_majorities']:,} of them a clear majority, which is the label in "
            f"{joined['agreement']:.1%}."
        )
    for figure in figures:
        typer.echo(f"drew {figure}")


def _draw(dataset: "FaceDataset", folder: Path) -> list[Path]:
    from ferboost.files import atomic_path
    from ferboost.report.data_figures import draw_class_distribution, draw_sample_grid

    figures = {
        "class-distribution.png": draw_class_distribution(dataset.classes, dataset.split_counts()),
        "samples.png": draw_sample_grid(dataset),
    }
    for name, figure in figures.items():
        with atomic_path(folder / name) as temporary:
            figure.savefig(temporary, format="png", dpi=150)
    return [folder / name for name in figures]


@app.command(epilog=CHECK_EXAMPLES)
def check(
    data: DataArgument,
    doubts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Doubted labels: what ferboost labels writes, or FER+ votes."
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the worst images with their labels, as PNG."),
    ] = None,
    count: Annotated[
        int, typer.Option(metavar="N", min=1, max=400, help="Images on the sheet.")
    ] = 64,
    list_: Annotated[
        Path | None,
        typer.Option(
            "--list", metavar="FILE", help="Write the worst images as CSV, to be labelled again."
        ),
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Look for copies, leaks, contradictions, tampering.

    Counts exact and near copies, copies that lie in train and in test, copies with other labels,
    and blanks, and compares the data to the genuine FER-2013. The exit code is 1 where there is an
    error. The worst images are those with contradicting labels, blank ones, and those whose labels
    are doubted, the least believed first.
    """
    from ferboost.datasets.audit import audit
    from ferboost.datasets.doubts import read_beliefs
    from ferboost.datasets.worst import worst_images

    for option, target in (("--sheet", sheet), ("--list", list_)):
        refuse_to_overwrite(option, target, data, doubts)
    if list_ is not None:
        refuse_edited(list_, force=force)
    dataset = load(data)
    beliefs = None if doubts is None else read_beliefs(dataset, doubts)
    with ConsoleMonitor().stage(f"check {len(dataset):,} images"):
        result = audit(dataset)
    worst = worst_images(dataset, result, beliefs)
    files = _write_worst(dataset, worst, sheet, count, list_)
    if json:
        print_json(result.to_dict() | {"worst": len(worst), "files": list(map(str, files))})
    else:
        for split in result.splits:
            columns = ["class", "images"]
            rows = [
                [n, f"{count:,}"] for n, count in zip(result.classes, split.counts, strict=True)
            ]
            if split.published is not None:
                columns.append("FER-2013 has")
                for row, published in zip(rows, split.published, strict=True):
                    row.append(f"{published:,}")
            print_table(split.split, columns, rows)
        if not result.findings:
            typer.echo("Nothing wrong was found.")
        for finding in result.findings:
            shown = ", ".join(finding.names[:3]) + (", ..." if len(finding.names) > 3 else "")
            typer.echo(f"{finding.level}: {finding.message}" + (f" ({shown})" if shown else ""))
        for path, drawn in files.items():
            typer.echo(f"{path}: {drawn:,} of {len(worst):,} images to look at")
        if not worst and (sheet or list_):
            typer.echo("There is no image to look at.")
    if any(finding.level == "error" for finding in result.findings):
        raise typer.Exit(1)


def _write_worst(
    dataset: "FaceDataset",
    worst: "tuple[BadImage, ...]",
    sheet: Path | None,
    count: int,
    table: Path | None,
) -> dict[Path, int]:
    """Write what is asked for; return how many images each file has."""
    from ferboost.files import atomic_path, write_text

    files: dict[Path, int] = {}
    if not worst:
        return files
    if sheet is not None:
        from ferboost.report.label_figures import plot_label_sheet

        first = worst[:count]
        figure = plot_label_sheet(
            dataset.images[[image.place for image in first]],
            [dataset.classes[int(dataset.labels[image.place])] for image in first],
            [image.reason if image.suggested is None else f"{image.suggested}?" for image in first],
        )
        with atomic_path(sheet) as temporary:
            figure.savefig(temporary, format="png", dpi=130)
        files[sheet] = len(first)
    if table is not None:
        from ferboost.datasets.worst import table_of

        write_text(table, table_of(dataset, worst))
        files[table] = len(worst)
    return files


@app.command()
def convert(data: DataArgument, out: OutArgument) -> None:
    """Write a data set in another of the published forms."""
    from ferboost.datasets.writing import write_dataset

    dataset = load(data)
    with ConsoleMonitor().stage(f"write {out.name}") as tell:
        write_dataset(dataset, out, lambda done, total: tell(done, total, ""))
    typer.echo(f"wrote {len(dataset):,} images to {out}")


@app.command()
def generate(
    out: OutArgument,
    count_per_class: Annotated[
        int, typer.Option(metavar="N", min=1, max=100_000, help="Images of each emotion.")
    ] = 500,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="The same seed draws the same faces.")
    ] = 0,
) -> None:
    """Draw faces of the seven emotions, to try things on.

    No person is in them: all are made of a few hundred random numbers.
    """
    from ferboost.datasets.synthetic import generate_faces
    from ferboost.datasets.writing import write_dataset

    monitor = ConsoleMonitor()
    with monitor.stage(f"draw {7 * count_per_class:,} faces"):
        dataset = generate_faces(count_per_class, seed=seed)
    with monitor.stage(f"write {out.name}") as tell:
        write_dataset(dataset, out, lambda done, total: tell(done, total, ""))
    typer.echo(f"drew {len(dataset):,} faces into {out}")
