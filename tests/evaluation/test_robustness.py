"""Worse faces, and what they cost."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ferboost.errors import DataError
from ferboost.evaluation.corruptions import CORRUPTIONS, Corruption
from ferboost.evaluation.robustness import Robustness, measure_robustness

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (6, 48, 48), dtype=np.uint8)


def changed(corruption: Corruption, strength: float) -> NDArray[np.uint8]:
    return corruption.apply(IMAGES, strength, np.random.default_rng(1))


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda c: c.name)
def test_the_first_strength_changes_nothing_and_the_others_more_and_more(
    corruption: Corruption,
) -> None:
    np.testing.assert_array_equal(changed(corruption, corruption.strengths[0]), IMAGES)
    before = IMAGES.copy()
    for strength in corruption.strengths[1:]:
        found = changed(corruption, strength)
        assert found.dtype == np.uint8
        assert found.shape == IMAGES.shape
        assert (found != IMAGES).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(before, IMAGES)  # nothing is changed in place


def spot(row: int, column: int) -> NDArray[np.uint8]:
    image = np.zeros((1, 48, 48), dtype=np.uint8)
    image[0, row - 2 : row + 3, column - 2 : column + 3] = 200
    return image


def centre(image: NDArray[np.uint8]) -> tuple[float, float]:
    rows, columns = np.nonzero(image[0] > 40)
    return float(rows.mean()), float(columns.mean())


def by_name(name: str) -> Corruption:
    return next(corruption for corruption in CORRUPTIONS if corruption.name == name)


def test_a_shift_moves_sideways_by_so_many_pixels() -> None:
    row, column = centre(by_name("shift").apply(spot(20, 20), 6, np.random.default_rng(0)))
    assert row == 20
    assert abs(column - 20) == 6


def test_looser_and_tighter_crops_move_things_towards_and_away_from_the_middle() -> None:
    random = np.random.default_rng(0)
    looser = centre(by_name("looser crop").apply(spot(10, 23), 0.5, random))[0]
    tighter = centre(by_name("tighter crop").apply(spot(18, 23), 1.5, random))[0]
    assert looser == pytest.approx(23.5 - 13.5 / 2, abs=0.6)
    assert tighter == pytest.approx(23.5 - 5.5 * 1.5, abs=0.6)


def test_rotation_keeps_the_middle_and_turns_the_rest() -> None:
    random = np.random.default_rng(0)
    assert centre(by_name("rotation").apply(spot(23, 23), 45, random)) == pytest.approx(
        (23.25, 23.25), abs=0.5
    )
    row, column = centre(by_name("rotation").apply(spot(10, 23), 30, random))
    assert np.hypot(row - 23.5, column - 23.5) == pytest.approx(13.5, abs=0.7)
    assert abs(column - 23.5) == pytest.approx(13.5 * 0.5, abs=0.9)


def predict(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Tell light from dark, of two seeds."""
    light = images.mean(axis=(1, 2)) / 255
    shares = np.stack([1 - light, light], axis=1).astype(np.float32)
    return {"cnn": np.stack([shares, shares])}


LIGHT = np.concatenate([np.full((40, 48, 48), 90, np.uint8), np.full((40, 48, 48), 170, np.uint8)])
LABELS = np.repeat(np.array([0, 1]), 40)


def test_curves_begin_with_the_unchanged_faces_and_fall_where_the_model_is_fooled() -> None:
    told: list[tuple[int, int]] = []
    found = measure_robustness(
        predict, LIGHT, LABELS, tell=lambda done, total, _name: told.append((done, total))
    )
    assert found.faces == 80
    assert {curve.accuracy[0] for curve in found.curves} == {1.0}
    (brighter,) = found.of("brighter")
    assert brighter.accuracy[1:3] == (1.0, 0.5)  # 90 + 20 is still dark, 90 + 40 is not
    assert brighter.interval[2][0] < 0.5 < brighter.interval[2][1]
    assert brighter.worst_loss == 0.5
    (contrast,) = found.of("contrast")
    assert contrast.accuracy == (1.0,) * 6
    assert [done for done, _ in told] == list(range(len(told)))
    assert told[-1][1] == len(told)


def test_the_same_seed_gives_the_same_curves_and_json_keeps_them() -> None:
    first = measure_robustness(predict, LIGHT, LABELS)
    assert measure_robustness(predict, LIGHT, LABELS) == first
    assert Robustness.from_dict(first.to_dict()) == first


def test_no_face_is_refused() -> None:
    with pytest.raises(DataError, match="there are none"):
        measure_robustness(predict, LIGHT[:0], LABELS[:0])
