"""What a reader would try before trees: a logistic regression, a small MLP, LightGBM.

On the same features, rows and start as the trees, so that a comparison says whether *trees* matter.
"""

from pathlib import Path

from ferboost.baselines.base import Baseline
from ferboost.baselines.lightgbm_trees import LightGBMBaseline
from ferboost.baselines.neural import HIDDEN, NeuralBaseline
from ferboost.config import TreeSettings

__all__ = ["Baseline", "LightGBMBaseline", "NeuralBaseline", "load_baseline", "new_baseline"]


def new_baseline(
    kind: str,
    settings: TreeSettings,
    classes: int,
    seed: int,
    *,
    residual: bool,
    epochs: int | None = None,
) -> Baseline:
    """Return one of `ferboost.variants.BASELINES`, unfitted; `epochs` as for `NeuralBaseline`."""
    if kind == "lightgbm":
        return LightGBMBaseline(settings, classes, seed, residual=residual)
    hidden = HIDDEN if kind == "mlp" else 0
    return NeuralBaseline(hidden, settings, classes, seed, residual=residual, epochs=epochs)


def load_baseline(kind: str, path: Path, settings: TreeSettings, classes: int) -> Baseline:
    """Read a baseline that was saved.

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    loader = LightGBMBaseline if kind == "lightgbm" else NeuralBaseline
    return loader.load(path, settings, classes)
