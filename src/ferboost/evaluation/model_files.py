"""Evaluating an exported model on labelled images."""

import time

import numpy as np

from ferboost.datasets.dataset import FaceDataset
from ferboost.evaluation.results import PredictTime, Results, SeedResults
from ferboost.inference import Predictor
from ferboost.progress import Tell

__all__ = ["evaluate_model_file"]


def evaluate_model_file(
    predictor: Predictor, evaluated: FaceDataset, tell: Tell | None = None
) -> Results:
    """Evaluate a model that ``ferboost export`` wrote.

    Parameters
    ----------
    predictor : Predictor
    evaluated : FaceDataset
        All of its images are used. Its classes must be among the model's.
    tell : callable, optional
        Called with (done, total, "") as images are done.

    Returns
    -------
    Results
        Of one seed, since the file gives the mean of those that it holds, and of one variant. What
        a file does not know, such as its accuracy on the training images, is not a number.

    Raises
    ------
    DataError
        If the images have a class that the model does not know.
    """
    info = predictor.info
    known = evaluated.with_classes(info.classes)
    start = time.perf_counter()
    probabilities = predictor.predict_proba(known.images, tell)
    seconds = time.perf_counter() - start
    seed = SeedResults(
        seed=info.seeds[0],
        history=(),
        best_epoch=0,
        probabilities={info.variant: probabilities},
        train_accuracy={info.variant: np.nan},
        predict_times={info.variant: PredictTime(cnn=np.nan, trees=np.nan, whole=seconds)},
    )
    return Results(info.classes, known.labels, ~info.were_in_training(known.hashes), (seed,))
