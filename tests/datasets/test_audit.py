import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from ferboost.datasets import FaceDataset, load_dataset
from ferboost.datasets.audit import Audit, Finding, audit
from ferboost.datasets.fer2013 import encode_fer2013_hashes
from ferboost.datasets.synthetic import generate_faces
from ferboost.emotions import EMOTIONS

FER2013 = Path(__file__).parents[2] / "../shared/data/fer2013.zip"
TAMPERING = {"blurred", "stretched", "padded", "softer", "foreign", "relabelled", "moved"}

Images = NDArray[np.uint8]


@pytest.fixture(scope="module")
def fer2013() -> FaceDataset:
    if not FER2013.is_file():
        pytest.skip("FER-2013 is not here")
    return load_dataset(FER2013, cache=False)


@pytest.fixture(scope="module")
def genuine(fer2013: FaceDataset) -> Audit:
    return audit(fer2013)


@pytest.fixture(scope="module")
def quarter(fer2013: FaceDataset) -> FaceDataset:
    return fer2013.select(np.arange(0, len(fer2013), 4))


@pytest.fixture(scope="module")
def faces() -> FaceDataset:
    return generate_faces(150)


def found(result: Audit, code: str) -> list[Finding]:
    return [finding for finding in result.findings if finding.code == code]


def codes(result: Audit) -> set[str]:
    return {finding.code for finding in result.findings}


def altered(
    dataset: FaceDataset, alter: Callable[[Image.Image], Image.Image], split: str = "train"
) -> FaceDataset:
    images = dataset.images.copy()
    for index in np.flatnonzero(dataset.splits == split):
        images[index] = np.asarray(alter(Image.fromarray(images[index])))
    return replace(dataset, images=images)


def blur(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(1))


def padded(dataset: FaceDataset, label: int, count: int) -> FaceDataset:
    """Add flipped, turned and brightened copies to a class of train."""
    generator = np.random.default_rng(0)
    originals = np.flatnonzero((dataset.splits == "train") & (dataset.labels == label))
    copies = np.empty((count, 48, 48), np.uint8)
    for position, index in enumerate(generator.choice(originals, count)):
        image = Image.fromarray(dataset.images[index])
        if generator.random() < 0.5:
            image = ImageOps.mirror(image)
        turned = image.rotate(generator.uniform(-10, 10), Image.Resampling.BILINEAR)
        copies[position] = np.clip(np.asarray(turned) * generator.uniform(0.8, 1.2), 0, 255)
    return replace(
        dataset,
        images=np.concatenate([dataset.images, copies]),
        labels=np.concatenate([dataset.labels, np.full(count, label)]),
        splits=np.concatenate([dataset.splits, np.full(count, "train")]),
        names=np.concatenate([dataset.names, [f"copy-{i}.png" for i in range(count)]]),
    )


def dataset_of(images: Images, labels: list[int], splits: list[str]) -> FaceDataset:
    return FaceDataset(
        images=images,
        labels=np.array(labels, dtype=np.int64),
        splits=np.array(splits, dtype=np.str_),
        names=np.array([f"{i}.png" for i in range(len(images))], dtype=np.str_),
        classes=("cat", "dog"),
    )


def noise(count: int) -> Images:
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def test_fer2013_has_the_published_counts(genuine: Audit) -> None:
    assert genuine.is_fer2013
    train, test = genuine.splits
    assert train.counts == train.published == (3995, 436, 4097, 7215, 4965, 4830, 3171)
    assert test.counts == test.published == (467, 56, 496, 895, 607, 653, 415)
    assert (train.genuine, test.genuine) == (28709, 3589)
    assert not found(genuine, "counts")


def test_fer2013_repeats_1236_training_images(genuine: Audit) -> None:
    train = found(genuine, "duplicates")[0]
    assert "1,236 of the 28,709 train images" in train.message
    assert len(train.names) == 1236


def test_fer2013_contradicts_itself_in_41_groups_of_training_images(
    genuine: Audit, fer2013: FaceDataset
) -> None:
    train = found(genuine, "conflicts")[0]
    assert train.message.startswith("41 groups of equal train images")
    hashes = fer2013.hashes[np.isin(fer2013.names, train.names)]
    assert len(np.unique(hashes)) == 41


def test_fer2013_leaks_279_images_of_its_public_test(genuine: Audit) -> None:
    (leak,) = found(genuine, "leak")
    assert "279 of the 3,589 test images stand in train" in leak.message
    assert len(leak.names) == 279
    assert all(name.startswith("test/") for name in leak.names)


def test_the_genuine_fer2013_is_accused_of_nothing(genuine: Audit) -> None:
    assert not codes(genuine) & TAMPERING
    assert all(finding.level != "error" for finding in genuine.findings)


def test_the_committed_hashes_are_those_of_fer2013(fer2013: FaceDataset) -> None:
    module = Path(__file__).parents[2] / "src/ferboost/datasets/fer2013_hashes.bin"
    assert encode_fer2013_hashes(fer2013) == module.read_bytes()


def test_fer2013_with_every_training_image_blurred_is_named(fer2013: FaceDataset) -> None:
    result = audit(altered(fer2013, blur))
    (finding,) = found(result, "blurred")
    assert finding.level == "error"
    assert "of the 28,709 train images are blurred" in finding.message
    assert len(finding.names) >= 28700
    assert not codes(result) & (TAMPERING - {"blurred"})


@pytest.mark.parametrize("stretch", [ImageOps.autocontrast, ImageOps.equalize])
def test_fer2013_with_every_histogram_stretched_is_named(
    quarter: FaceDataset, stretch: Callable[[Image.Image], Image.Image]
) -> None:
    result = audit(altered(quarter, stretch))
    (finding,) = found(result, "stretched")
    assert finding.level == "error"
    assert not codes(result) & (TAMPERING - {"stretched"})


@pytest.mark.parametrize("count", [436, 6779])
def test_fer2013_with_a_padded_class_is_named_with_the_copies(
    fer2013: FaceDataset, count: int
) -> None:
    result = audit(padded(fer2013, EMOTIONS.index("disgusted"), count))
    (finding,) = found(result, "padded")
    assert finding.message.startswith("train/disgusted is padded by augmentation")
    assert len(finding.names) == count
    assert all(name.startswith("copy-") for name in finding.names)
    assert "disgusted" in found(result, "counts")[0].message
    assert not codes(result) & (TAMPERING - {"padded"})


def test_blur_and_padding_together_are_both_named(quarter: FaceDataset) -> None:
    result = audit(padded(altered(quarter, blur), EMOTIONS.index("disgusted"), 1000))
    assert codes(result) & TAMPERING == {"blurred", "padded"}


def test_blur_of_one_class_is_named_with_the_class(fer2013: FaceDataset) -> None:
    sad = fer2013.labels == EMOTIONS.index("sad")
    images = np.where(sad[:, None, None], altered(fer2013, blur).images, fer2013.images)
    (finding,) = found(audit(replace(fer2013, images=images)), "blurred")
    assert "4,830 of the 28,709 train images (sad)" in finding.message


def test_a_part_of_fer2013_is_recognised_but_not_accused(fer2013: FaceDataset) -> None:
    part = fer2013.select(np.random.default_rng(0).permutation(len(fer2013))[:2000])
    result = audit(part)
    assert result.is_fer2013
    assert not codes(result) & TAMPERING


def test_validation_images_cut_from_train_count_as_training_images(fer2013: FaceDataset) -> None:
    splits = fer2013.splits.astype("<U10")
    splits[np.flatnonzero(splits == "train")[::10]] = "validation"
    result = audit(replace(fer2013, splits=splits))
    assert not found(result, "counts")
    assert [summary.split for summary in result.splits] == ["train", "validation", "test"]
    assert result.splits[1].published is None


def test_unknown_images_in_the_test_split_are_not_called_tampered(
    fer2013: FaceDataset, faces: FaceDataset
) -> None:
    other = faces.split("test")
    joined = FaceDataset(
        images=np.concatenate([fer2013.images, other.images]),
        labels=np.concatenate([fer2013.labels, other.labels]),
        splits=np.concatenate([fer2013.splits, other.splits]),
        names=np.concatenate([fer2013.names, other.names]),
        classes=EMOTIONS,
    )
    assert not codes(audit(joined)) & TAMPERING


def test_wrong_labels_and_moved_images_of_fer2013_are_named(fer2013: FaceDataset) -> None:
    labels, splits = fer2013.labels.copy(), fer2013.splits.copy()
    changed = np.flatnonzero(splits == "train")[4000:4010]
    labels[changed] = (labels[changed] + 3) % 7
    splits[np.flatnonzero(splits == "test")[:50]] = "train"
    result = audit(replace(fer2013, labels=labels, splits=splits))
    (relabelled,) = found(result, "relabelled")
    assert set(relabelled.names) == set(fer2013.names[changed].tolist())
    assert "PublicTest are in train" in found(result, "moved")[0].message


def test_foreign_images_in_train_are_named(fer2013: FaceDataset) -> None:
    images = fer2013.images.copy()
    images[np.flatnonzero(fer2013.splits == "train")[:7]] = noise(7)
    (finding,) = found(audit(replace(fer2013, images=images)), "foreign")
    assert len(finding.names) == 7


def test_other_data_is_not_judged_against_fer2013(faces: FaceDataset) -> None:
    result = audit(faces)
    assert not result.is_fer2013
    assert result.findings == ()
    assert all(s.published is None and s.genuine is None for s in result.splits)


def test_other_data_is_named_where_one_split_is_blurred(faces: FaceDataset) -> None:
    halves = replace(faces, splits=np.where(np.arange(len(faces)) % 2, "train", "test"))
    (finding,) = found(audit(altered(halves, blur)), "softer")
    assert finding.message.startswith("train is softer than the rest")


def test_other_data_is_named_where_all_of_it_is_blurred(faces: FaceDataset) -> None:
    result = audit(altered(altered(faces, blur), blur, "test"))
    assert {finding.level for finding in found(result, "blurred")} == {"warning"}


def test_other_data_is_named_where_histograms_are_stretched(faces: FaceDataset) -> None:
    assert "stretched" in codes(audit(altered(faces, ImageOps.equalize)))


def test_other_data_is_named_where_a_class_is_padded(faces: FaceDataset) -> None:
    (finding,) = found(audit(padded(faces, 1, 400)), "padded")
    assert finding.message.startswith("train/disgusted is padded")
    assert set(finding.names) <= set(padded(faces, 1, 400).names.tolist())


def test_repeated_leaked_and_contradicting_images_are_named() -> None:
    images = noise(6)
    images[1] = images[0]
    images[3] = images[2]
    images[5] = images[0]
    result = audit(dataset_of(images, [0, 0, 0, 1, 1, 0], ["train"] * 4 + ["test"] * 2))
    assert found(result, "duplicates")[0].names == ("1.png", "3.png")
    assert found(result, "conflicts")[0].names == ("2.png", "3.png")
    assert found(result, "leak")[0].names == ("5.png",)


def test_blank_images_are_named_and_dark_faces_are_not() -> None:
    images = noise(4)
    images[1] = 128
    images[2] = images[2] // 120 + 7
    images[3] = images[3] // 6
    result = audit(dataset_of(images, [0, 1, 0, 1], ["train"] * 4))
    assert found(result, "blank")[0].names == ("1.png", "2.png")


def test_a_class_without_images_is_named() -> None:
    result = audit(dataset_of(noise(2), [0, 0], ["train"] * 2))
    assert "train has no image of dog" in found(result, "missing-class")[0].message


@pytest.mark.parametrize("count", [0, 1])
def test_next_to_no_data_is_no_problem(count: int) -> None:
    result = audit(dataset_of(noise(count), [0] * count, ["test"] * count))
    assert not codes(result) - {"missing-class"}


def test_an_audit_is_ready_for_json(faces: FaceDataset) -> None:
    document = json.loads(json.dumps(audit(padded(faces, 0, 200)).to_dict()))
    assert document["splits"][0]["split"] == "train"
    assert {"level", "code", "message", "names"} == set(document["findings"][0])


def test_errors_come_before_warnings_and_notes(quarter: FaceDataset) -> None:
    levels = [finding.level for finding in audit(altered(quarter, blur, "test")).findings]
    assert set(levels) == {"error", "warning", "note"}
    assert levels == sorted(levels, key=("error", "warning", "note").index)
