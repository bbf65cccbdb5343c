"""Faces of three emotions, and classifiers that have seen them."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from small import CLASSES, small_boosted, small_cnn
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.synthetic import generate_faces
from ferboost.estimators import BoostedCNNClassifier, CNNClassifier


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads wait for each other longer than these few images take: 7 s instead of 35 s."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="package")
def dataset() -> FaceDataset:
    faces = generate_faces(20, test_fraction=0.25, seed=1)
    chosen = np.isin(np.array(faces.classes)[faces.labels], CLASSES)
    return faces.select(chosen).with_classes(CLASSES)


@pytest.fixture(scope="package")
def images(dataset: FaceDataset) -> NDArray[np.uint8]:
    return dataset.split("train").images


@pytest.fixture(scope="package")
def labels(dataset: FaceDataset) -> NDArray[np.str_]:
    return np.array(CLASSES)[dataset.split("train").labels]


@pytest.fixture(scope="package")
def fitted_cnn(images: NDArray[np.uint8], labels: NDArray[np.str_]) -> CNNClassifier:
    return small_cnn().fit(images, labels)


@pytest.fixture(scope="package")
def fitted_boosted(images: NDArray[np.uint8], labels: NDArray[np.str_]) -> BoostedCNNClassifier:
    return small_boosted().fit(images, labels)
