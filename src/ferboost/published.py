"""What the published study and FER-2013 print, read from ``published.toml``."""

import csv
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["published", "published_accuracies", "published_grid"]


@cache
def published() -> dict[str, Any]:  # Any: TOML values of many kinds
    """Return the published figures as nested dictionaries; accuracies are in percent."""
    return tomllib.loads(files("ferboost").joinpath("published.toml").read_text("utf-8"))


def published_accuracies() -> dict[str, float]:
    """Return the published accuracies on the test images, in percent by variant."""
    return {"cnn": published()["cnn"]["result"]["test_accuracy"], **published()["xgboost_by_tap"]}


@cache
def published_grid() -> dict[tuple[float, float, int], float]:
    """Return the accuracies of the study's grid search, in percent.

    Returns
    -------
    dict
        By learning rate, L2 and batch size, which is how the authors' array is read with its axes
        right; the study printed the first two the other way round.
    """
    text = files("ferboost").joinpath("published_grid.csv").read_text("utf-8")
    return {
        (float(row["learning_rate"]), float(row["l2"]), int(row["batch_size"])): (
            100 * float(row["accuracy"])
        )
        for row in csv.DictReader(text.splitlines())
    }
