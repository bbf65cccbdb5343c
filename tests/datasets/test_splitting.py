from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferboost.config import DataSettings
from ferboost.datasets import FaceDataset
from ferboost.datasets.splitting import cut_split, prepare_splits, stratified_sample
from ferboost.errors import DataError


def faces(
    splits: Sequence[str], labels: Sequence[int], classes: Sequence[str] = ("happy", "sad")
) -> FaceDataset:
    """Return as many different images."""
    count = len(splits)
    images = np.zeros((count, 48, 48), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.arange(count) % 256, np.arange(count) // 256
    return FaceDataset(
        images=images,
        labels=np.array(labels, dtype=np.int64),
        splits=np.array(splits),
        names=np.array([f"{i}.png" for i in range(count)]),
        classes=tuple(classes),
        source="faces.zip",
    )


def two_classes(count: int, split: str = "train") -> FaceDataset:
    return faces([split] * count, [i % 2 for i in range(count)])


samples = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), min_size=1, max_size=120)
fractions = st.floats(0, 1)
seeds = st.integers(0, 2**32 - 1)


@given(samples, fractions, seeds)
@settings(max_examples=100)
def test_groups_are_never_split(sample: list[tuple[int, int]], fraction: float, seed: int) -> None:
    labels, groups = np.array(sample).T
    picked = stratified_sample(labels, groups, fraction, seed)
    assert picked.shape == labels.shape
    assert not set(groups[picked]) & set(groups[~picked])


@given(samples, fractions, seeds, st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_the_order_of_the_images_does_not_matter(
    sample: list[tuple[int, int]], fraction: float, seed: int, random: Random
) -> None:
    order = list(range(len(sample)))
    random.shuffle(order)
    labels, groups = np.array(sample).T
    picked = stratified_sample(labels, groups, fraction, seed)
    shuffled = stratified_sample(labels[order], groups[order], fraction, seed)
    assert (shuffled == picked[order]).all()


@given(st.lists(st.integers(2, 60), min_size=1, max_size=5), fractions, seeds)
@settings(max_examples=100)
def test_each_class_gives_its_share(counts: list[int], fraction: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    picked = stratified_sample(labels, np.arange(len(labels)), fraction, seed)
    for label, count in enumerate(counts):
        expected = min(round(fraction * count), count - 1)
        assert picked[labels == label].sum() == expected


@pytest.mark.parametrize("seed", range(10))
def test_a_group_too_large_for_the_share_does_not_keep_others_out(seed: int) -> None:
    groups = np.array([0] * 500 + list(range(1, 501)))
    picked = stratified_sample(np.zeros(1000, np.int64), groups, 0.1, seed)
    assert picked.sum() == 100


def test_copies_with_different_labels_stay_on_one_side_whatever_their_order() -> None:
    labels = np.array([1, 0, *([0, 1] * 20)])
    groups = np.array([99, 99, *range(40)])
    picked = stratified_sample(labels, groups, 0.5, 0)
    swapped = stratified_sample(labels[[1, 0, *range(2, 42)]], groups, 0.5, 0)
    assert picked.tolist() == swapped.tolist()


def test_the_seed_decides() -> None:
    labels, groups = np.zeros(100, np.int64), np.arange(100)
    first = stratified_sample(labels, groups, 0.5, 1)
    assert (first == stratified_sample(labels, groups, 0.5, 1)).all()
    assert (first != stratified_sample(labels, groups, 0.5, 2)).any()


def test_only_training_images_are_cut_off() -> None:
    dataset = faces(["train"] * 20 + ["test"] * 20, [0, 1] * 20)
    cut = cut_split(dataset, "validation", 0.2, 0)
    assert (cut.splits[20:] == "test").all()
    assert (cut.splits == "validation").sum() == 4
    assert cut.counts("validation").tolist() == [2, 2]


def test_missing_splits_are_cut_off_and_the_notes_say_so() -> None:
    prepared = prepare_splits(two_classes(100), DataSettings(), validation=True)
    assert (prepared.splits == "test").sum() == 20
    assert (prepared.splits == "validation").sum() == 8
    assert len(prepared.notes) == 2
    assert "no test split: 20 images" in prepared.notes[0]
    assert "8 images" in prepared.notes[1]


def test_splits_that_the_data_brings_are_kept() -> None:
    splits = ["train"] * 4 + ["validation"] * 4 + ["test"] * 4
    dataset = faces(splits, [0, 1] * 6)
    prepared = prepare_splits(dataset, DataSettings(), validation=True)
    assert prepared.splits.tolist() == splits
    assert prepared.notes == ()


def test_copies_of_validation_images_are_not_trained_on() -> None:
    dataset = faces(["train"] * 6 + ["validation"] * 4 + ["test"] * 4, [0, 1] * 7)
    images = dataset.images.copy()
    images[:2] = images[6:8]
    images[10] = images[3]  # test images that are copies are counted, and known as such
    dataset = replace(dataset, images=images)
    prepared = prepare_splits(dataset, DataSettings(), validation=True)
    assert prepared.names.tolist() == dataset.names[2:].tolist()
    assert (
        "2 training images that are copies of validation images are left out" in prepared.notes[0]
    )
    whole = prepare_splits(dataset, DataSettings(), validation=False)
    assert len(whole) == len(dataset)


def test_without_validation_its_images_are_trained_on() -> None:
    dataset = faces(["train"] * 4 + ["validation"] * 4 + ["test"] * 4, [0, 1] * 6)
    prepared = prepare_splits(dataset, DataSettings(), validation=False)
    assert prepared.splits.tolist() == ["train"] * 8 + ["test"] * 4
    assert "used for training" in prepared.notes[0]


def test_the_cut_does_not_depend_on_the_order_of_the_data() -> None:
    dataset = two_classes(60)
    order = np.random.default_rng(0).permutation(60)
    first = prepare_splits(dataset, DataSettings(), validation=True)
    second = prepare_splits(dataset.select(order), DataSettings(), validation=True)
    assert (first.splits[order] == second.splits).all()
    assert first.fingerprint == second.fingerprint


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        (two_classes(10, "test"), r"has no train split to learn from \(it has test\)"),
        (two_classes(0), "has no train split"),
        (faces(["train"], [0], ["happy"]), "has the single class 'happy'"),
        (faces(["train"] * 9, [0] * 9, ["happy"]), "has the single class 'happy'"),
        (faces(["train"] * 9 + ["test"], [0] * 9 + [1]), "no training image of the class 'sad'"),
        (two_classes(2), "too small: its 2 images leave none for validation|none for"),
    ],
    ids=["test only", "empty", "one image", "one class", "class in test only", "two images"],
)
def test_data_that_cannot_be_trained_on_is_refused(dataset: FaceDataset, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        prepare_splits(dataset, DataSettings(), validation=True)
    assert str(caught.value).startswith("faces.zip ")


def test_validation_images_of_fer2013_have_no_copy_in_train(fer2013: FaceDataset) -> None:
    prepared = prepare_splits(fer2013, DataSettings(), validation=True)
    train, validation = (prepared.split(name) for name in ("train", "validation"))
    assert not np.isin(validation.hashes, train.hashes).any()
    assert len(validation) == pytest.approx(0.1 * 28_709, abs=10)
    shares = validation.counts("validation") / fer2013.counts("train")
    assert shares == pytest.approx(np.full(7, 0.1), abs=0.01)
    assert (prepared.splits == "test").sum() == 3_589
