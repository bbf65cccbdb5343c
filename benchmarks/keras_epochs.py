"""The published network in Keras, an epoch for every line on stdin; started by against_keras.py.

    python keras_epochs.py DATA.npz

DATA.npz holds `images` uint8 (n, 48, 48), `labels` (n,), `validation_images` and
`validation_labels`. Every line on stdin gives an epoch, every epoch a line of JSON on stdout: its
`seconds`, and what Keras says of it. This file runs in an environment of its own, that of
keras_requirements.txt, and imports nothing of ferboost: it is written from the published text.
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers, regularizers


def published_network(classes: int) -> keras.Model:
    """Return the network of section 2.2 of the study: 121,855 parameters for seven classes."""
    penalty = regularizers.L2(1e-4)
    network = keras.Sequential(
        [
            keras.Input((48, 48, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(64, activation="relu", kernel_regularizer=penalty),
            layers.Dense(7, activation="relu", kernel_regularizer=penalty),
            layers.Dense(classes, activation="softmax"),
        ]
    )
    network.compile(
        keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return network


def main() -> None:
    """Train an epoch for every line on stdin."""
    keras.utils.set_random_seed(0)
    data = np.load(sys.argv[1])
    images, validation_images = (
        data[name][..., None].astype(np.float32) / 255 for name in ("images", "validation_images")
    )
    labels, validation_labels = data["labels"], data["validation_labels"]
    network = published_network(int(labels.max()) + 1)
    print(json.dumps({"keras": keras.version(), "parameters": network.count_params()}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        history = network.fit(
            images,
            labels,
            batch_size=64,
            validation_data=(validation_images, validation_labels),
            verbose=0,
        ).history
        seconds = time.perf_counter() - start
        metrics = {name: values[0] for name, values in history.items()}
        print(json.dumps({"seconds": seconds, **metrics}), flush=True)


if __name__ == "__main__":
    main()
