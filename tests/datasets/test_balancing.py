import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ferboost.datasets.balancing import balance

LABELS = np.repeat([0, 1, 2], [100, 40, 10])


def test_every_class_has_as_many_as_the_classes_have_on_average() -> None:
    index, _ = balance(LABELS, 0)
    assert np.bincount(LABELS[index]).tolist() == [50, 50, 50]


def test_a_large_class_loses_images_and_gets_no_copies() -> None:
    index, copied = balance(LABELS, 0)
    own = index[LABELS[index] == 0]
    assert len(set(own.tolist())) == 50
    assert not copied[LABELS[index] == 0].any()


def test_a_small_class_keeps_every_image_and_gets_copies() -> None:
    index, copied = balance(LABELS, 0)
    small = LABELS[index] == 2
    assert set(index[small & ~copied]) == set(range(140, 150))
    assert copied[small].sum() == 40
    assert set(index[copied]) <= set(index[~copied])


def test_balanced_classes_stay_as_they_are() -> None:
    index, copied = balance(np.array([0, 1, 0, 1]), 3)
    assert sorted(index.tolist()) == [0, 1, 2, 3]
    assert not copied.any()


def test_the_seed_decides() -> None:
    assert balance(LABELS, 1)[0].tolist() == balance(LABELS, 1)[0].tolist()
    assert balance(LABELS, 1)[0].tolist() != balance(LABELS, 2)[0].tolist()


@given(st.lists(st.integers(0, 6), min_size=1, max_size=100), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_classes_are_balanced_whatever_their_counts(labels: list[int], seed: int) -> None:
    values = np.array(labels)
    index, copied = balance(values, seed)
    classes = np.unique(values)
    counts = np.bincount(values[index])[classes]
    assert set(counts.tolist()) == {round(len(labels) / len(classes))}
    assert len(set(index[~copied].tolist())) == (~copied).sum()
