"""A difference is found where there is one, and seldom where there is none."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ferboost.datasets.synthetic import generate_faces
from ferboost.datasets.traits import fit_trait_limits
from ferboost.errors import DataError
from ferboost.evaluation.drift import kernel_test, measure_drift
from ferboost.features import pixel_features

FACES = generate_faces(20).images
LIMITS = fit_trait_limits(FACES)


def test_samples_of_one_distribution_are_rarely_told_apart() -> None:
    random = np.random.default_rng(0)
    ps = []
    for _ in range(60):
        first, second = random.normal(size=(2, 25, 4)).astype(np.float32)
        ps.append(kernel_test(first, second, random)[2])
    assert np.mean(np.array(ps) < 0.05) < 0.15
    assert 0.3 < np.mean(ps) < 0.7


def test_another_mean_or_spread_is_found() -> None:
    random = np.random.default_rng(0)
    first = random.normal(size=(80, 4)).astype(np.float32)
    for second in (first[::-1] + 1, random.normal(scale=2.5, size=(80, 4)).astype(np.float32)):
        mmd, by_chance, p = kernel_test(first, second, random)
        assert mmd > by_chance
        assert p == pytest.approx(0.001)


def test_equal_samples_differ_by_nothing() -> None:
    same = np.ones((12, 3), dtype=np.float32)
    mmd, _, p = kernel_test(same, same, np.random.default_rng(0))
    assert mmd == pytest.approx(0)
    assert p == 1


def test_darker_faces_are_found_and_named() -> None:
    dark = (FACES[70:] // 3).astype(np.uint8)
    known = FACES[:70]
    found = measure_drift(known, dark, LIMITS, "pixels", pixel_features)
    assert found.drifted
    assert found.traits[0].p < 0.001
    assert found.traits[0].new < found.traits[0].reference / 2
    assert "differ from 70 known ones" in found.sentence()
    assert "brightness" in found.sentence()
    assert found.to_dict()["drifted"] is True


def test_faces_of_the_same_kind_show_no_difference() -> None:
    one, other = FACES[::2], FACES[1::2]
    found = measure_drift(one, other, LIMITS, "pixels", pixel_features)
    assert not found.drifted
    assert found.sentence().startswith("No difference is shown between the 70 new faces and 70")
    assert "only a large one" in found.sentence()


def test_too_few_faces_are_refused() -> None:
    few, many = FACES[:9], FACES
    with pytest.raises(DataError, match="10 faces or more, found 9 new ones"):
        measure_drift(many, few, LIMITS, "pixels", pixel_features)


def test_features_are_computed_of_some_faces_however_many_there_are() -> None:
    many = np.concatenate([FACES] * 5)
    asked: list[int] = []

    def compute(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        asked.append(len(images))
        return pixel_features(images)

    found = measure_drift(FACES, many, LIMITS, "pixels", compute)
    assert asked == [len(FACES), 500]
    assert (found.n_reference, found.n_new) == (len(FACES), len(many))
