"""What models say of each image, as a table."""

from pathlib import Path

import numpy as np

from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.doubts import probability_column
from ferboost.errors import DataError
from ferboost.evaluation.results import Results
from ferboost.inference.tables import Columns, csv_table

__all__ = ["save_predictions"]


def save_predictions(path: Path, evaluated: FaceDataset, results: Results) -> None:
    """Write a row for each image and variant as CSV.

    The columns are ``image``, ``split``, ``label``, ``model`` (the variant), ``prediction`` and
    ``probability of`` each class, the mean over seeds; `ferboost.datasets.doubts.read_beliefs`
    reads such a table of one variant.

    Parameters
    ----------
    path : Path
        One that is there is replaced.
    evaluated : FaceDataset
        What was evaluated.
    results : Results
        Of these images, in their order.

    Raises
    ------
    DataError
        If they are not.
    StorageError
        If the file cannot be written.
    """
    known = evaluated.with_classes(results.classes)
    if not np.array_equal(known.labels, results.labels):
        raise DataError("the results are of other images than those given")
    columns: Columns = dict.fromkeys(("image", "split", "label", "model", "prediction"), "text")
    columns = {**columns, **dict.fromkeys(map(probability_column, results.classes), "number")}
    with csv_table(path, columns) as write:
        for variant in results.variants:
            shares = np.mean([seed.probabilities[variant] for seed in results.seeds], axis=0)
            said = shares.argmax(axis=1)
            for place in range(len(shares)):
                write((
                    str(known.names[place]),
                    str(known.splits[place]),
                    results.classes[known.labels[place]],
                    variant,
                    results.classes[said[place]],
                    *map(float, shares[place]),
                ))  # fmt: skip
