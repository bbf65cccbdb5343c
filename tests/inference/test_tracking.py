"""Which face is which, where it is between detections, and how its emotion is calmed."""

import pytest

from ferboost.inference import Face
from ferboost.inference.tracking import Smoother, Tracker, between


def face(x: float, y: float = 0.0, side: float = 20.0) -> Face:
    return Face((x, y, x + side, y + side), 0.9)


def tracks(tracker: Tracker, time: float, *places: float) -> list[int]:
    return [one.track for one in tracker.update([face(x) for x in places], time)]


def test_faces_keep_their_numbers_in_whatever_order_they_are_found() -> None:
    tracker = Tracker()
    assert tracks(tracker, 0.0, 0, 100) == [1, 2]
    assert tracks(tracker, 0.2, 104, 3) == [2, 1]
    assert tracks(tracker, 0.4, 6, 60, 108) == [1, 3, 2]


def test_a_face_that_moves_faster_than_its_width_is_expected_where_it_goes() -> None:
    tracker = Tracker()
    assert tracks(tracker, 0.0, 0) == [1]
    assert tracks(tracker, 0.2, 12) == [1]
    assert tracks(tracker, 0.6, 36) == [1]  # no overlap with where it was
    assert tracks(tracker, 0.8, 200) == [2]


def test_a_face_comes_back_within_a_second_and_is_another_one_later() -> None:
    tracker = Tracker()
    assert tracks(tracker, 0.0, 50) == [1]
    assert tracks(tracker, 0.5) == []
    assert tracks(tracker, 0.9, 51) == [1]
    assert tracks(tracker, 1.5) == []
    assert tracks(tracker, 2.0, 51) == [2]


def test_a_face_of_the_last_look_is_known_however_long_ago_that_was() -> None:
    tracker = Tracker()
    assert tracks(tracker, 0.0, 50) == [1]
    assert tracks(tracker, 3.0, 51) == [1]
    assert tracks(tracker, 6.0) == []
    assert tracks(tracker, 9.0, 51) == [2]
    smoother = Smoother(10.0)
    smoother.smooth(1, 0.0, (1.0, 0.0))
    assert smoother.smooth(1, 3.0, (0.0, 1.0))[0] > 0.7


def test_of_two_near_faces_each_takes_the_nearer() -> None:
    tracker = Tracker()
    assert tracks(tracker, 0.0, 0, 12) == [1, 2]
    assert tracks(tracker, 0.2, 10, 2) == [2, 1]


def test_between_detections_a_face_is_on_the_straight_line() -> None:
    before = Face((0, 0, 10, 10), 0.5, eyes=((2, 4), (8, 4)))
    after = Face((10, 20, 30, 40), 0.7, eyes=((14, 26), (26, 28)))
    middle = between(before, after, 0.5)
    assert (middle.box, middle.eyes) == ((5, 10, 20, 25), ((8, 15), (17, 16)))
    assert middle.score == pytest.approx(0.6)
    assert between(before, face(0), 0.0).eyes is None


def test_probabilities_are_averaged_with_those_just_before() -> None:
    smoother = Smoother(0.5)
    assert smoother.smooth(1, 0.0, (1.0, 0.0)) == (1.0, 0.0)
    first = smoother.smooth(1, 0.1, (0.0, 1.0))
    assert first == pytest.approx((0.8187, 0.1813), abs=1e-4)
    later = smoother.smooth(1, 0.9, (0.0, 1.0))
    assert later[0] < 0.2
    assert sum(later) == pytest.approx(1)


def test_each_face_is_calmed_by_itself_and_not_by_one_long_ago() -> None:
    smoother = Smoother(10.0)
    smoother.smooth(1, 0.0, (1.0, 0.0))
    assert smoother.smooth(2, 0.1, (0.0, 1.0)) == (0.0, 1.0)
    assert smoother.smooth(1, 5.0, (0.0, 1.0)) == (0.0, 1.0)
    assert Smoother(0).smooth(1, 0.0, (1.0, 0.0)) == (1.0, 0.0)
