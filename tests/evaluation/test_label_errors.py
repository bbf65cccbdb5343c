"""Finding labels that are wrong, and judging the finder."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shares import draw

from ferboost.errors import DataError
from ferboost.evaluation.label_errors import find_label_errors, judge_finder


def test_exchanged_labels_come_first() -> None:
    shares, labels = draw(4000)
    shares = shares**3 / (shares**3).sum(axis=1, keepdims=True)
    labels = shares.argmax(axis=1)
    wrong = np.random.default_rng(1).random(4000) < 0.1
    noisy = np.where(wrong, (labels + 1) % 4, labels)
    found = find_label_errors(shares, noisy)
    curve = judge_finder(found.order, wrong, np.ones(4000, bool))
    assert curve.base_rate == pytest.approx(0.1, abs=0.02)
    assert curve.precision_at(200).value > 0.9
    assert (found.suggested[wrong] == labels[wrong]).all()


def test_a_suspect_reaches_the_mean_of_another_class() -> None:
    shares = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.1, 0.9]], dtype=np.float32)
    labels = np.array([0, 0, 0, 1])
    # The means are 0.567 and 0.9: the third image is below both, and so counts for neither.
    assert find_label_errors(shares, labels).suspect.tolist() == [False] * 4
    shares[2] = (0.05, 0.95)
    found = find_label_errors(shares, labels)
    assert found.suspect.tolist() == [False, False, True, False]
    assert found.order.tolist() == [2, 1, 0, 3]
    assert found.belief[2] == pytest.approx(0.05)


def test_a_class_without_images_makes_no_suspect() -> None:
    shares = np.array([[0.1, 0.1, 0.8], [0.7, 0.2, 0.1]], dtype=np.float32)
    assert not find_label_errors(shares, np.array([0, 1])).suspect[0]


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_every_image_stands_once_the_least_believed_first(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.ones(3), n).astype(np.float32)
    found = find_label_errors(shares, random.integers(0, 3, n))
    assert sorted(found.order.tolist()) == list(range(n))
    assert (np.diff(found.belief[found.order]) >= 0).all()
    assert ((found.belief >= 0) & (found.belief <= 1)).all()


def test_precision_and_recall_are_those_of_the_first_images() -> None:
    wrong = np.array([True, False, True, False, True])
    judged = np.array([True, True, True, True, False])
    curve = judge_finder(np.array([4, 2, 1, 0, 3]), wrong, judged)
    assert curve.precision.tolist() == [1, 0.5, 2 / 3, 0.5]
    assert curve.recall.tolist() == [0.5, 0.5, 1, 1]
    assert (curve.base_rate, curve.errors, curve.judged) == (0.5, 2, 4)
    low, high = curve.precision_at(3).interval
    assert 0 < low < 2 / 3 < high < 1


def test_what_cannot_be_judged_is_refused() -> None:
    nothing = np.zeros(3, dtype=bool)
    with pytest.raises(DataError, match="nothing to find"):
        judge_finder(np.arange(3), nothing, ~nothing)
    with pytest.raises(DataError, match="found 2 labels"):
        find_label_errors(np.ones((3, 2), np.float32), np.array([0, 1]))
    with pytest.raises(DataError, match="found 0 labels"):
        find_label_errors(np.ones((0, 2), np.float32), np.zeros(0, np.int64))
