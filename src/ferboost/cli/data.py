"""``ferboost data``: what is in a data set, what is wrong with it, and other forms of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferboost.cli.console import ConsoleMonitor, print_json, print_table

if TYPE_CHECKING:
    from ferboost.datasets import FaceDataset

__all__ = ["app", "load"]

app = typer.Typer(
    help="Look at data sets, check and convert them.", no_args_is_help=True, rich_markup_mode=None
)

DataArgument = Annotated[
    Path, typer.Argument(metavar="DATA", help="A folder, zip, CSV or Parquet file.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
VotesOption = Annotated[
    Path | None, typer.Option(help="FER+ votes (fer2013new.csv) to join by image name.")
]


def load(path: Path) -> "FaceDataset":
    """Load a data set with a progress bar."""
    from ferboost.datasets import load_dataset

    with ConsoleMonitor().stage(f"read {path.name}") as tell:
        return load_dataset(path, on_progress=lambda done, total: tell(done, total, ""))


@app.command()
def info(
    data: DataArgument,
    votes: VotesOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for class-distribution.png and samples.png."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Count the images of each class, and draw the distribution and a grid of samples."""
    from ferboost.datasets.votes import describe_votes, join_votes, read_votes

    dataset = load(data)
    described: dict[str, object] = {
        "source": str(data),
        "images": len(dataset),
        "classes": list(dataset.classes),
        "counts": {split: list(counts) for split, counts in dataset.split_counts().items()},
        "fingerprint": dataset.fingerprint,
        "notes": list(dataset.notes),
    }
    if votes is not None:
        described["votes"] = describe_votes(join_votes(dataset, read_votes(votes)))
    if out is not None:
        described["figures"] = [str(path) for path in _draw(dataset, out)]
    if json:
        print_json(described)
        return
    counts = dataset.split_counts()
    rows = [
        (name, *(f"{numbers[i]:,}" for numbers in counts.values()))
        for i, name in enumerate(dataset.classes)
    ]
    rows.append(("all", *(f"{sum(numbers):,}" for numbers in counts.values())))
    print_table(f"{data}: {len(dataset):,} images", ("class", *counts), rows)
    for note in dataset.notes:
        typer.echo(note)
    if "votes" in described:
        typer.echo(f"FER+ votes: {described['votes']}")
    for figure in described.get("figures", []):  # type: ignore[attr-defined]
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


@app.command()
def check(data: DataArgument, json: JsonOption = False) -> None:
    """Look for copies, leaks, contradictions, blanks and tampering; exit with 1 on an error."""
    from ferboost.datasets.audit import audit

    dataset = load(data)
    with ConsoleMonitor().stage("check") as tell:
        tell(0, 1, f"{len(dataset):,} images")
        result = audit(dataset)
    if json:
        print_json(result.to_dict())
    else:
        for split in result.splits:
            rows = [
                (
                    name,
                    f"{split.counts[i]:,}",
                    "" if split.published is None else f"{split.published[i]:,}",
                )
                for i, name in enumerate(result.classes)
            ]
            print_table(f"{split.split}", ("class", "images", "FER-2013 has"), rows)
        for finding in result.findings:
            shown = ", ".join(finding.names[:3]) + (", ..." if len(finding.names) > 3 else "")
            typer.echo(f"{finding.level}: {finding.message}" + (f" ({shown})" if shown else ""))
    if any(finding.level == "error" for finding in result.findings):
        raise typer.Exit(1)


@app.command()
def convert(
    data: DataArgument,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="A folder, or a .zip, .csv or .parquet file.")
    ],
) -> None:
    """Write a data set in another of the published forms."""
    from ferboost.datasets.writing import write_dataset

    dataset = load(data)
    with ConsoleMonitor().stage(f"write {out.name}") as tell:
        write_dataset(dataset, out, lambda done, total: tell(done, total, ""))
    typer.echo(f"wrote {len(dataset):,} images to {out}")


@app.command()
def generate(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="A folder, or a .zip, .csv or .parquet file.")
    ],
    count_per_class: Annotated[int, typer.Option(help="Images of each emotion.")] = 500,
    seed: Annotated[int, typer.Option(help="The same seed draws the same faces.")] = 0,
) -> None:
    """Draw faces of the seven emotions, to try everything without a data set of people."""
    from ferboost.datasets.synthetic import generate_faces
    from ferboost.datasets.writing import write_dataset

    monitor = ConsoleMonitor()
    with monitor.stage("draw faces") as tell:
        tell(0, 1, f"{7 * count_per_class:,} faces")
        dataset = generate_faces(count_per_class, seed=seed)
    with monitor.stage(f"write {out.name}") as tell:
        write_dataset(dataset, out, lambda done, total: tell(done, total, ""))
    typer.echo(f"drew {len(dataset):,} faces into {out}")
