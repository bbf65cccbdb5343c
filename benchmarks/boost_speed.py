"""Time `ferboost boost` on one tap, and what trees add to the time of a prediction.

    python benchmarks/boost_speed.py RUN [--tap fc1] [--mode residual] [--set KEY=VALUE ...]

RUN has trained CNNs, such as `ferboost train fer2013.zip --preset paper` leaves behind, and its
data is still where it was. The command is timed whole, from its start to the written report, in a
process of its own, on the clock and in processor time; what other programs take shows in the
difference. The new runs are removed again. Then the CNN and the boosted model are exported and
predict the same faces in turns, by `Predictor` with onnxruntime; and as the run itself measured
it, with torch and XGBoost. The goals: 60 seconds for a run of one seed of the preset `paper`, and
20 % of the CNN's time.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ferboost import Predictor, Run, export_run
from ferboost.datasets import load_dataset
from ferboost.errors import ExportError

_TURNS = 7


def main() -> int:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--tap", default="fc1")
    parser.add_argument("--mode", choices=["replace", "residual"], default="residual")
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    variant = arguments.tap + (" residual" if arguments.mode == "residual" else "")
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(arguments.repeats):
            branch = Path(temporary) / f"branch-{number}"
            seconds, processor, described = _boost(arguments, branch)
            timed = described["variants"][variant]["predict_seconds"]
            print(
                f"boost on {variant}: {seconds:.1f} s, {processor:.1f} s of processor time; "
                f"trees in predicting: {100 * timed['trees'] / timed['cnn']:.1f} % of the CNN's "
                f"{timed['cnn']:.3f} s"
            )
        _compare_exports(Run.open(branch), variant, Path(temporary))
    return 0


def _boost(
    arguments: argparse.Namespace, branch: Path
) -> tuple[float, float, dict[str, dict[str, dict[str, dict[str, float]]]]]:
    """Return seconds on the clock and of the processor, and what the command printed as JSON."""
    command = ["boost", str(arguments.run), "--tap", arguments.tap, "--mode", arguments.mode]
    command += [f"--set={change}" for change in arguments.changes]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "ferboost", *command, "--json", "-o", str(branch)],
        check=True,
        stdout=subprocess.PIPE,
    )
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, processor, json.loads(done.stdout)


def _compare_exports(run: Run, variant: str, folder: Path) -> None:
    """Let the exported CNN and the boosted model predict in turns, and print how much longer."""
    faces = load_dataset(Path(run.record.data.path)).images[:4096]
    try:
        files = {
            name: export_run(run, folder / f"{number}.onnx", name).path
            for number, name in enumerate(("cnn", variant))
        }
    except ExportError as error:
        print(f"not exported: {error}")
        return
    predictors = {name: Predictor(path) for name, path in files.items()}
    seconds: dict[str, list[float]] = {name: [] for name in predictors}
    for _ in range(_TURNS):
        for name, predictor in predictors.items():
            start = time.process_time()
            predictor.predict_proba(faces)
            seconds[name].append(time.process_time() - start)
    cnn, boosted = (statistics.median(seconds[name]) for name in ("cnn", variant))
    print(
        f"exported, {len(faces):,} faces, median of {_TURNS}, processor time: CNN {cnn:.3f} s, "
        f"{variant} {boosted:.3f} s, {100 * (boosted / cnn - 1):+.1f} %"
    )


if __name__ == "__main__":
    sys.exit(main())
