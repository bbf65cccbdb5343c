"""Damage images and model files in many ways, and see that each is read or refused in one line.

    python benchmarks/fuzz.py --count 10000

Damaged files are read in processes of their own, so that a crash of a decoder is seen. Anything
but a result or a `FerboostError` fails: a crash, another exception, more than 10 seconds of
processor time for a file, or more than 1 GB of memory. A failure names the kind and the seed that
repeat it.
"""

import argparse
import io
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.random import Generator, default_rng
from PIL import Image

from ferboost.datasets.images import decode_face, decode_picture
from ferboost.errors import FerboostError
from ferboost.inference import BUNDLED_MODEL, Predictor
from ferboost.inference.model_file import CHECKSUM_KEY, content_checksum

_MOST_SECONDS = 10.0
_MOST_BYTES = 2**30
_BATCH = 250
_FORMATS = ("png", "jpeg", "gif", "bmp", "webp", "tiff", "ppm")
#: Shares of the files: images, models as they are, models whose checksum fits again.
_KINDS = {"image": 0.9, "model": 0.08, "sealed model": 0.02}


def main() -> None:
    """Fuzz, print a line for each kind, and exit with 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", nargs=3, metavar=("KIND", "FIRST", "COUNT"), help="internal")
    arguments = parser.parse_args()
    if arguments.child:
        kind, first, count = arguments.child
        _run_batch(kind, int(first), int(count))
        return
    failed = False
    for kind, share in _KINDS.items():
        failed |= not _run_kind(kind, arguments.seed, max(1, round(arguments.count * share)))
    sys.exit(1 if failed else 0)


def _run_kind(kind: str, seed: int, count: int) -> bool:
    read, refused, slowest, peak, passed = 0, 0, 0.0, 0, True
    for first in range(seed, seed + count, _BATCH):
        size = min(_BATCH, seed + count - first)
        command = [sys.executable, __file__, "--child", kind, str(first), str(size)]
        try:
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, timeout=3600
            )
        except subprocess.TimeoutExpired:
            print(f"{kind}: hangs among the seeds from {first} on")
            passed = False
            continue
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            print(f"{kind}: exit code {done.returncode} from seed {first} on: {last[0]}")
            passed = False
            continue
        counts = done.stdout.splitlines()[-1].split()  # onnxruntime may print before
        read, refused = read + int(counts[0]), refused + int(counts[1])
        slowest, peak = max(slowest, float(counts[2])), max(peak, int(counts[3]))
    print(
        f"{kind}: {read + refused:,} files, {read:,} read, {refused:,} refused; slowest "
        f"{slowest:.2f} s of processor time, at most {peak / 2**20:,.0f} MB"
    )
    return passed


def _run_batch(kind: str, first: int, count: int) -> None:
    check = {"image": _check_image, "model": _check_model, "sealed model": _check_sealed}[kind]
    read, slowest = 0, 0.0
    with TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            start = time.process_time()
            try:
                read += _is_read(check, default_rng(seed), Path(folder))
            except Exception as error:
                raise SystemExit(f"seed {seed}: {type(error).__name__}: {error}") from error
            slowest = max(slowest, time.process_time() - start)
            if slowest > _MOST_SECONDS:
                raise SystemExit(f"seed {seed} took {slowest:.1f} s of processor time")
            if _peak() > _MOST_BYTES:
                raise SystemExit(f"up to seed {seed}, {_peak() / 2**20:,.0f} MB were used")
    print(read, count - read, slowest, _peak())


def _is_read(check: Callable[[Generator, Path], None], random: Generator, folder: Path) -> bool:
    try:
        check(random, folder)
    except FerboostError as error:
        if "\n" in str(error) or not str(error):
            raise ValueError(f"not one line: {error!r}") from error
        return False
    return True


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _check_image(random: Generator, _folder: Path) -> None:
    content = mutate(_image(random), random)
    for decode in (decode_picture, decode_face):
        decode(content, "image")


def _image(random: Generator) -> bytes:
    mode = str(random.choice(["L", "RGB", "RGBA", "P", "1"]))
    side = int(random.integers(1, 80))
    values = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
    image = Image.fromarray(values).convert(mode)
    form = str(random.choice(_FORMATS))
    if form in {"jpeg", "ppm"} and mode not in {"L", "RGB"}:
        image = image.convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def _check_model(random: Generator, folder: Path) -> None:
    path = folder / "model.onnx"
    path.write_bytes(mutate(BUNDLED_MODEL.read_bytes(), random))
    _predict(path)


def _check_sealed(random: Generator, folder: Path) -> None:
    """Damage a model and write a checksum that fits, as somebody who means harm would."""
    path = folder / "model.onnx"
    content = mutate(BUNDLED_MODEL.read_bytes(), random, in_place=random.random() < 0.8)
    path.write_bytes(_sealed(content))
    _predict(path)


def _sealed(content: bytes) -> bytes:
    place = content.rfind(CHECKSUM_KEY.encode())
    try:
        checksum = content_checksum(content).encode()
    except ValueError:
        return content
    start = place + len(CHECKSUM_KEY) + 2  # the tag and the length of the value
    return content[:start] + checksum + content[start + len(checksum) :]


def _predict(path: Path) -> None:
    Predictor(path, threads=1).predict_proba(np.zeros((1, 48, 48), dtype=np.uint8))


def mutate(content: bytes, random: Generator, *, in_place: bool = False) -> bytes:
    """Flip, overwrite, remove or repeat a few bytes, or cut the end off."""
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 6))):
        if not changed:
            break
        # Headers are at the start, where a change does most.
        near = random.random() < 0.5 and not in_place
        reach = min(len(changed), 200) if near else len(changed)
        place = int(random.integers(reach))
        length = int(random.integers(1, 9))
        length = min(length, len(changed) - place)
        match int(random.integers(3 if in_place else 6)):
            case 0:
                changed[place] ^= 1 << int(random.integers(8))
            case 1:
                changed[place : place + length] = random.bytes(length)
            case 2:
                extreme = bytes([int(random.choice([0, 0x7F, 0x80, 0xFF]))])
                changed[place : place + length] = extreme * length
            case 3:
                del changed[place : place + length]
            case 4:
                changed[place:place] = changed[place : place + length * 8]
            case _:
                del changed[place + int(random.integers(len(changed) - place)) :]
    return bytes(changed)


if __name__ == "__main__":
    main()
