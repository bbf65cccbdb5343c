"""What is searched where nobody says what."""

from typing import Any

from ferboost.config import Settings
from ferboost.tuning.space import SearchSpace, parse_space

__all__ = ["default_space"]

# Beside the learning rate of the CNN.
_OF_PUBLISHED = {
    "l2": {"low": 1e-6, "high": 1e-2, "log": True},
    "dropout": {"low": 0.0, "high": 0.6},
    "batch_size": [16, 32, 64, 128],
}
_OF_RESIDUAL = {"label_smoothing": {"low": 0.0, "high": 0.2}, "batch_size": [64, 128, 256]}
_OF_TREES = {
    "trees": {
        "max_depth": {"low": 2, "high": 10},
        "learning_rate": {"low": 0.02, "high": 0.4, "log": True},
        "rounds": {"low": 10, "high": 200, "log": True},
        "reg_lambda": {"low": 1e-3, "high": 10.0, "log": True},
    }
}


def default_space(settings: Settings, *, trees: bool) -> SearchSpace:
    """Return what is worth searching where nobody says what: the trees, or what trains the CNN.

    Parameters
    ----------
    settings : Settings
        What the points start from.
    trees : bool
        Whether the CNNs are there already.
    """
    if trees:
        return parse_space(_OF_TREES)
    rate = settings.cnn.learning_rate
    around: dict[str, Any] = {"learning_rate": {"low": rate / 10, "high": rate * 3, "log": True}}
    if settings.cnn.architecture == "published":
        return parse_space({"cnn": around | _OF_PUBLISHED})
    if settings.cnn.optimizer == "muon":
        around["weight_decay"] = {"low": 0.01, "high": 0.3, "log": True}
    return parse_space({"cnn": around | _OF_RESIDUAL})
