"""Frames a second, memory, and what is lost by not looking at every frame of a film.

    pip install scikit-image '.[video]'
    python benchmarks/film_speed.py [--frames 10000]
    python benchmarks/film_speed.py --agreement fer2013.zip

The first reads a film of 1920 x 1080 with two faces, made for it, as ``ferboost predict`` does, and
prints the speed of every thousand frames and the memory after them. Run it on a machine that does
nothing else; processor seconds are printed beside, which suffer less where it is not.

The second shows training faces of FER-2013 that become others every second, and compares looking
for faces and reading their emotions less often with doing so in every frame: how many of the
faces are still there, how far their boxes overlap (intersection over union), how often the emotion
is the same, and by how much the probabilities differ (half the sum of the differences).
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np
from PIL import Image
from scenes import write_film

from ferboost.datasets.loading import load_dataset
from ferboost.inference import CenterFace, Predictor
from ferboost.inference.faces import overlap
from ferboost.inference.films import (
    DETECTION_SIDE,
    LOOKS_A_SECOND,
    Moment,
    TrackedPrediction,
    predict_film,
)
from ferboost.inference.video import Video

_CHUNK = 1000
_EVERY = 1e6  # so often a second is every frame
# Looks a second, and the longest side of the copy that is searched.
_CHOICES = (
    (_EVERY, DETECTION_SIDE),
    (LOOKS_A_SECOND, DETECTION_SIDE),
    (10.0, 640),
    (6.0, 640),
    (4.0, 640),
    (3.0, 640),
    (6.0, 960),
    (6.0, 480),
)


def main() -> int:
    """Measure speed or agreement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--agreement", type=Path, metavar="DATA", help="FER-2013")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        if arguments.agreement is None:
            write_film(film, arguments.frames)
            _speed(film, arguments.frames)
        else:
            write_film(film, 300, size=(1280, 720), portraits=_portraits(arguments.agreement, 20))
            _agreement(film)
    return 0


def _speed(film: Path, frames: int) -> None:
    print(f"{'frames':>7} {'frames/s':>9} {'per processor second':>21} {'memory':>9}")
    rates, seen, both = [], 0, 0
    clock, processor = time.perf_counter(), time.process_time()
    for moment in _watch(film, LOOKS_A_SECOND, DETECTION_SIDE):
        seen += 1
        both += len(moment.faces) == 2
        if seen % min(_CHUNK, frames) == 0:
            chunk = min(_CHUNK, frames)
            now, used = time.perf_counter(), time.process_time()
            rates.append(chunk / (now - clock))
            print(
                f"{seen:7,} {rates[-1]:9.1f} {chunk / (used - processor):21.1f} "
                f"{_megabytes():6.0f} MB",
                flush=True,
            )
            clock, processor = time.perf_counter(), time.process_time()
    print(
        f"median {statistics.median(rates):.1f} frames/s, {min(rates):.1f} to {max(rates):.1f}, "
        f"n = {len(rates)}; both faces in {both:,} of {seen:,} frames"
    )


def _agreement(film: Path) -> None:
    print(f"{'looks':>6} {'side':>5} {'processor':>14}  agreement")
    reference: list[Moment] = []
    for looks, side in dict.fromkeys(_CHOICES):
        start = time.process_time()
        moments = list(_watch(film, looks, side))
        spent = (time.process_time() - start) / len(moments) * 1e3
        reference = reference or moments
        often = "every" if looks == _EVERY else f"{looks:g}"
        print(
            f"{often:>6} {side:5} {spent:5.1f} ms/frame  {_compare(reference, moments)}", flush=True
        )


def _watch(film: Path, looks: float, side: int) -> Iterator[Moment]:
    detector = CenterFace(longest_side=side, threads=1)
    with Video(film) as video:
        yield from predict_film(video.frames(), Predictor(), detector, looks=looks)


def _compare(reference: Sequence[Moment], moments: Sequence[Moment]) -> str:
    """Match the faces of each frame by their places, and say how alike they are."""
    wanted = sum(len(moment.faces) for moment in reference)
    more = sum(len(moment.faces) for moment in moments)
    shared, same, apart = [], [], []
    for one, other in zip(reference, moments, strict=True):
        for face in one.faces:
            overlap_of, best = max(
                ((_shared(face, near), near) for near in other.faces),
                key=itemgetter(0),
                default=(0.0, face),
            )
            if overlap_of < 0.2:
                continue
            shared.append(overlap_of)
            same.append(face.prediction.emotion == best.prediction.emotion)
            difference = np.subtract(face.prediction.shares, best.prediction.shares)
            apart.append(np.abs(difference).sum() / 2)
    return (
        f"{len(shared)} of {wanted} faces, {more - len(shared)} others; overlap "
        f"{np.mean(shared):.3f}, least {min(shared):.2f}; same emotion {np.mean(same):.1%}; "
        f"probabilities apart {np.mean(apart):.3f}"
    )


def _shared(one: TrackedPrediction, other: TrackedPrediction) -> float:
    first, second = one.prediction.face, other.prediction.face
    if first is None or second is None:  # a film has faces alone
        return 0.0
    return overlap(first.box, second.box)


def _portraits(data: Path, count: int) -> list[Image.Image]:
    train = load_dataset(data).split("train")
    chosen = np.random.default_rng(0).choice(len(train.images), count, replace=False)
    return [Image.fromarray(train.images[k]) for k in chosen]


def _megabytes() -> float:
    """Return what the process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


if __name__ == "__main__":
    sys.exit(main())
