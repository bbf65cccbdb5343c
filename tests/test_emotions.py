from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferboost.emotions import EMOTIONS, FER2013_ORDER, FERPLUS_COLUMNS, parse_emotion

NAMES = {
    "angry": ["angry", "anger", "Anger"],
    "disgusted": ["disgusted", "disgust"],
    "fearful": ["fearful", "fear", "scared", "afraid"],
    "happy": ["happy", "happiness", "joy"],
    "neutral": ["neutral"],
    "sad": ["sad", "sadness"],
    "surprised": ["surprised", "surprise"],
}
PAIRS = [(name, emotion) for emotion, names in NAMES.items() for name in names]


def test_the_orders_are_of_the_same_seven_emotions() -> None:
    assert list(EMOTIONS) == sorted(FER2013_ORDER)
    assert set(FERPLUS_COLUMNS.values()) == {*EMOTIONS, None}
    assert len(FERPLUS_COLUMNS) == 10


@pytest.mark.parametrize(("name", "emotion"), PAIRS)
def test_published_names_are_known(name: str, emotion: str) -> None:
    assert parse_emotion(name) == emotion


@given(
    pair=st.sampled_from(PAIRS),
    change=st.sampled_from([str.upper, str.lower, str.title]),
    prefix=st.sampled_from(["", "0_", "3-", "06. ", "12 "]),
    space=st.sampled_from(["", " ", "\t", "\n"]),
)
def test_case_space_and_a_leading_number_do_not_matter(
    pair: tuple[str, str], change: Callable[[str], str], prefix: str, space: str
) -> None:
    name, emotion = pair
    assert parse_emotion(f"{space}{prefix}{change(name)}{space}") == emotion


@pytest.mark.parametrize("name", ["", "0", "3_", "contempt", "angryy", "not happy", "happy_0"])
def test_other_names_stand_for_none(name: str) -> None:
    assert parse_emotion(name) is None


@given(st.text())
def test_any_text_stands_for_an_emotion_or_none(name: str) -> None:
    assert parse_emotion(name) in {*EMOTIONS, None}
