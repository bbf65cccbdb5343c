"""What a run says of images that it was not trained on, and what that tells of their labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.splitting import FOLD_SEED, cut_as, number_folds
from ferboost.errors import DataError
from ferboost.evaluation.label_findings import LabelFindings
from ferboost.files import write_json
from ferboost.models import load_seed_model
from ferboost.pipeline.evaluating import load_training_hashes
from ferboost.pipeline.kept import read_kept
from ferboost.progress import Monitor
from ferboost.runs import Run
from ferboost.variants import CNN

__all__ = ["UnseenImages", "load_label_findings", "predict_unseen", "save_label_findings"]

_FILE = "labels.json"


@dataclass(frozen=True, eq=False)
class UnseenImages:
    """Images with probabilities by CNNs that were not trained on them.

    Attributes
    ----------
    images : FaceDataset
        With its classes in the run's order.
    probabilities : ndarray of float32, shape (n, classes)
        Of the CNN, mean over seeds; of training images, by the one CNN that was trained without
        their fold.
    left_out : int
        Images that every CNN was trained on.
    """

    images: FaceDataset
    probabilities: NDArray[np.float32]
    left_out: int


def predict_unseen(run: Run, dataset: FaceDataset, monitor: Monitor) -> UnseenImages:
    """Predict the images of a data set that CNNs of a run were not trained on.

    Of the run's own data these are the validation and the test images that are no copies of
    training images, and all training images where the run has out-of-fold CNNs; of other data,
    those that the run was not made with. Trees are left out: those of a fold grew on its labels.

    Parameters
    ----------
    run : Run
    dataset : FaceDataset
        As loaded.
    monitor : Monitor

    Raises
    ------
    RunError
        If the run is not finished.
    DataError
        If no image is left, or a class is unknown.
    """
    models = [load_seed_model(run, seed) for seed in run.settings.seeds]
    known = dataset.with_classes(run.record.classes)
    is_own = known.fingerprint == run.record.data.fingerprint
    if is_own:
        known = cut_as(run.settings, known)
    folds = np.full(len(known), -1)
    if is_own:
        train = known.splits == "train"
        seen = np.isin(known.hashes, known.hashes[train])
        if all(model.folds for model in models):
            own = known.select(train)
            count = run.settings.trees.folds
            folds[train] = number_folds(own.labels, own.hashes, count, FOLD_SEED)
            seen[train] = False
    else:
        seen = np.isin(known.hashes, load_training_hashes(run))
    if seen.all():
        raise DataError(
            f"{run.path} was trained on every image of {dataset.source}, and repeats their labels; "
            "train with --set trees.features=out-of-fold, or give other images"
        )
    kept, folds = known.select(~seen), folds[~seen]
    shares = np.empty((len(models), len(kept), len(kept.classes)), dtype=np.float32)
    with monitor.stage("predict unseen images") as tell:
        for place, model in enumerate(models):
            for fold in np.unique(folds):
                rows, before = folds == fold, int((folds < fold).sum())
                tell(place * len(kept) + before, len(models) * len(kept), "")
                judge = model if fold < 0 else model.folds[fold]
                shares[place, rows] = judge.probabilities_of(kept.images[rows], CNN)
    return UnseenImages(kept, shares.mean(axis=0), int(seen.sum()))


def save_label_findings(run: Run, findings: LabelFindings) -> None:
    """Keep what was found of the labels of a run's own data in ``labels.json``."""
    write_json(run.path / _FILE, findings.to_dict())


def load_label_findings(run: Run) -> LabelFindings | None:
    """Read what `save_label_findings` kept; None where nothing was looked for.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    remedy = f"ferboost labels {run.path} DATA"
    return read_kept(run.path / _FILE, LabelFindings.from_dict, remedy)
