"""``ferboost labels``: which labels a model does not believe, and whether people do."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferboost.cli.console import ConsoleMonitor, print_json, print_table
from ferboost.cli.data import JsonOption, load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ferboost.datasets import FaceDataset
    from ferboost.evaluation.label_errors import FinderCurve, LabelErrors
    from ferboost.pipeline.labelling import UnseenImages

__all__ = ["LABELS_EXAMPLES", "labels"]

LABELS_EXAMPLES = """\b
Examples:
  ferboost labels runs/strong-clean-1 fer2013.zip
  ferboost labels runs/out-of-fold-1 fer2013.zip --votes fer2013new.csv
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
    json: JsonOption = False,
) -> None:
    """Find labels that are probably wrong, for people to look at.

    Confident learning (Northcutt et al., 2021) on images that the run's CNNs were not trained on:
    validation and test images, or all where the run has out-of-fold CNNs. Writes labels.csv, the
    most suspicious first, and sheet.png with the first of them. With votes, it says how many of
    them people agree are wrong, and how far anything can agree with such labels.
    """
    from ferboost.evaluation.label_errors import find_label_errors
    from ferboost.files import write_text
    from ferboost.pipeline.labelling import predict_unseen
    from ferboost.runs import Run

    run = Run.open(model)
    dataset = load(data)
    if votes is not None:
        from ferboost.datasets.votes import join_votes, read_votes

        dataset = join_votes(dataset, read_votes(votes))
    unseen = predict_unseen(run, dataset, ConsoleMonitor())
    errors = find_label_errors(unseen.probabilities, unseen.images.labels)
    judged = {} if votes is None else _judge(unseen.images, errors)
    write_text(out / "labels.csv", _table(unseen, errors))
    _draw(unseen, errors, judged, count, out)
    described: dict[str, Any] = {
        "images": len(unseen.images),
        "left_out": unseen.left_out,
        "suspects": int(errors.suspect.sum()),
        "files": [str(out / "labels.csv"), str(out / "sheet.png")],
        "finder": {name: curve.to_dict() for name, curve in judged.items()},
        "agreement": None if votes is None else _agreement(unseen),
    }
    if json:
        print_json(described)
    else:
        _print(described, judged)


def _judge(images: "FaceDataset", errors: "LabelErrors") -> "dict[str, FinderCurve]":
    import numpy as np

    from ferboost.datasets.votes import majority_labels, soft_labels
    from ferboost.evaluation.label_errors import judge_finder

    shares, majority = soft_labels(images), majority_labels(images)
    voted = shares.sum(axis=1) > 0
    on_label = shares[np.arange(len(images)), images.labels]
    return {
        "no voter gave the label": judge_finder(errors.order, voted & (on_label == 0), voted),
        "most voters gave another": judge_finder(
            errors.order, majority != images.labels, majority >= 0
        ),
    }


def _agreement(unseen: "UnseenImages") -> dict[str, float]:
    from dataclasses import asdict

    import numpy as np

    from ferboost.datasets.votes import annotator_agreement, majority_labels, soft_labels

    images, verdicts = unseen.images, unseen.probabilities.argmax(axis=1)
    shares, majority = soft_labels(images), majority_labels(images)
    voted, clear = shares.sum(axis=1) > 0, majority >= 0
    return {
        "model_with_labels": float((verdicts == images.labels).mean()),
        "model_with_majority": float((verdicts == majority)[clear].mean()),
        "model_with_votes": float(shares[np.flatnonzero(voted), verdicts[voted]].mean()),
        **{name: float(value) for name, value in asdict(annotator_agreement(images)).items()},
    }


def _table(unseen: "UnseenImages", errors: "LabelErrors") -> str:
    images, classes = unseen.images, unseen.images.classes
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for place in errors.order.tolist():
        label, suggested = int(images.labels[place]), int(errors.suggested[place])
        shares = unseen.probabilities[place]
        rows.writerow((
            images.names[place], images.splits[place], classes[label], classes[suggested],
            "yes" if errors.suspect[place] else "no",
            f"{shares[label]:.4f}", f"{shares[suggested]:.4f}",
        ))  # fmt: skip
    return text.getvalue()


def _draw(
    unseen: "UnseenImages",
    errors: "LabelErrors",
    judged: "dict[str, FinderCurve]",
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
            [classes[label] for label in errors.suggested[first]],
        )
    }
    if judged:
        figures["finder.png"] = plot_finder(judged)
    for name, figure in figures.items():
        with atomic_path(out / name) as temporary:
            figure.savefig(temporary, format="png", dpi=130)


def _print(described: dict[str, Any], judged: "dict[str, FinderCurve]") -> None:  # Any: JSON
    typer.echo(
        f"{described['suspects']:,} of {described['images']:,} labels are suspect"
        + (
            f" ({described['left_out']:,} images left out: the CNNs were trained on them)"
            if described["left_out"]
            else ""
        )
    )
    for path in described["files"]:
        typer.echo(f"wrote {path}")
    for name, curve in judged.items():
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
    agreement = described["agreement"]
    if agreement:
        names = {
            "model_with_labels": "the CNN with the labels",
            "label_by_majority": "most of ten voters with the labels",
            "label_by_vote": "one voter with the labels",
            "model_with_majority": "the CNN with most voters",
            "vote_by_others": "one voter with most of the others",
            "model_with_votes": "the CNN with single votes",
            "vote_by_best": "the best possible model with single votes",
        }
        rows = [[text, f"{100 * agreement[name]:.1f}"] for name, text in names.items()]
        print_table("who agrees with whom", ["", "%"], rows)
