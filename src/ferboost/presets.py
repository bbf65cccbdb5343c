"""Presets: named starting points for `ferboost.config.Settings`."""

from typing import Any

__all__ = ["PRESETS"]

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
        "cnn": {
            "architecture": "residual",
            "filters": [64, 128, 256, 512],
            "blocks": [1, 2, 2, 1],
            "dropout": 0.3,
            "mirror": True,
            "shift": 2,
            "optimizer": "muon",
            "learning_rate": 0.02,
            "schedule": "cosine",
            "weight_decay": 0.1,
            "label_smoothing": 0.1,
            "votes": 1.0,
            "averaging": 0.999,
            "keep": "last",
            "batch_size": 128,
            "epochs": 60,
            "augmentation": "strong",
        },
        "trees": {
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
        },
    },
}
PRESETS["ensemble"] = PRESETS["strong"] | {"seeds": (0, 1, 2)}
