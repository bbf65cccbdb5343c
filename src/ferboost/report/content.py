"""All that the report page is made of, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ferboost.evaluation.changes import ChangedFaces
from ferboost.evaluation.label_findings import LabelFindings
from ferboost.evaluation.memorising import MemorisedFeatures
from ferboost.evaluation.results import Results
from ferboost.evaluation.robustness import Robustness
from ferboost.evaluation.trust import RunCalibration
from ferboost.explanation import ExplanationCheck

__all__ = ["CaptionedFigure", "DataFacts", "ReportContent"]


@dataclass(frozen=True, eq=False)
class CaptionedFigure:
    """A figure and what to say about it.

    Attributes
    ----------
    figure : Figure
    title : str
        A few words without a full stop.
    caption : str
        What to see in it, in sentences.
    """

    figure: Figure
    title: str
    caption: str


@dataclass(frozen=True)
class DataFacts:
    """What the data set of the run is.

    Attributes
    ----------
    source : str
        The file or folder that was read.
    fingerprint : str
        `FaceDataset.fingerprint`.
    counts : mapping of str to sequence of int
        Images per class, by split.
    n_leaked : int or None
        Evaluated images that are exact copies of training images; None where not known.
    notes : tuple of str
        `FaceDataset.notes`.
    """

    source: str
    fingerprint: str
    counts: Mapping[str, Sequence[int]]
    n_leaked: int | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ReportContent:
    """The content of one report.

    Attributes
    ----------
    title : str
    results : Results
    protocol : {"clean", "paper"}
        Whether models were selected on validation images or, as published, on the test images.
    settings : mapping
        Nested mappings of the settings, as `Settings.model_dump` gives them.
    data : DataFacts
    environment : mapping of str to str
        Versions, machine, precision and the reason for it.
    command : str
        What repeats the run.
    sample_face : ndarray of uint8, shape (48, 48), or None
    feature_maps : tuple of (str, ndarray of float32, shape (channels, height, width))
        What the layers of the first seed's CNN make of `sample_face`, by name of the layer.
    filters : ndarray of float32, shape (filters, height, width), or None
        The first convolution of the first seed's CNN.
    tree_dump : str or None
        One tree of ``booster.get_dump(dump_format="json")``; None where there are no trees.
    tree_title : str
        Which tree that is.
    published : bool
        Whether data and network are those of the published study, so that its figures belong
        beside these.
    data_figures : tuple of CaptionedFigure
        Figures of the data set, for the section on it.
    calibration : RunCalibration or None
        Fitted on images that the models have not learnt; None where the run has none.
    trust_note : str
        Why it has none, as a predicate of "the run is".
    robustness : Robustness or None
        What worse faces cost; None where it was not measured.
    changed : ChangedFaces or None
        Test images that trees put right or spoil; None where none were kept.
    explanation : ExplanationCheck or None
        Whether heat maps explain the model; None where it was not checked.
    memorised : MemorisedFeatures or None
        What trees make of images that their CNN knows; None where it was not measured.
    labels : LabelFindings or None
        What was found of the labels; None where nothing was looked for.
    """

    title: str
    results: Results
    protocol: Literal["clean", "paper"]
    settings: Mapping[str, Any]
    data: DataFacts
    environment: Mapping[str, str]
    command: str
    sample_face: NDArray[np.uint8] | None = None
    feature_maps: tuple[tuple[str, NDArray[np.float32]], ...] = ()
    filters: NDArray[np.float32] | None = None
    tree_dump: str | None = None
    tree_title: str = ""
    published: bool = False
    data_figures: tuple[CaptionedFigure, ...] = ()
    calibration: RunCalibration | None = None
    trust_note: str = ""
    robustness: Robustness | None = None
    changed: ChangedFaces | None = None
    explanation: ExplanationCheck | None = None
    memorised: MemorisedFeatures | None = None
    labels: LabelFindings | None = None
