r"""Predict in turns by Keras, the published network alone, and by an exported ferboost model.

    python -m venv keras-environment
    keras-environment/bin/pip install -r benchmarks/keras_requirements.txt
    ferboost boost RUN --tap fc1 --mode residual -o boosted
    ferboost export boosted --variant "fc1 residual" -o model.onnx
    python benchmarks/predict_against_keras.py model.onnx fer2013.zip \
        --keras keras-environment/bin/python

Keras gets its faces as float32 before the clock starts, ferboost as the whole numbers that they are
kept in. One works while the other waits, each in its own process, after one turn that does not
count. How long a prediction takes does not depend on the weights, so Keras' are not trained. Run
it on a machine that does nothing else.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from against_keras import read_answer, spread
from numpy.typing import NDArray

from ferboost.datasets.loading import load_dataset
from ferboost.inference import Predictor

_SINGLE = 1000


def main() -> int:
    """Print a row for each turn, then the medians, the spread and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--keras", type=Path, required=True, help="python with TensorFlow")
    parser.add_argument("--faces", type=int, default=7178)
    parser.add_argument("--turns", type=int, default=7)
    arguments = parser.parse_args()

    predictor = Predictor(arguments.model)
    faces = load_dataset(arguments.data).images[-arguments.faces :]
    print(f"{len(faces)} faces; {predictor.info.variant}")
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "faces.npy"
        np.save(kept, faces)
        script = Path(__file__).parent / "keras_predict.py"
        with subprocess.Popen(
            [arguments.keras, script, kept],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as keras:
            about = read_answer(keras)
            print(f"Keras {about['keras']}: {about['parameters']} parameters")
            batches = _in_turns(
                "all faces",
                lambda: read_answer(keras, "all")["seconds"],
                lambda: _seconds(lambda: predictor.predict_proba(faces)),
                arguments.turns,
            )
            single = _in_turns(
                "a face",
                lambda: read_answer(keras, "one")["seconds"],
                lambda: _single_face(predictor, faces),
                arguments.turns,
            )
    print(f"ratio of the medians: all faces {batches:.2f}, a face {single:.2f}")
    return 0


def _in_turns(
    what: str, theirs: Callable[[], float], ours: Callable[[], float], turns: int
) -> float:
    """Print what both take for the same; return the ratio of the medians."""
    theirs(), ours()
    taken = [(theirs(), ours()) for _ in range(turns)]
    keras, own = ([turn[i] for turn in taken] for i in (0, 1))
    print(f"{what}: Keras    {spread(keras)}")
    print(f"{what}: ferboost {spread(own)}", flush=True)
    return statistics.median(keras) / statistics.median(own)


def _single_face(predictor: Predictor, faces: NDArray[np.uint8]) -> float:
    """Return the median of the seconds of one face by itself."""
    seconds = []
    for at in range(min(_SINGLE, len(faces))):
        start = time.perf_counter()
        predictor.predict_proba(faces[at : at + 1])
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
