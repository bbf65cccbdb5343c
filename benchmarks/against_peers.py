"""Other packages that read emotions, and ferboost, on the same photos, faces and film, in turns.

    pip install scikit-image '.[video]'
    python benchmarks/against_peers.py --environments peers [--data fer2013.zip]

Each program gets an environment of its own, made of benchmarks/peers/NAME.txt if it is not there
yet: some gigabytes and minutes. Then, in turns, each one reads photos from disk (faces found, and
their emotions), faces that are cut out already, and a film of two faces. fer, deepface and
EmotiEffLib are used as their documentation says; ferboost as ``ferboost predict`` uses itself:
in films it looks for faces six times a second and follows them in between, where the others
search every frame. A program whose weights are neither in its package nor on this machine, and
cannot be downloaded, is shown with its error. All take as many processors as they like, so run it
on a machine that does nothing else.

With --data, the faces are the test images of FER-2013, and the accuracy on them is printed, too.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scenes import Box, faces_hit, write_film, write_photos

from ferboost.datasets.loading import load_dataset
from ferboost.datasets.synthetic import generate_faces

HERE = Path(__file__).parent
PROGRAMS = ("ferboost", "fer", "deepface", "emotiefflib")
TASKS = ("photos", "faces", "film")
# The names of the folders of FER-2013, in the order of ferboost's labels.
NAMES = {"angry": "angry", "disgusted": "disgust", "fearful": "fear", "happy": "happy",
         "neutral": "neutral", "sad": "sad", "surprised": "surprise"}  # fmt: skip


@dataclass(frozen=True)
class Material:
    """What all programs are shown."""

    photos: list[tuple[Path, tuple[Box, ...]]]
    faces: Path
    count: int
    film: Path
    frames: int
    labels: list[str] | None

    def task(self, name: str) -> dict[str, Any]:  # Any: JSON
        """Return the task as the worker reads it."""
        if name == "photos":
            return {"task": name, "paths": [str(path) for path, _ in self.photos]}
        return {"task": name, "path": str(self.faces if name == "faces" else self.film)}


@dataclass
class Program:
    """A program, how it was installed, and what it did."""

    name: str
    installed: str
    process: "subprocess.Popen[str] | None" = None
    error: str = ""
    loaded: float = 0.0
    version: str = ""
    memory: float = 0.0
    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)  # Any: JSON

    def ask(self, task: str, content: dict[str, Any]) -> None:
        """Have a task done, and keep its answer and time."""
        if self.process is None or task in self.errors:
            return
        print(json.dumps(content), file=self.process.stdin, flush=True)
        answer = _read(self.process)
        self.memory = answer.get("memory", self.memory)
        if "error" in answer:
            self.errors[task] = answer["error"]
            return
        self.seconds.setdefault(task, []).append(answer["seconds"])
        self.answers[task] = answer


def main() -> int:
    """Print what was installed, a table of what each program did, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environments", type=Path, required=True, metavar="DIR")
    parser.add_argument("--data", type=Path, help="FER-2013, for faces and accuracy")
    parser.add_argument("--only", nargs="+", choices=PROGRAMS[1:], default=PROGRAMS[1:])
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--faces", type=int, default=2048)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        programs = [
            _start(name, arguments.environments.resolve() / name, stack)
            for name in ("ferboost", *arguments.only)
        ]
        material = _material(Path(folder), arguments)
        for repeat in range(arguments.repeats):
            for task in TASKS:
                # Who comes first changes, so that nobody always has the warmer disk or processor.
                turn = repeat % len(programs)
                for program in programs[turn:] + programs[:turn]:
                    program.ask(task, material.task(task))
            print(f"turn {repeat + 1} of {arguments.repeats} done", file=sys.stderr, flush=True)
    for program in programs:
        _print(program, programs[0], material)
    return 0


def _material(folder: Path, arguments: argparse.Namespace) -> Material:
    faces, labels = _faces(arguments.data, arguments.faces)
    np.save(folder / "faces.npy", faces)
    write_film(folder / "film.mp4", arguments.frames)
    return Material(
        photos=write_photos(folder, arguments.photos),
        faces=folder / "faces.npy",
        count=len(faces),
        film=folder / "film.mp4",
        frames=arguments.frames,
        labels=labels,
    )


def _faces(data: Path | None, count: int) -> tuple[NDArray[np.uint8], list[str] | None]:
    """Return faces and, where they are FER-2013's, the names of their emotions."""
    if data is None:
        return generate_faces(-(-count // 7)).images[:count], None
    test = load_dataset(data).split("test")
    # The images are sorted by class; a smaller number of them is to have every one.
    chosen = np.random.default_rng(0).permutation(len(test.images))[:count]
    return test.images[chosen], [NAMES[test.classes[k]] for k in test.labels[chosen]]


def _start(name: str, environment: Path, stack: ExitStack) -> Program:
    program = Program(name, _install(name, environment))
    python = environment / "bin" / "python"
    if program.installed.startswith("fails"):
        program.error = program.installed
        return program
    log = stack.enter_context((environment / "worker.log").open("w"))
    process = subprocess.Popen(
        [python, HERE / "peers" / "worker.py", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    stack.callback(process.kill)
    first = _read(process)
    program.memory = first.get("memory", 0.0)
    if "error" in first:
        program.error = first["error"]
    else:
        program.process, program.version = process, first["version"]
        program.loaded = first["seconds"]
    return program


def _read(process: "subprocess.Popen[str]") -> dict[str, Any]:  # Any: JSON
    line = process.stdout.readline() if process.stdout else ""
    answer: dict[str, Any] = json.loads(line) if line else {"error": "the process ended"}
    return answer


def _install(name: str, environment: Path) -> str:
    """Make an environment if there is none; return how that went, and how large it is."""
    record = environment / "installed.txt"
    if record.exists():
        return record.read_text()
    print(f"installing {name} into {environment}", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    steps: dict[str, list[object]] = {"": ["-r", HERE / "peers" / f"{name}.txt"]}
    if name == "ferboost":
        steps = {"": [HERE.parent], ", with films ": [f"{HERE.parent}[video]"]}
    told = ""
    for step, wanted in steps.items():
        start = time.perf_counter()
        pip = subprocess.run(
            [sys.executable, "-m", "pip", "--python", environment, "install", *map(str, wanted)],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
        if pip.returncode:
            lines = [line for line in pip.stderr.splitlines() if line.startswith("ERROR")]
            return f"fails: {' '.join(lines)[:200]}"
        size = sum(f.stat().st_size for f in environment.rglob("*") if f.is_file()) / 1e6
        told += f"{step}{size:,.0f} MB, in {seconds:.0f} s"
    record.write_text(told)
    return told


def _print(program: Program, ours: Program, material: Material) -> None:
    print(f"\n{program.name} {program.version}")
    print(f"  installed    {program.installed}")
    if program.error:
        print(f"  does not run {program.error}")
        return
    print(f"  loads in     {program.loaded:.1f} s")
    amounts = {"photos": len(material.photos), "faces": material.count, "film": material.frames}
    say: dict[str, Callable[[Any], str]] = {
        "photos": lambda answer: _found(answer, [boxes for _, boxes in material.photos]),
        "faces": lambda answer: _accuracy(answer, material.labels),
        "film": lambda answer: _tracked(answer, material.frames),
    }
    for task in TASKS:
        if task in program.errors:
            print(f"  {task:12} {program.errors[task]}")
            continue
        seconds = program.seconds[task]
        unit = {"film": "frames"}.get(task, task)
        print(
            f"  {task:12} {_spread([amounts[task] / s for s in seconds])} {unit}/s"
            f"{say[task](program.answers[task])}"
        )
        if program is not ours:
            ratios = [s / o for s, o in zip(seconds, ours.seconds[task], strict=True)]
            print(f"  {'':12} {_spread(ratios)} times as long as ferboost")
    print(f"  memory       {program.memory:,.0f} MB at most")


def _found(answer: dict[str, Any], true: Sequence[Sequence[Box]]) -> str:
    found = [[box for box, _ in photo] for photo in answer["found"]]
    hits = sum(faces_hit(t, f) for t, f in zip(true, found, strict=True))
    happy = sum(emotion == "happy" for photo in answer["found"] for _, emotion in photo)
    others = sum(map(len, found)) - hits
    return f"; {hits} of {sum(map(len, true))} faces found, {others} else; {happy} called happy"


def _accuracy(answer: dict[str, Any], labels: list[str] | None) -> str:
    if labels is None:
        return ""
    right = sum(a == b for a, b in zip(answer["emotions"], labels, strict=True))
    return f"; {right / len(labels):.1%} as labelled"


def _tracked(answer: dict[str, Any], frames: int) -> str:
    both = sum(len(found) == 2 for found in answer["found"])
    return f"; both faces in {both} of {frames} frames"


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3g} [{min(values):.3g}, {max(values):.3g}]"


if __name__ == "__main__":
    sys.exit(main())
