"""Filling the report page from a run directory."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ferboost.boosting import BoostedTrees
from ferboost.cnn.network import FaceNetwork
from ferboost.config import CNNSettings
from ferboost.datasets.dataset import FaceDataset
from ferboost.emotions import EMOTIONS
from ferboost.evaluation.results import Results
from ferboost.files import write_text
from ferboost.models import SeedModel, load_seed_model
from ferboost.pipeline import load_calibration, load_results
from ferboost.pipeline.calibrating import why_uncalibrated
from ferboost.pipeline.changing import load_changed_faces
from ferboost.pipeline.examples import load_examples
from ferboost.pipeline.explaining import load_explanation_check
from ferboost.pipeline.labelling import load_label_findings
from ferboost.pipeline.memorising import load_memorised
from ferboost.pipeline.records import read_precision
from ferboost.pipeline.robustness import load_robustness
from ferboost.published import published
from ferboost.report.content import CaptionedFigure, DataFacts, ReportContent
from ferboost.report.data_figures import draw_class_distribution, draw_sample_grid
from ferboost.report.page import build_page
from ferboost.runs import Run

__all__ = ["is_published_setting", "report_content", "write_content", "write_report"]

_ARCHITECTURE = {"filters", "kernel_size", "stride", "padding", "pooling", "pool_size", "dense"}


def write_report(run: Run) -> Path:
    """Write ``report.html`` into a finished run.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    RunError
        If the run is not finished, or a file of it is damaged.
    StorageError
        If the page cannot be written.
    """
    return write_content(run, report_content(run))


def write_content(run: Run, content: ReportContent) -> Path:
    """Write ``report.html`` of what `report_content` gave, into the run; return its path."""
    path = run.path / "report.html"
    write_text(path, build_page(content))
    return path


def report_content(run: Run) -> ReportContent:
    """Return all that the report of a finished run is made of.

    Raises
    ------
    RunError
        If the run is not finished, or a file of it is damaged.
    """
    results = load_results(run)
    model = load_seed_model(run, run.settings.seeds[0])
    examples = load_examples(run)
    face = None if examples is None else examples.images[0]
    tap, tree = _first_tree(model)
    return ReportContent(
        title=f"{run.path.resolve().name}: facial emotion recognition",
        results=results,
        protocol=run.settings.protocol,
        settings=run.settings.model_dump(mode="json"),
        data=_data_facts(run, results),
        environment=run.record.environment | {"precision": read_precision(run).describe()},
        command=run.record.command,
        sample_face=face,
        feature_maps=() if face is None else _feature_maps(model.network, face),
        filters=model.network.first_filters(),
        tree_dump=tree,
        tree_title=f"The first tree on {tap}, for the class {run.record.classes[0]}",
        published=is_published_setting(run),
        data_figures=_data_figures(run, examples),
        calibration=load_calibration(run),
        trust_note=why_uncalibrated(run),
        robustness=load_robustness(run),
        changed=load_changed_faces(run),
        explanation=load_explanation_check(run),
        memorised=load_memorised(run),
        labels=load_label_findings(run),
    )


def is_published_setting(run: Run) -> bool:
    """Say whether a run trains the published network on FER-2013, so that figures compare."""
    counts = run.record.data.counts
    training = np.array(counts["train"]) + np.array(counts.get("validation", 0))
    genuine = published()["dataset"]["counts"]["training"]
    architecture = run.settings.cnn.model_dump(include=_ARCHITECTURE)
    return (
        run.record.classes == EMOTIONS
        and training.tolist() == [genuine[name] for name in EMOTIONS]
        and architecture == CNNSettings().model_dump(include=_ARCHITECTURE)
    )


def _data_facts(run: Run, results: Results) -> DataFacts:
    data = run.record.data
    return DataFacts(
        source=data.path,
        fingerprint=data.fingerprint,
        counts=data.counts,
        n_leaked=None if results.clean is None else int((~results.clean).sum()),
        notes=data.notes,
    )


@torch.inference_mode()
def _feature_maps(
    network: FaceNetwork, face: NDArray[np.uint8]
) -> tuple[tuple[str, NDArray[np.float32]], ...]:
    layers = network.convolve(torch.from_numpy(face[None]))
    return tuple((name, maps[0].numpy()) for name, maps in layers)


def _first_tree(model: SeedModel) -> tuple[str, str | None]:
    trees = model.trees or (model.folds[0].trees if model.folds else {})
    for variant in ("fc1", *trees):
        grown = trees.get(variant)
        if isinstance(grown, BoostedTrees) and grown.rounds_:
            return variant, grown.booster_.get_dump(dump_format="json")[0]
    return "", None


def _data_figures(run: Run, examples: FaceDataset | None) -> tuple[CaptionedFigure, ...]:
    distribution = CaptionedFigure(
        draw_class_distribution(run.record.classes, run.record.data.counts),
        "Images per class",
        "A class with few images is learnt badly, and an accuracy hides it: "
        "see the balanced accuracy.",
    )
    if examples is None:
        return (distribution,)
    samples = CaptionedFigure(
        draw_sample_grid(examples),
        "Training images",
        "Drawn at random. The label is what one annotator or a web search said, not what the "
        "person felt.",
    )
    return (distribution, samples)
