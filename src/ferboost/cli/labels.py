"""``ferboost labels``: which labels a model does not believe, and whether people do."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferboost.cli.console import ConsoleMonitor, print_json, print_table
from ferboost.cli.data import ForceOption, JsonOption, load, refuse_edited

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ferboost.evaluation.label_errors import LabelErrors
    from ferboost.evaluation.label_findings import LabelFindings
    from ferboost.pipeline.labelling import UnseenImages

__all__ = ["LABELS_EXAMPLES", "labels"]

LABELS_EXAMPLES = """\b
Examples:
  ferboost labels runs/strong-clean-1 fer2013.zip
  ferboost labels runs/boosted-clean-1 fer2013.zip --votes fer2013new.csv
  ferboost labels runs/strong-clean-1 my-faces/ --count 200 -o suspects
"""

_COLUMNS = (
    "image", "split", "label", "suggested", "suspect", "label_probability", "suggested_probability",
)  # fmt: skip


def labels(
    model: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run directory.")],
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A folder, zip, CSV or Parquet file.")
    ],
    votes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="FER+ votes (fer2013new.csv) that judge the finder."),
    ] = None,
    count: Annotated[
        int, typer.Option(metavar="N", min=1, max=400, help="Faces on the sheet of pictures.")
    ] = 64,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the results go.")
    ] = Path("labels"),
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Find labels that are probably wrong, for people to look at.

    Confident learning (Northcutt et al., 2021) on images that the run's CNNs were not trained on:
    validation and test images, or all where the run has out-of-fold CNNs. Writes labels.csv, the
    most suspicious first, and sheet.png with the first of them. With votes, it says how many of
    them people agree are wrong, and how far anything can agree with such labels. Where DATA is
    what the run was made with, its report says so, too.
    """
    from ferboost.evaluation.label_errors import find_label_errors
    from ferboost.evaluation.label_findings import judge_labels
    from ferboost.files import write_text
    from ferboost.pipeline.labelling import predict_unseen, save_label_findings
    from ferboost.report import write_report
    from ferboost.runs import Run

    run = Run.open(model)
    refuse_edited(out / "labels.csv", force=force)
    dataset = load(data)
    if votes is not None:
        from ferboost.datasets.votes import join_votes, read_votes

        dataset = join_votes(dataset, read_votes(votes))
    unseen = predict_unseen(run, dataset, ConsoleMonitor())
    errors = find_label_errors(unseen.probabilities, unseen.images.labels)
    findings = judge_labels(unseen.images, unseen.probabilities, errors, unseen.left_out)
    _draw(unseen, errors, findings, count, out)
    files = [out / "labels.csv", out / "sheet.png"]
    if dataset.fingerprint == run.record.data.fingerprint:
        with run.lock():
            save_label_findings(run, findings)
            files.append(write_report(run))
    write_text(out / "labels.csv", _table(unseen, errors))  # last: it may be edited from now on
    if json:
        print_json({
            "images": findings.judged,
            "left_out": findings.left_out,
            "suspects": findings.suspects,
            "files": [str(path) for path in files],
            "finder": {name: curve.to_dict() for name, curve in findings.finder.items()},
            "agreement": {images: dict(own) for images, own in findings.agreement.items()},
        })  # fmt: skip
    else:
        _print(findings, files)


def _table(unseen: "UnseenImages", errors: "LabelErrors") -> str:
    from ferboost.datasets.doubts import probability_column

    images, classes = unseen.images, unseen.images.classes
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow((*_COLUMNS, *map(probability_column, classes)))
    for place in errors.order.tolist():
        label, suggested = int(images.labels[place]), int(errors.suggested[place])
        shares = unseen.probabilities[place]
        rows.writerow((
            images.names[place], images.splits[place], classes[label], classes[suggested],
            "yes" if errors.suspect[place] else "no",
            *(f"{share:.4f}" for share in (shares[label], shares[suggested], *shares)),
        ))  # fmt: skip
    return text.getvalue()


def _draw(
    unseen: "UnseenImages",
    errors: "LabelErrors",
    findings: "LabelFindings",
    count: int,
    out: Path,
) -> None:
    from ferboost.files import atomic_path
    from ferboost.report.label_figures import plot_finder, plot_label_sheet

    first: NDArray[np.int64] = errors.order[:count]
    classes = unseen.images.classes
    figures = {
        "sheet.png": plot_label_sheet(
            unseen.images.images[first],
            [classes[label] for label in unseen.images.labels[first]],
            [f"{classes[label]}?" for label in errors.suggested[first]],
        )
    }
    if findings.finder:
        figures["finder.png"] = plot_finder(findings.finder)
    for name, figure in figures.items():
        with atomic_path(out / name) as temporary:
            figure.savefig(temporary, format="png", dpi=130)


def _print(findings: "LabelFindings", files: "Sequence[Path]") -> None:
    from ferboost.evaluation.label_findings import AGREEMENTS

    for sentence in (findings.sentence(), *findings.remarks()):
        typer.echo(sentence)
    for path in files:
        typer.echo(f"wrote {path}")
    for name, curve in findings.finder.items():
        rows = [
            [
                count,
                f"{100 * found['precision']['value']:.1f}",
                " - ".join(f"{100 * limit:.1f}" for limit in found["precision"]["interval"]),
                f"{found['times_base_rate']:.1f}",
                f"{100 * found['recall']:.1f}",
            ]
            for count, found in curve.to_dict()["at"].items()
        ]
        typer.echo("")
        print_table(
            f"wrong: {name} ({100 * curve.base_rate:.1f} % of {curve.judged:,} images)",
            ["first", "of these wrong, %", "95 %", "times the rate", "of all found, %"],
            rows,
        )
    if findings.agreement:
        rows = [
            [text, *(f"{100 * own[name]:.1f}" for own in findings.agreement.values())]
            for name, text in AGREEMENTS.items()
        ]
        print_table("who agrees with whom, in percent", ["", *findings.agreement], rows)
