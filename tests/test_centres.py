"""Distances to the centres of classes."""

from pathlib import Path

import numpy as np
import pytest

from ferboost.centres import ClassCentres, fit_centres
from ferboost.errors import DataError, RunError

CLASSES = 3
RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, CLASSES, 90)
VALUES = (RANDOM.standard_normal((90, 5)) + 3 * LABELS[:, None]).astype(np.float32)
VALUES[:, 4] = 7  # a dead unit
FITTED = fit_centres(VALUES, LABELS, CLASSES)


def test_a_distance_is_the_mean_square_in_variances_within_the_classes() -> None:
    own = [VALUES[label == LABELS].astype(np.float64) for label in range(CLASSES)]
    variance = np.concatenate([rows - rows.mean(axis=0) for rows in own]).var(axis=0)
    variance = 0.9 * variance + 0.1 * variance.mean()
    expected = [((VALUES - rows.mean(axis=0)) ** 2 / variance).mean(axis=1) for rows in own]
    np.testing.assert_allclose(FITTED.distances(VALUES), np.stack(expected, axis=1), rtol=1e-4)


def test_the_nearest_centre_is_mostly_that_of_the_class() -> None:
    assert (FITTED.distances(VALUES).argmin(axis=1) == LABELS).mean() > 0.8


@pytest.mark.parametrize("row", [0, 17, 89])
def test_a_member_is_left_out_of_its_own_centre(row: int) -> None:
    others = np.arange(90) != row
    centre = VALUES[others & (LABELS[row] == LABELS)].mean(axis=0)
    expected = np.square((VALUES[row] - centre) * FITTED.precision).mean()
    found = FITTED.distances(VALUES, LABELS)
    np.testing.assert_allclose(found[row, LABELS[row]], expected, rtol=1e-4)
    strangers = np.arange(CLASSES) != LABELS[row]
    np.testing.assert_array_equal(found[row, strangers], FITTED.distances(VALUES)[row, strangers])


def test_a_layer_of_dead_units_has_no_distances() -> None:
    dead = np.zeros((90, 4), np.float32)
    assert not fit_centres(dead, LABELS, CLASSES).distances(dead).any()


def test_a_class_of_one_image_has_no_centre() -> None:
    with pytest.raises(DataError, match=r"class 1 of 2 has too few .*: 1, and it takes 2"):
        fit_centres(VALUES[:5], np.array([0, 0, 0, 0, 1]), 2)


def test_they_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "centres.safetensors"
    FITTED.save(path)
    np.testing.assert_array_equal(
        ClassCentres.load(path).distances(VALUES, LABELS), FITTED.distances(VALUES, LABELS)
    )


@pytest.mark.parametrize("content", [None, b"", b"damaged" * 9])
def test_damaged_ones_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "centres.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError, match=r"cannot read the class centres .* restore the run"):
        ClassCentres.load(path)
