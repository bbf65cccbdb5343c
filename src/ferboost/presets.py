"""Presets: named starting points for `ferboost.config.Settings`."""

from typing import Any

__all__ = ["PRESETS"]

#: How the most accurate networks are trained.
_RECIPE = {
    "dropout": 0.3,
    "mirror": True,
    "shift": 2,
    "optimizer": "muon",
    "schedule": "cosine",
    "weight_decay": 0.1,
    "label_smoothing": 0.1,
    "votes": 1.0,
    "keep": "last",
    "batch_size": 128,
    "augmentation": "strong",
}
#: What corrects their layers.
_TREES = {
    "taps": ["pooled"],
    "mode": "both",
    "features": "held-out",
    "max_depth": 3,
    "learning_rate": 0.05,
    "rounds": 200,
    "subsample": 0.8,
    "columns": 0.5,
    "min_child_weight": 5.0,
    "early_stopping": 15,
}

#: By name, as overrides of the defaults.
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "boosted": {
        "cnn": {"patience": 10},
        "trees": {
            "taps": ["fc1-views+hog", "fc1"],
            "mode": "both",
            "features": "out-of-fold",
            "max_depth": 3,
            "learning_rate": 0.1,
            "rounds": 200,
            "subsample": 0.8,
            "columns": 0.5,
            "min_child_weight": 5.0,
            "early_stopping": 15,
            "baselines": ["logistic", "mlp"],
        },
    },
    "fast": {
        "cnn": {
            "architecture": "residual",
            "filters": [64, 128, 256],
            "dropout": 0.0,
            "mirror": True,
            "optimizer": "muon",
            "learning_rate": 0.02,
            "schedule": "cosine",
            "weight_decay": 0.02,
            "label_smoothing": 0.1,
            "averaging": 0.998,
            "keep": "last",
            "batch_size": 128,
            "epochs": 8,
            "augmentation": "gentle",
        },
        "trees": {"taps": ["pooled", "output", "pixels"]},
    },
    "strong": {
        "data": {"validation_fraction": 0.05},
        "cnn": _RECIPE
        | {
            "architecture": "residual",
            "filters": [64, 128, 256, 512],
            "blocks": [1, 2, 2, 1],
            "learning_rate": 0.02,
            "averaging": 0.999,
            "epochs": 60,
        },
        "trees": _TREES,
    },
    "faces": {
        "data": {"validation_fraction": 0.05},
        "cnn": _RECIPE
        | {
            "architecture": "recognition",
            "weights": "faces",
            "learning_rate": 0.01,
            "averaging": 0.998,
            "epochs": 12,
        },
        "trees": _TREES,
    },
}
PRESETS["ensemble"] = PRESETS["strong"] | {"seeds": (0, 1, 2)}
