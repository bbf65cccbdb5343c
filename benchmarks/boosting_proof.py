"""Boost the published CNN out of fold with five seeds, and say what that gains, with intervals.

    python benchmarks/boosting_proof.py fer2013.zip --out proof [--seeds 5] [--set KEY=VALUE ...]

Started again with the same --out, it goes on where it was stopped. Three runs are made, by the
command line:

    proof/boosted    ferboost train DATA --preset boosted --seeds 5
    proof/balanced   ferboost boost proof/boosted, its trees with trees.class_weights=balanced
    proof/published  ferboost boost proof/boosted, the published trees on in-sample features

The table has every variant of the three on the test images and on those that are not in train. The
variant that counts, DECLARED, was chosen on validation images before the test images were looked
at. How `replace` fares on features of learnt images is a figure in proof/boosted/report.html.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferboost.config import TreeSettings
from ferboost.evaluation.comparison import Comparison, compare, holm, in_points
from ferboost.evaluation.results import Results
from ferboost.evaluation.summary import against_baselines, summarize
from ferboost.pipeline import load_results
from ferboost.pipeline.evaluating import has_results
from ferboost.runs import Run
from ferboost.settings import load_settings
from ferboost.variants import CNN, FOLD_CNNS, in_words, variant_phrase

#: The variant that the claim is about: the first tap of the preset, correcting its CNNs.
DECLARED = f"{load_settings('boosted').trees.taps[0]} residual"


def main() -> int:
    """Make the runs that are missing, and print what they say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("proof"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], dest="changes", help="of the CNN")
    arguments = parser.parse_args()
    whole, folder = [f"--set={change}" for change in arguments.changes], arguments.out
    train = ["train", str(arguments.data), "--preset", "boosted", "--seeds", str(arguments.seeds)]
    boosted = _finished(folder / "boosted", [*train, *whole])
    boost = ["boost", str(boosted.path)]
    balanced = _finished(
        folder / "balanced",
        [*boost, "--mode=residual", "--set=trees.class_weights=balanced", _set("baselines", [])],
    )
    published = _finished(folder / "published", [*boost, *_published_trees()])
    first = load_results(boosted)
    _print_table("boosted", first)
    _print_table("balanced", load_results(balanced))
    _print_table("published", load_results(published))
    _print_claim(first)
    _print_classes(load_results(balanced))
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


def _set(name: str, value: object) -> str:
    """Return an option that sets a setting of the trees, written as TOML."""
    if value is None:
        return f"--set=trees.{name}=none"
    text = str(value).lower() if isinstance(value, bool) else str(value).replace("'", '"')
    return f"--set=trees.{name}={text}"


def _print_table(name: str, results: Results) -> None:
    seeds = len(results.seeds)
    print(f"\n{name}: {seeds} seeds, {len(results.labels):,} images; percent and points, 95 %")
    print(f"{'':44} {'all':>16}  {'not in train':>13}  {'to the CNN':>19}  {'balanced':>8}")
    for summary in summarize(results):
        spread = "" if summary.deviation is None else f" ± {100 * summary.deviation:.2f}"
        clean = "" if summary.accuracy_clean is None else f"{100 * summary.accuracy_clean:.2f}"
        gain = "" if summary.against_cnn is None else _in_brackets(summary.against_cnn)
        print(
            f"{in_words(summary.variant):44} {100 * summary.accuracy:8.2f}{spread:8}  {clean:>13}"
            f"  {gain:>19}  {100 * summary.balanced_accuracy:8.2f}"
        )


def _print_claim(results: Results) -> None:
    declared = results.correct(DECLARED)
    print(f"\nDeclared before: {in_words(DECLARED)}.")
    parts = {"all": np.ones(len(results.labels), dtype=np.bool_)}
    if results.clean is not None:
        parts["not in train"] = results.clean
    for part, images in parts.items():
        for other in (CNN, FOLD_CNNS):
            found = compare(results.correct(other)[:, images], declared[:, images])
            print(f"{part}: {found.sentence(variant_phrase(other), variant_phrase(DECLARED))}")
    for baseline, trees, comparison in against_baselines(results):
        print(comparison.sentence(variant_phrase(baseline), variant_phrase(trees)))


def _print_classes(results: Results) -> None:
    """Print what balanced trees change in the share of each class that is recognised."""
    own: dict[str, Comparison] = {}
    for label, name in enumerate(results.classes):
        images: NDArray[np.bool_] = results.labels == label
        own[name] = compare(results.correct(CNN)[:, images], results.correct(DECLARED)[:, images])
    adjusted = holm([found.pooled.p for found in own.values()])
    print("\nBalanced trees against the CNN, class by class; p adjusted for their number (Holm)")
    for (name, found), p in zip(own.items(), adjusted, strict=True):
        print(f"{name:>12} {found.n:5} images  {_in_brackets(found):>20}  p = {p:.3f}")


def _in_brackets(found: Comparison) -> str:
    low, high = map(in_points, found.interval)
    return f"{found.difference:+.2f} [{low}, {high}]"


if __name__ == "__main__":
    sys.exit(main())
