"""Finding images by the names that tables give them."""

import os
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from ferboost.datasets.naming import read_named_rows
from ferboost.errors import DataError


def place_of(image: str, names: tuple[str, ...], folder: Path) -> int | None:
    path = folder / "table.csv"
    path.write_text(f"image\n{image}\n")
    (row,) = read_named_rows(path, np.array(names), ("image",), "names")
    return row.place


def test_a_whole_name_is_no_other_images_end_in_whatever_order(tmp_path: Path) -> None:
    for names in permutations(("1.png", "happy/1.png", "test/happy/1.png")):
        for image in names:
            assert place_of(image, names, tmp_path) == names.index(image)


def test_a_name_that_is_no_text_is_found(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"image\na/\xff.png\n")
    (row,) = read_named_rows(path, np.array(["a/" + os.fsdecode(b"\xff.png")]), ("image",), "names")
    assert row.place == 0


def test_a_name_that_two_images_have_is_ambiguous(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a/1.png is the name of several images"):
        place_of("a/1.png", ("a/1.png", "b/1.png", "a/1.png"), tmp_path)


def test_an_end_of_two_names_is_ambiguous_and_a_longer_one_is_not(tmp_path: Path) -> None:
    names = ("test/happy/1.png", "test/sad/1.png")
    with pytest.raises(DataError, match="1.png is the name of several images"):
        place_of("1.png", names, tmp_path)
    assert place_of("sad/1.png", names, tmp_path) == 1
    assert place_of("angry/1.png", names, tmp_path) is None
