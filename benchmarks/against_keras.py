"""Train the published network in Keras on TensorFlow and in ferboost, epoch by epoch in turns.

    python -m venv keras-environment
    keras-environment/bin/pip install -r benchmarks/keras_requirements.txt
    python benchmarks/against_keras.py fer2013.zip --keras keras-environment/bin/python

Both see the same training and validation images, batches of 64, Adam with 1e-3 and a validation
after each epoch, which the seconds include; Keras gets its images as float32 before the clock
starts. One works while the other waits. Both take all processors unless OMP_NUM_THREADS and
TF_NUM_INTRAOP_THREADS say less. Run it on a machine that does nothing else.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.network import new_network
from ferboost.cnn.precision import choose_precision
from ferboost.cnn.training import train_network
from ferboost.config import Settings
from ferboost.curves import EpochRecord
from ferboost.datasets.loading import load_dataset
from ferboost.datasets.splitting import prepare_splits


def main() -> int:
    """Print a row for each pair of epochs, then the medians, the spread and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--keras", type=Path, required=True, help="python with TensorFlow")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    settings = Settings()
    dataset = prepare_splits(load_dataset(arguments.data), settings.data, validation=True)
    train, validation = (
        LabelledImages(part.images, part.labels)
        for part in (dataset.split("train"), dataset.split("validation"))
    )
    network = new_network(settings.cnn, len(dataset.classes), arguments.seed)
    precision = choose_precision(network, settings.cnn.batch_size)
    print(f"{len(train.images)} training and {len(validation.images)} validation images")
    print(f"ferboost: {network.parameter_count()} parameters, {precision.describe()}")

    with (
        tempfile.TemporaryDirectory() as folder,
        _start(arguments.keras, folder, train, validation) as keras,
    ):
        about = read_answer(keras)
        print(f"Keras {about['keras']}: {about['parameters']} parameters, float32")
        print(f"{'epoch':>5} {'Keras':>9} {'ferboost':>9} {'ratio':>6}  validation accuracy")
        theirs: list[float] = []

        def on_epoch(history: Sequence[EpochRecord]) -> None:
            ours, other = history[-1], read_answer(keras, "epoch")
            theirs.append(other["seconds"])
            print(
                f"{ours.epoch:5} {other['seconds']:7.2f} s {ours.seconds:7.2f} s "
                f"{other['seconds'] / ours.seconds:6.2f}  "
                f"Keras {other['val_accuracy']:.2%}, ferboost {ours.validation_accuracy:.2%}",
                flush=True,
            )

        state = train_network(
            network,
            train,
            validation,
            settings.cnn.model_copy(update={"epochs": arguments.epochs}),
            precision,
            seed=arguments.seed,
            on_epoch=on_epoch,
        )
    ours = [record.seconds for record in state.history]
    print(f"Keras    {spread(theirs)}")
    print(f"ferboost {spread(ours)}")
    print(f"ratio of the medians {statistics.median(theirs) / statistics.median(ours):.2f}")
    return 0


def spread(seconds: Sequence[float]) -> str:
    """Return seconds as a median with its spread."""
    return (
        f"median {statistics.median(seconds):.4g} s, {min(seconds):.4g} to {max(seconds):.4g} s, "
        f"n = {len(seconds)}"
    )


def _start(
    python: Path, folder: str, train: LabelledImages, validation: LabelledImages
) -> "subprocess.Popen[str]":
    data = Path(folder) / "data.npz"
    np.savez(
        data,
        images=train.images,
        labels=train.labels,
        validation_images=validation.images,
        validation_labels=validation.labels,
    )
    script = Path(__file__).parent / "keras_epochs.py"
    return subprocess.Popen(
        [python, script, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def read_answer(process: "subprocess.Popen[str]", request: str | None = None) -> dict[str, float]:
    """Return the next line of `process`, asked for by a line if `request` is given."""
    if request is not None:
        print(request, file=process.stdin, flush=True)
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        sys.exit("Keras ended early; its message stands above")
    answer: dict[str, float] = json.loads(line)
    return answer


if __name__ == "__main__":
    sys.exit(main())
