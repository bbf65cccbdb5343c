"""Results that look like those of a run, without one."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferboost.config import Settings
from ferboost.curves import EpochRecord
from ferboost.emotions import EMOTIONS
from ferboost.evaluation.bootstrap import Measure
from ferboost.evaluation.label_errors import FinderCurve
from ferboost.evaluation.label_findings import AGREEMENTS, LabelFindings
from ferboost.evaluation.results import PredictTime, Results, SeedResults
from ferboost.evaluation.robustness import Robustness, RobustnessCurve
from ferboost.explanation.checks import DEPTHS, ORDERS, SHARES, ExplanationCheck, MethodCheck
from ferboost.explanation.maps import METHODS
from ferboost.report.content import DataFacts, ReportContent

VARIANTS = ("cnn", "flatten", "fc1", "fc2", "output", "pixels")

# How far the true class stands out: sets the accuracy to about what the study found.
_MARGINS = {"cnn": 1.33, "flatten": 1.25, "fc1": 1.5, "fc2": 1.42, "output": 1.43, "pixels": 0.6}
_FREQUENCIES = (0.135, 0.015, 0.145, 0.25, 0.17, 0.17, 0.115)
_EASE = (-0.2, -0.4, -0.6, 0.9, -0.1, -0.3, 0.6)


def fabricate_results(
    *,
    seeds: int = 3,
    images: int = 3589,
    classes: tuple[str, ...] = EMOTIONS,
    variants: tuple[str, ...] = VARIANTS,
    epochs: int = 50,
    leaked: float = 0.079,
) -> Results:
    random = np.random.default_rng(42)
    frequencies = np.resize(_FREQUENCIES, len(classes))
    labels = random.choice(len(classes), images, p=frequencies / frequencies.sum())
    clean = random.random(images) >= leaked
    difficulty = random.normal(size=(images, len(classes)))
    return Results(
        classes=classes,
        labels=labels,
        clean=clean,
        seeds=tuple(
            _fabricate_seed(
                random,
                seed=seed,
                labels=labels,
                clean=clean,
                difficulty=difficulty,
                variants=variants,
                epochs=epochs,
            )
            for seed in range(seeds)
        ),
    )


def _fabricate_seed(
    random: np.random.Generator,
    *,
    seed: int,
    labels: NDArray[np.int64],
    clean: NDArray[np.bool_],
    difficulty: NDArray[np.float64],
    variants: tuple[str, ...],
    epochs: int,
) -> SeedResults:
    images, classes = difficulty.shape
    true = np.eye(classes)[labels]
    ease = np.resize(_EASE, classes)[labels] + np.where(clean, 0, 2.5)
    cnn = difficulty + 0.5 * random.normal(size=(images, classes))
    probabilities = {}
    for variant in variants:
        noise = 0.0 if variant == "cnn" else 0.35
        scores = cnn + noise * random.normal(size=(images, classes))
        scores += true * (_MARGINS.get(variant, _MARGINS["fc1"]) + ease)[:, None]
        powers = np.exp(1.5 * scores)
        probabilities[variant] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return SeedResults(
        seed=seed,
        history=tuple(_fabricate_epoch(random, epoch) for epoch in range(1, epochs + 1)),
        best_epoch=min(epochs, 14 + seed),
        probabilities=probabilities,
        train_accuracy={v: 0.81 if v == "cnn" else 0.99 for v in variants},
        predict_times={v: _fabricate_time(v) for v in variants},
    )


def _fabricate_epoch(random: np.random.Generator, epoch: int) -> EpochRecord:
    noise = random.normal(size=2)
    return EpochRecord(
        epoch=epoch,
        train_loss=float(0.45 + 1.45 * np.exp(-epoch / 14)),
        train_accuracy=float(0.86 - 0.6 * np.exp(-epoch / 13)),
        validation_loss=float(
            1.05 + 0.8 * np.exp(-epoch / 5) + 0.012 * max(0, epoch - 15) + 0.02 * noise[0]
        ),
        validation_accuracy=float(0.575 - 0.32 * np.exp(-epoch / 5) + 0.006 * noise[1]),
        seconds=10.2,
    )


def _fabricate_time(variant: str) -> PredictTime:
    if variant == "pixels":
        return PredictTime(cnn=0.0, trees=0.031, whole=0.052)
    trees = {"cnn": 0.0, "flatten": 0.061}.get(variant, 0.022)
    return PredictTime(cnn=0.41, trees=trees, whole=0.44 + trees)


def fabricate_tree(depth: int = 5, node: int = 0, level: int = 0) -> dict[str, Any]:
    random = np.random.default_rng(node)
    if level == depth or (level > 1 and random.random() < 0.15):
        return {"nodeid": node, "leaf": float(random.normal(scale=0.2))}
    children = [fabricate_tree(depth, 2 * node + side, level + 1) for side in (1, 2)]
    return {
        "nodeid": node,
        "depth": level,
        "split": f"fc1_{random.integers(64)}",
        "split_condition": float(random.gamma(1.0)),
        "yes": 2 * node + 1,
        "no": 2 * node + 2,
        "missing": 2 * node + 2,
        "children": children,
    }


def fabricate_face() -> NDArray[np.uint8]:
    y, x = np.mgrid[-1:1:48j, -1:1:48j]
    face = 190.0 * (x**2 / 0.6 + y**2 / 0.9 < 1)
    for eye in (-0.33, 0.33):
        face -= 130 * (((x - eye) / 0.14) ** 2 + ((y + 0.2) / 0.08) ** 2 < 1)
    face -= 110 * ((np.abs(y - 0.55 + 0.35 * x**2) < 0.05) & (np.abs(x) < 0.4))
    gray: NDArray[np.uint8] = np.clip(face + 25 * (1 - y), 0, 255).astype(np.uint8)
    return gray


def fabricate_robustness(variants: tuple[str, ...] = ("cnn", "fc1")) -> Robustness:
    strengths = (0.0, 1.0, 2.0, 3.0)
    accuracy = tuple(0.57 - 0.05 * strength for strength in strengths)
    curves = tuple(
        RobustnessCurve(
            corruption,
            "pixels",
            variant,
            strengths,
            accuracy,
            tuple((value - 0.02, value + 0.02) for value in accuracy),
            tuple(0.05 + 0.02 * strength for strength in strengths),
        )
        for corruption in ("blur", "shift")
        for variant in variants
    )
    return Robustness(300, curves, "test faces of fer2013.zip")


def fabricate_explanation_check() -> ExplanationCheck:
    falling = tuple(0.6 - 0.4 * share for share in SHARES)
    measure = Measure(0.1, (0.05, 0.15))
    methods = tuple(
        MethodCheck(
            method,
            deletion=dict.fromkeys(ORDERS, falling),
            insertion=dict.fromkeys(ORDERS, falling[::-1]),
            gain=measure,
            gain_over_chance=measure,
            wins=0.8,
            similarity=(measure,) * len(DEPTHS),
        )
        for method in METHODS
    )
    return ExplanationCheck("cnn", 0, 60, 20, methods, "test faces of fer2013.zip")


def fabricate_label_findings() -> LabelFindings:
    wrong = np.random.default_rng(0).random(400) < np.linspace(0.8, 0.05, 400)
    return LabelFindings(
        images={"validation": 250, "test": 150},
        suspects=90,
        left_out=0,
        finder={"no voter gave the label": FinderCurve(wrong)},
        agreement={images: dict.fromkeys(AGREEMENTS, 0.6) for images in ("all", "test")},
    )


def fabricate_content(results: Results | None = None, **changes: Any) -> ReportContent:
    results = results or fabricate_results()
    random = np.random.default_rng(0)
    sizes = {
        "convolution 1": (32, 46),
        "pooling 1": (32, 23),
        "convolution 2": (64, 21),
        "pooling 2": (64, 10),
        "convolution 3": (64, 8),
        "pooling 3": (64, 4),
    }
    test = np.bincount(results.labels, minlength=len(results.classes))
    fields: dict[str, Any] = {
        "title": "FER-2013 with the published network",
        "results": results,
        "protocol": "clean",
        "settings": Settings(seeds=(0, 1, 2)).model_dump(mode="json"),
        "data": DataFacts(
            source="fer2013.zip",
            fingerprint="0f343b0931126a20f133d67c2b018a3b",
            counts={
                "train": tuple(7 * int(c) for c in test),
                "validation": tuple(int(c) for c in test // 2),
                "test": tuple(int(c) for c in test),
            },
            n_leaked=None if results.clean is None else int((~results.clean).sum()),
            notes=("Converted 12 colour images to grayscale.", "Left out 1 unreadable file."),
        ),
        "environment": {
            "ferboost": "0.1.0",
            "Python": "3.11.9",
            "torch": "2.13.0",
            "xgboost": "3.2.0",
            "Machine": "2 cores, Intel Xeon, 24 GiB, no GPU",
            "Precision": "bfloat16: AMX found, measured 2.1 times faster than float32",
        },
        "command": "ferboost train fer2013.zip --preset paper --seeds 3",
        "sample_face": fabricate_face(),
        "feature_maps": tuple(
            (name, np.maximum(random.normal(size=(maps, size, size)), 0).astype(np.float32))
            for name, (maps, size) in sizes.items()
        ),
        "filters": random.normal(scale=0.2, size=(32, 3, 3)).astype(np.float32),
        "tree_dump": json.dumps(fabricate_tree()),
        "tree_title": "First tree for happy, on fc1, seed 0",
        "published": True,
    }
    return ReportContent(**{**fields, **changes})
