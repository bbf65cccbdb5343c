"""Kill a training with SIGKILL at random moments; see that each resumed one ends the same.

    python benchmarks/kill_and_resume.py DATA [--kills 10] [--epochs 3] [--out FOLDER]

DATA is any data set, such as the one that `ferboost data generate faces.zip` draws. A moment is a
random time after a random step (an epoch, a file) of the uninterrupted run, so that all parts of a
run have some however busy the machine is. Exits with 1 if any network or tree file differs.
"""

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> int:
    """Run the comparison and print a row for each kill."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, default=None, help="default: a temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)
        train = ["train", str(arguments.data), "--set", f"cnn.epochs={arguments.epochs}", "--out"]
        steps = _time_steps(train, folder / "whole")
        moments = random.Random(arguments.seed)
        print(f"uninterrupted: {max(steps.values()):.0f} s, {len(steps) - 1} steps")
        print(f"{'kill':>4}  {'after':>7}  {'network':9}  {'trees':9}  done until then")
        wrong = 0
        for number in range(1, arguments.kills + 1):
            run = folder / f"killed-{number}"
            seconds = _kill_at_random(train, run, steps, moments)
            done = _steps_of(run) & steps.keys()
            last = max(done, key=steps.__getitem__, default="nothing")
            if (run / "run.json").exists():
                _ferboost("train", "--resume", str(run)).wait()
            else:
                _ferboost(*train, str(run)).wait()
            verdicts = [
                _compare(folder / "whole", run, pattern) for pattern in ("*.safetensors", "*.ubj")
            ]
            wrong += verdicts != ["identical", "identical"]
            print(
                f"{number:4}  {seconds:5.1f} s  {verdicts[0]:9}  {verdicts[1]:9}  "
                f"{len(done)} steps, the last: {last}{_other_precision(folder / 'whole', run)}",
                flush=True,
            )
    print(f"{arguments.kills - wrong} of {arguments.kills} ended as the uninterrupted run did")
    return int(wrong > 0)


def _ferboost(*arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        ["ferboost", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _steps_of(run: Path) -> set[str]:
    """Return what a run has done: epochs and files."""
    steps = {str(file.relative_to(run)) for file in run.rglob("*") if file.suffix in _STEPS}
    for curves in run.glob("seed-*/metrics.csv"):
        epochs = len(curves.read_text("utf-8").splitlines()) - 1
        steps |= {f"{curves.parent.name}/epoch {epoch}" for epoch in range(1, epochs + 1)}
    return steps


_STEPS = {".json", ".npy", ".npz", ".safetensors", ".ubj"}


def _time_steps(train: list[str], run: Path) -> dict[str, float]:
    """Train to the end; return the seconds until each step was done."""
    start, steps = time.monotonic(), {"start": 0.0}
    process = _ferboost(*train, str(run))
    while process.poll() is None:
        for step in _steps_of(run) - steps.keys():
            steps[step] = time.monotonic() - start
        time.sleep(0.01)
    if process.returncode:
        sys.exit(f"the uninterrupted training failed: ferboost {' '.join([*train, str(run)])}")
    return steps


def _kill_at_random(
    train: list[str], run: Path, steps: dict[str, float], moments: random.Random
) -> float:
    """Train until a random time after a random step; return the seconds until the kill."""
    step = moments.choice(sorted(steps))
    later = [seconds for seconds in steps.values() if seconds > steps[step]]
    pause = moments.random() * (min(later, default=steps[step]) - steps[step])
    start = time.monotonic()
    process = _ferboost(*train, str(run))
    while step != "start" and process.poll() is None and step not in _steps_of(run):
        time.sleep(0.01)
    time.sleep(pause)
    process.kill()
    process.wait()
    return time.monotonic() - start


def _compare(whole: Path, run: Path, pattern: str) -> str:
    expected, found = (
        {
            file.relative_to(path): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in path.glob(f"seed-*/{pattern}")
        }
        for path in (whole, run)
    )
    return "identical" if found == expected else "DIFFERENT"


def _other_precision(whole: Path, run: Path) -> str:
    """Say so if the two runs measured different precisions: their models differ then."""
    expected, found = (
        json.loads((path / "precision.json").read_text("utf-8")) for path in (whole, run)
    )
    same = all(expected[key] == found[key] for key in ("number_format", "channels_last"))
    return "" if same else f" (measured another precision: {found['reason']})"


if __name__ == "__main__":
    sys.exit(main())
