"""Brightness, contrast and sharpness, and what lies outside of what was trained."""

import numpy as np
import pytest

from ferboost.datasets.synthetic import generate_faces
from ferboost.datasets.traits import TraitLimits, face_traits, fit_trait_limits
from ferboost.errors import DataError
from ferboost.evaluation.corruptions import CORRUPTIONS

FACES = generate_faces(40).images


def test_each_corruption_moves_the_trait_that_it_is_about() -> None:
    strongest = {own.name: own for own in CORRUPTIONS}
    before = face_traits(FACES).mean(axis=0)
    for name, trait, sign in (
        ("darker", 0, -1),
        ("brighter", 0, 1),
        ("contrast", 1, -1),
        ("blur", 2, -1),
        ("noise", 2, 1),
    ):
        own = strongest[name]
        changed = own.apply(FACES, own.strengths[-1], np.random.default_rng(0))
        assert sign * (face_traits(changed).mean(axis=0)[trait] - before[trait]) > 0, name


def test_a_flat_face_has_neither_contrast_nor_sharpness() -> None:
    assert face_traits(np.full((1, 48, 48), 7, np.uint8)).tolist() == [[7, 0, 0]]


def test_few_training_faces_lie_outside_and_a_black_one_does() -> None:
    limits = fit_trait_limits(FACES)
    assert limits.outside(FACES).mean() < 0.02
    black = np.zeros((1, 48, 48), np.uint8)
    assert limits.outside(black).all()
    dark, fine = limits.warnings(np.concatenate((black, FACES[:1])))
    assert dark is not None
    assert dark.startswith("outside of what was trained: darker (brightness 0; trained on ")
    assert "flatter" in dark
    assert fine is None


def test_limits_survive_json() -> None:
    limits = fit_trait_limits(FACES)
    assert TraitLimits.from_dict(limits.to_dict()) == limits
    with pytest.raises(KeyError):
        TraitLimits.from_dict({"brightness": [1, 2]})


def test_limits_of_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="there is none"):
        fit_trait_limits(FACES[:0])
