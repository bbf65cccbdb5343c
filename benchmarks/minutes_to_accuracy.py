"""Print how many minutes presets take to reach 56.9, 65 and 70 % on validation images.

    python benchmarks/minutes_to_accuracy.py fer2013.zip fast strong
    python benchmarks/minutes_to_accuracy.py fer2013.zip strong --runs runs --votes fer2013new.csv

Each preset is trained with `ferboost train` into a run directory that is gone on with if it is
there, so that what was trained already is not trained again. 56.9 is what the published study
reached, 65 what the package `fer` scores. The images are those that the run held out: PublicTest is
read once for each run, at its end. Where the learning rate falls to zero, early epochs say little:
a preset of fewer epochs reaches the same accuracy sooner. Run it on a machine that does nothing
else.
"""

import argparse
import subprocess
import sys
from itertools import accumulate
from pathlib import Path

from ferboost.pipeline import load_results
from ferboost.pipeline.records import read_curves
from ferboost.runs import Run
from ferboost.settings import load_settings

GOALS = (56.9, 65.0, 70.0)


def main() -> int:
    """Train what is missing, and print a row for each preset and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--votes", type=Path, help="FER+ votes, for presets that learn them")
    arguments = parser.parse_args()

    goals = "  ".join(f"{goal:>5} %" for goal in GOALS)
    print(f"minutes until validation accuracy is\n{'preset':>10} {'seed':>4}  {goals}  whole  test")
    for preset in arguments.presets:
        options = ["--preset", preset, "--seeds", str(arguments.seeds)]
        if arguments.votes is not None and load_settings(preset).cnn.votes:
            options += ["--votes", str(arguments.votes)]
        run = _trained(arguments.runs / preset, [str(arguments.data), *options])
        results = load_results(run)
        for position, seed in enumerate(run.settings.seeds):
            history = read_curves(run, seed).history
            minutes = [s / 60 for s in accumulate(record.seconds for record in history)]
            reached = [
                next(
                    (
                        f"{minute:7.1f}"
                        for minute, record in zip(minutes, history, strict=True)
                        if 100 * record.validation_accuracy >= goal
                    ),
                    f"{'never':>7}",
                )
                for goal in GOALS
            ]
            test = 100 * results.correct("cnn")[position].mean()
            print(f"{preset:>10} {seed:>4}  {'  '.join(reached)}  {minutes[-1]:5.1f}  {test:.2f}")
    return 0


def _trained(path: Path, options: list[str]) -> Run:
    """Train a preset, go on with it, or find it done."""
    begun = (path / "run.json").exists()
    if not begun or not (path / "predictions.npz").exists():
        given = ["--resume", str(path)] if begun else [*options, "--out", str(path)]
        subprocess.run([sys.executable, "-m", "ferboost", "train", *given], check=True)
    return Run.open(path)


if __name__ == "__main__":
    sys.exit(main())
