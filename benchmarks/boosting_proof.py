"""Boost the published CNN out of fold with five seeds, and say what that gains, with intervals.

    python benchmarks/boosting_proof.py fer2013.zip --out proof [--seeds 5] [--set KEY=VALUE ...]
        [--ablations] [--votes fer2013new.csv]

Started again with the same --out, it goes on where it was stopped. Four runs are made, by the
command line:

    proof/boosted    ferboost train DATA --preset boosted --seeds 5
    proof/balanced   ferboost boost proof/boosted, all of it with trees.class_weights=balanced
    proof/recall     the same with trees.class_weights=recall, softened to the power of POWER
    proof/published  ferboost boost proof/boosted, the published trees on in-sample features

and with --ablations one for each of ABLATIONS: other features, more rows, votes (--votes), one
network instead of five, LightGBM. The tables have every variant on the test images, on those that
are not in train, and its log loss on the validation images, which stopped the trees. The variant
that counts, DECLARED, was chosen on validation images before the test images were looked at. How
`replace` fares on features of learnt images is a figure in proof/boosted/report.html.
"""

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferboost.config import TreeSettings
from ferboost.errors import RunError
from ferboost.evaluation.changes import changes_by_class
from ferboost.evaluation.comparison import Comparison, compare_variants, in_points
from ferboost.evaluation.results import Results
from ferboost.evaluation.scaling import log_losses
from ferboost.evaluation.summary import against_baselines, summarize
from ferboost.evaluation.trust import RunCalibration
from ferboost.pipeline import load_calibration, load_results
from ferboost.pipeline.evaluating import has_results
from ferboost.runs import Run
from ferboost.settings import load_settings
from ferboost.variants import CNN, FOLD_CNNS, in_words, variant_phrase

#: The variant that the claim is about: the first tap of the preset, correcting its CNNs.
DECLARED = f"{load_settings('boosted').trees.taps[0]} residual"


def _set(name: str, value: object) -> str:
    """Return an option that sets a setting of the trees, written as TOML."""
    if value is None:
        return f"--set=trees.{name}=none"
    text = str(value).lower() if isinstance(value, bool) else str(value).replace("'", '"')
    return f"--set=trees.{name}={text}"


#: By what shifts of the logits of `DECLARED` do to each class on validation images.
POWER = 0.25

NO_BASELINES = ("--mode=residual", _set("baselines", []))

#: What else trees could see and learn, as options of `ferboost boost`.
ABLATIONS = {
    "features": (
        _set(
            "taps",
            [
                "output",
                "fc1-views",
                "fc1-views+logits-views",
                "fc1-views-centres",
                "fc1-views+lbp",
                "fc1-views+words",
            ],
        ),
    ),
    "rows": (_set("taps", ["fc1"]), _set("view_rows", value=True)),
    "jitter": (_set("taps", ["fc1-views"]), _set("views", "jitter")),
    "votes": (_set("taps", ["fc1"]), _set("votes", 0.5)),
    "stacking": (_set("taps", ["output"]), _set("ensemble", value=False)),
    "lightgbm": (_set("taps", ["fc1"]), _set("baselines", ["lightgbm"])),
}


def main() -> int:
    """Make the runs that are missing, and print what they say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("proof"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], dest="changes", help="of the CNN")
    parser.add_argument("--ablations", action="store_true")
    parser.add_argument("--votes", type=Path, help="FER+ votes, for one of the ablations")
    arguments = parser.parse_args()
    whole, folder = [f"--set={change}" for change in arguments.changes], arguments.out
    train = ["train", str(arguments.data), "--preset", "boosted", "--seeds", str(arguments.seeds)]
    boosted = _finished(folder / "boosted", [*train, *whole])
    boost = ["boost", str(boosted.path)]
    balanced = _finished(
        folder / "balanced", [*boost, "--mode=residual", _set("class_weights", "balanced")]
    )
    recall = _finished(
        folder / "recall",
        [
            *boost,
            "--mode=residual",
            _set("class_weights", "recall"),
            _set("class_power", POWER),
        ],
    )
    published = _finished(folder / "published", [*boost, *_published_trees()])
    _print_table("boosted", boosted)
    _print_table("balanced", balanced)
    _print_table("recall", recall)
    _print_table("published", published)
    if arguments.ablations:
        for name, options in ABLATIONS.items():
            given = list(options)
            if name == "votes":
                if arguments.votes is None:
                    continue
                given += ["--votes", str(arguments.votes)]
            _print_table(name, _finished(folder / name, [*boost, *NO_BASELINES, *given]))
    first = load_results(boosted)
    _print_claim(first)
    for variant in (DECLARED, f"{DECLARED} mlp"):
        _print_classes("Balanced", load_results(balanced), variant)
        _print_classes("Weighted by recall,", load_results(recall), variant)
    shares = np.array(boosted.record.data.counts["train"], dtype=float)
    shares /= shares.sum()
    _print_shifted("the shares of the classes in train", first, 1 / shares)
    hits = shares * _held_out_recalls(boosted, CNN)
    _print_shifted(f"shares times recall, to the power of {POWER}", first, hits**-POWER)
    return 0


def _finished(path: Path, command: list[str]) -> Run:
    """Make a run, go on with it, or find it done."""
    if (path / "run.json").exists():
        run = Run.open(path)
        if has_results(run) and (path / "report.html").exists():
            return run
        command = ["train", "--resume", str(path)]
    else:
        command = [*command, "-o", str(path)]
    subprocess.run([sys.executable, "-m", "ferboost", *command], check=True)
    return Run.open(path)


def _published_trees() -> list[str]:
    """Return the options that bring the trees back to the published ones, all of their taps."""
    defaults = TreeSettings().model_dump(mode="json", exclude={"taps", "folds"})
    taps = [tap for tap in TreeSettings().taps if tap != "pixels"]
    return [_set("taps", taps), *(_set(name, value) for name, value in defaults.items())]


def _print_table(name: str, run: Run) -> None:
    results, calibration = load_results(run), load_calibration(run)
    seeds = len(results.seeds)
    print(f"\n{name}: {seeds} seeds, {len(results.labels):,} images; percent and points, 95 %")
    print(
        f"{'':44} {'all':>16}  {'not in train':>13}  {'to the CNN':>19}  {'balanced':>8}"
        f"  {'validation, nats':>16}"
    )
    for summary in summarize(results):
        spread = "" if summary.deviation is None else f" ± {100 * summary.deviation:.2f}"
        clean = "" if summary.accuracy_clean is None else f"{100 * summary.accuracy_clean:.2f}"
        gain = "" if summary.against_cnn is None else _in_brackets(summary.against_cnn)
        print(
            f"{in_words(summary.variant):44} {100 * summary.accuracy:8.2f}{spread:8}  {clean:>13}"
            f"  {gain:>19}  {100 * summary.balanced_accuracy:8.2f}"
            f"  {_held_out_loss(run, calibration, summary.variant):16.4f}"
        )


def _held_out_loss(run: Run, calibration: RunCalibration | None, variant: str) -> float:
    """Return the log loss on the validation images, mean over seeds; NaN where others count too."""
    if calibration is None or not run.settings.trees.ensemble:
        return float("nan")
    counted = [calibration.counted(variant, [seed]) for seed in calibration.probabilities]
    return float(np.mean([log_losses(shares, labels).mean() for labels, shares in counted]))


def _print_claim(results: Results) -> None:
    print(f"\nDeclared before: {in_words(DECLARED)}.")
    parts = {"all": None, "not in train": results.clean}
    for part, images in parts.items():
        for other in (CNN, FOLD_CNNS):
            found = compare_variants(results, other, DECLARED, images=images)
            print(f"{part}: {found.sentence(variant_phrase(other), variant_phrase(DECLARED))}")
    for baseline, trees, comparison in against_baselines(results):
        print(comparison.sentence(variant_phrase(baseline), variant_phrase(trees)))


def _held_out_recalls(run: Run, variant: str) -> NDArray[np.float64]:
    """Return the share of each class that is recognised on validation images, mean over seeds."""
    calibration = load_calibration(run)
    if calibration is None:
        raise RunError(f"{run.path} has no predictions of validation images")
    recalls = []
    for seed in calibration.probabilities:
        labels, shares = calibration.counted(variant, [seed])
        right = shares.argmax(axis=1) == labels
        recalls.append([right[labels == c].mean() for c in range(shares.shape[1])])
    found: NDArray[np.float64] = np.mean(recalls, axis=0)
    return found


def _print_classes(how: str, results: Results, variant: str) -> None:
    """Print what a variant changes in the share of each class that is recognised."""
    if variant not in results.variants:
        return
    print(f"\n{how} {in_words(variant)} against the CNN, class by class; p by Holm")
    for change in changes_by_class(results, variant):
        print(
            f"{change.name:>12} {change.n:5} images  {_in_brackets(change.gain):>20}  "
            f"p = {change.gain.p:.3f}"
        )


def _print_shifted(divided_by: str, results: Results, factors: NDArray[np.float64]) -> None:
    """Print what is had without weights: probabilities times a factor for each class.

    References
    ----------
    .. [1] Menon, A. K. et al. (2021). Long-tail learning via logit adjustment. ICLR.
    """
    adjusted = replace(
        results,
        seeds=tuple(
            replace(
                seed,
                probabilities=dict(seed.probabilities)
                | {v: (p * factors).astype(np.float32) for v, p in seed.probabilities.items()},
            )
            for seed in results.seeds
        ),
    )
    print(f"\nProbabilities divided by {divided_by}: accuracy, balanced, %")
    for variant in (CNN, FOLD_CNNS, DECLARED):
        correct = adjusted.correct(variant)
        recalls = [correct[:, results.labels == c].mean() for c in range(len(results.classes))]
        each = ", ".join(
            f"{name} {100 * share:.1f}"
            for name, share in zip(results.classes, recalls, strict=True)
        )
        print(
            f"{in_words(variant):>44} {100 * correct.mean():6.2f} {100 * np.mean(recalls):6.2f}"
            f"  ({each})"
        )


def _in_brackets(found: Comparison) -> str:
    low, high = map(in_points, found.interval)
    return f"{found.difference:+.2f} [{low}, {high}]"


if __name__ == "__main__":
    sys.exit(main())
