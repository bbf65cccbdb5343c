"""Predictions of the published network in Keras; started by predict_against_keras.py.

    python keras_predict.py FACES.npy

Every line on stdin, ``all`` or ``one``, is answered by a line of JSON on stdout: the `seconds` that
all faces take by `predict`, or the median of those that one takes by a call of the network, which
is faster than `predict` there.
"""

import json
import statistics
import sys
import time

import keras
import numpy as np
from keras_epochs import published_network

_SINGLE = 200


def main() -> None:
    """Predict for every line on stdin."""
    faces = np.load(sys.argv[1])[..., None].astype(np.float32) / 255
    network = published_network(7)
    print(json.dumps({"keras": keras.version(), "parameters": network.count_params()}), flush=True)
    for line in sys.stdin:
        if line.strip() == "all":
            start = time.perf_counter()
            network.predict(faces, verbose=0)
            seconds = time.perf_counter() - start
        else:
            single = []
            for face in faces[:_SINGLE]:
                start = time.perf_counter()
                np.asarray(network(face[None], training=False))
                single.append(time.perf_counter() - start)
            seconds = statistics.median(single)
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
