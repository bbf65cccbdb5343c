"""Generated faces to train networks on."""

import pytest

from ferboost.cnn.labelled import LabelledImages
from tiny import faces, labelled


@pytest.fixture(scope="module")
def train() -> LabelledImages:
    return labelled(faces(), "train")


@pytest.fixture(scope="module")
def validation() -> LabelledImages:
    return labelled(faces(), "test")


@pytest.fixture(scope="module")
def few(train: LabelledImages) -> LabelledImages:
    return LabelledImages(train.images[:12], train.labels[:12])
