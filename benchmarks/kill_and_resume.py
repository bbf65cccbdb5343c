"""Kill a training with SIGKILL at random moments; see that each resumed one ends the same.

    python benchmarks/kill_and_resume.py DATA [--kills 10] [--epochs 3] [--out FOLDER]

DATA is any data set, such as the one that `ferboost data generate faces.zip` draws. Exits with 1 if
any final file differs from the uninterrupted run's.
"""

import argparse
import hashlib
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
        start = time.monotonic()
        subprocess.run(_train(arguments, folder / "whole"), check=True, stderr=subprocess.DEVNULL)
        seconds = time.monotonic() - start
        expected = _final_files(folder / "whole")
        print(f"uninterrupted: {seconds:.1f} s, {len(expected)} files to compare")
        moments = random.Random(arguments.seed)  # noqa: S311 - no secret
        wrong = 0
        for number in range(1, arguments.kills + 1):
            wrong += not _kill_once(
                arguments,
                folder / f"killed-{number}",
                moments.uniform(0.1, 0.95) * seconds,
                expected,
            )
    print(f"{arguments.kills - wrong} of {arguments.kills} ended as the uninterrupted run did")
    return int(wrong > 0)


def _kill_once(
    arguments: argparse.Namespace, run: Path, moment: float, expected: dict[str, str]
) -> bool:
    process = subprocess.Popen(
        _train(arguments, run), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(moment)
    process.kill()
    process.wait()
    done = ", ".join(sorted(str(f.relative_to(run)) for f in run.glob("seed-*/*"))) or "nothing"
    again = _train(arguments, run)
    if (run / "run.json").exists():
        again = ["ferboost", "train", "--resume", str(run)]
    subprocess.run(again, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    same = _final_files(run) == expected
    print(f"killed after {moment:5.1f} s, done: {done}: {'identical' if same else 'DIFFERENT'}")
    return same


def _train(arguments: argparse.Namespace, run: Path) -> list[str]:
    options = ["--set", f"cnn.epochs={arguments.epochs}", "--out", str(run)]
    return ["ferboost", "train", str(arguments.data), *options]


def _final_files(run: Path) -> dict[str, str]:
    files = [*run.glob("seed-*/*.safetensors"), *run.glob("seed-*/*.ubj")]
    return {
        str(file.relative_to(run)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }


if __name__ == "__main__":
    sys.exit(main())
