"""Groups of faces, and whether a model serves them alike."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ferboost.errors import DataError
from ferboost.evaluation.groups import GroupMetrics, measure_groups, read_groups

NAMES = np.array(["test/happy/1.png", "test/happy/2.png", "test/sad/1.png", "test/sad/3.png"])


def table(folder: Path, text: str) -> Path:
    path = folder / "groups.csv"
    path.write_text(text)
    return path


def test_images_are_found_by_their_name_or_its_unique_end(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "group,image\nold,2.png\nyoung,sad/1.png\nold,test/happy/1.png\nold,elsewhere.png\n",
    )
    groups = read_groups(path, NAMES)
    assert list(groups) == ["old", "young"]
    assert groups["old"].tolist() == [True, True, False, False]
    assert groups["young"].tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'image'"),
        ("image,age\n1.png,4\n", "no column 'group'"),
        ("image,group\n1.png,old\n", "line 2 .* name of several images"),
        ("image,group\n2.png,\n", "line 2 .* lacks its group"),
        ("image,group\n2.png\n", "line 2 .* lacks its group"),
        ("image,group\n2.png,old\nhappy/2.png,old\n", "line 3 .* in old twice"),
        ("image,group\nx.png,old\n", "none of the 1 images .* is evaluated"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_groups(table(tmp_path, text), NAMES)


def test_a_missing_or_binary_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_groups(tmp_path / "none.csv", NAMES)
    (tmp_path / "groups.csv").write_bytes(b"\xff\xfe\x00image")
    with pytest.raises(DataError, match=r"no column 'image'; a table of groups has the columns"):
        read_groups(tmp_path / "groups.csv", NAMES)


def halves(n: int) -> dict[str, NDArray[np.bool_]]:
    first = np.arange(n) < n // 2
    return {"first": first, "second": ~first}


def test_a_real_difference_is_found_with_its_sign_and_size() -> None:
    random = np.random.default_rng(0)
    correct = np.concatenate([random.random((2, 400)) < 0.8, random.random((2, 400)) < 0.5], axis=1)
    first, second = measure_groups(correct, halves(800))
    assert (first.n, second.n) == (400, 400)
    assert first.interval[0] < first.accuracy < first.interval[1]
    assert first.difference == pytest.approx(-second.difference)
    assert first.difference_interval[0] < 30 < first.difference_interval[1]
    assert first.p < 1e-6


def test_the_interval_of_a_sentence_has_the_sign_and_order_of_its_difference() -> None:
    below = GroupMetrics("old", 40, 0.5, (0.4, 0.6), -30.0, (-36.25, -9.5), 0.001)
    assert below.sentence() == (
        "old is 30.0 points [9.5, 36.2] below the others (p = 0.001, adjusted)."
    )
    above = replace(below, difference=30.0, difference_interval=(9.5, 36.25))
    assert "30.0 points [9.5, 36.2] above the others" in above.sentence()


def test_chance_is_called_a_difference_in_few_of_many_tables() -> None:
    random = np.random.default_rng(1)
    groups = {f"group {i}": np.arange(600) % 12 == i for i in range(12)}
    false = 0
    for _ in range(60):
        found = measure_groups(random.random((1, 600)) < 0.6, groups)
        false += min(group.p for group in found) < 0.05
    assert false <= 8  # 5 % of 60, and not the 46 % that 12 unadjusted tests would give


def test_a_few_that_are_all_right_are_no_proof() -> None:
    """Ten right ones of ten are what chance gives often where nine of ten are right."""
    few = np.arange(1010) < 10
    correct = np.arange(1010) >= 110  # of the others 900 of 1,000
    correct[few] = True
    found = measure_groups(correct[np.newaxis], {"few": few, "many": ~few})
    assert found[0].difference == pytest.approx(10)
    assert found[0].p > 0.5
    assert found[0].difference_interval[0] < 0


@pytest.mark.parametrize("seeds", [1, 3])
def test_small_groups_of_good_models_are_seldom_called_different(seeds: int) -> None:
    random = np.random.default_rng(2)
    groups = {"few": np.arange(500) < 15, "many": np.arange(500) >= 15}
    found = [measure_groups(random.random((seeds, 500)) < 0.95, groups)[0].p for _ in range(200)]
    assert np.mean(np.array(found) < 0.05) < 0.1


def test_equal_groups_of_one_verdict_do_not_differ() -> None:
    first, _ = measure_groups(np.ones((1, 40), dtype=bool), halves(40))
    assert (first.difference, first.p) == (0.0, 1.0)
    assert "no difference" in first.sentence()


def test_too_few_images_or_groups_are_refused() -> None:
    correct = np.ones((1, 30), dtype=bool)
    small = np.arange(30) < 4
    with pytest.raises(DataError, match="few: 4 evaluated images are too few"):
        measure_groups(correct, {"few": small, "many": ~small})
    with pytest.raises(DataError, match="there is 1"):
        measure_groups(correct, {"all": np.ones(30, dtype=bool)})


def test_copies_of_training_images_do_not_count() -> None:
    groups = {"a": np.arange(80) < 40, "b": np.arange(80) >= 40}
    clean = np.arange(80) % 2 == 0
    correct = np.arange(80) % 4 == 0
    copied = correct | (groups["a"] & ~clean)  # the copies in "a" are all known by heart
    found = measure_groups(copied[np.newaxis], groups, clean)
    assert [(own.n, own.accuracy, own.difference) for own in found] == [(20, 0.5, 0)] * 2
    with pytest.raises(DataError, match="a: 0 evaluated images that are not in train are too few"):
        measure_groups(copied[np.newaxis], groups, clean & groups["b"])
