#!/usr/bin/env python3
"""Learn the visual words inside the package of a data set, such as fer2013.zip.

They are the centres that k-means finds among the SIFT descriptors of FER-2013's training images;
labels play no part. Kept in 16 bits. Other words mean other features, so that trees grown on the
words of before no longer fit.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from ferboost.datasets import load_dataset
from ferboost.descriptors import sift_descriptors

TARGET = Path(__file__).parents[1] / "src" / "ferboost" / "visual_words.npy"
WORDS = 128
IMAGES = 12_000
PATCHES = 200_000


def main(data: Path) -> None:
    """Write `TARGET`."""
    images = load_dataset(data).split("train").images
    chance = np.random.default_rng(0)
    chosen = chance.permutation(len(images))[:IMAGES]
    found = []
    for start in range(0, IMAGES, 1000):
        patches = sift_descriptors(images[chosen[start : start + 1000]]).reshape(-1, 128)
        seen = patches[patches.any(axis=1)]
        found.append(seen[chance.permutation(len(seen))[: PATCHES // (IMAGES // 1000)]])
    means = MiniBatchKMeans(WORDS, batch_size=4096, max_iter=30, n_init=3, random_state=0)
    means.fit(np.concatenate(found))
    np.save(TARGET, means.cluster_centers_.astype(np.float16))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
