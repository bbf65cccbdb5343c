"""What is found of labels, and what voters say of it."""

import json

import numpy as np
import pytest

from ferboost.datasets import FaceDataset
from ferboost.emotions import EMOTIONS, FERPLUS_COLUMNS
from ferboost.evaluation.label_errors import find_label_errors
from ferboost.evaluation.label_findings import AGREEMENTS, LabelFindings, judge_labels

COLUMNS = list(FERPLUS_COLUMNS.values())
HAPPY, SAD = EMOTIONS.index("happy"), EMOTIONS.index("sad")


def findings(
    *,
    voted: bool = True,
    said: tuple[int | None, ...] = (HAPPY, SAD, SAD, SAD),
    split: str = "validation",
) -> LabelFindings:
    """Judge two happy faces, one of which all voters call sad, and two sad ones; one is a test."""
    labels = np.array([HAPPY, HAPPY, SAD, SAD])
    votes = np.zeros((4, len(COLUMNS)), np.uint8)
    for row, emotion in enumerate(said):
        if emotion is not None:
            votes[row, COLUMNS.index(EMOTIONS[emotion])] = 10
    images = FaceDataset(
        np.zeros((4, 48, 48), np.uint8),
        labels,
        np.array([split, split, split, "test"]),
        np.array(list("abcd")),
        EMOTIONS,
        votes=votes if voted else None,
    )
    shares = np.full((4, 7), 0.01, np.float32)
    shares[[0, 1, 2, 3], [HAPPY, SAD, SAD, HAPPY]] = 0.94
    return judge_labels(images, shares, find_label_errors(shares, labels), left_out=5)


def test_voters_judge_the_finder_and_the_model_is_compared_with_them() -> None:
    found = findings()
    assert (found.judged, found.images) == (4, {"validation": 3, "test": 1})
    for curve in found.finder.values():
        assert curve.wrong.tolist() == [True, False, False, False]
    everything = found.agreement["all"]
    assert set(everything) == set(AGREEMENTS)
    assert everything["model_with_labels"] == 0.5
    assert everything["model_with_majority"] == 0.75
    assert everything["label_by_majority"] == 0.75
    assert found.agreement["test"]["model_with_labels"] == 0
    assert found.agreement["validation"]["model_with_majority"] == 1
    assert found.sentence() == (
        "2 of 4 labels are suspect (3 validation, 1 test; 5 images are left out, because the CNNs "
        "were trained on them)."
    )


def test_training_images_are_also_judged_alone() -> None:
    curves = findings(split="train").finder
    assert curves["no voter gave the label"].judged == 4
    assert curves["no voter gave the label, training images alone"].judged == 3
    assert len(findings().finder) == 2


def test_without_votes_there_are_suspects_alone() -> None:
    found = findings(voted=False)
    assert (found.suspects, found.finder, found.agreement) == (2, {}, {})


def test_votes_that_find_no_label_wrong_have_no_curve_and_are_said_to() -> None:
    found = findings(said=(HAPPY, HAPPY, SAD, SAD))
    assert found.finder == {}
    assert found.agreement["all"]["label_by_majority"] == 1
    assert found.remarks() == (
        "No label is wrong by the votes in this sense: no voter gave the label.",
        "No label is wrong by the votes in this sense: most voters gave another.",
    )
    assert findings().remarks() == findings(voted=False).remarks() == ()


def test_a_split_without_votes_is_left_out_and_said_to_be() -> None:
    found = findings(said=(HAPPY, SAD, SAD, None))
    assert set(found.agreement) == {"all", "validation"}
    assert found.agreement["all"]["model_with_majority"] == 1
    assert found.remarks() == ("No test image has votes with a majority.",)
    assert np.isfinite(list(found.agreement["validation"].values())).all()


def test_votes_of_other_images_alone_say_nothing() -> None:
    found = findings(said=(None, None, None, None))
    assert (found.suspects, found.finder, found.agreement, found.remarks()) == (2, {}, {}, ())


def test_findings_survive_json() -> None:
    content = json.loads(json.dumps(findings().to_dict()))
    back = LabelFindings.from_dict(content)
    assert back.to_dict() == findings().to_dict()
    for name, curve in findings().finder.items():
        np.testing.assert_array_equal(back.finder[name].precision, curve.precision)


@pytest.mark.parametrize("places", [[], [4], [-1]])
def test_places_that_cannot_be_are_refused(places: list[int]) -> None:
    content = findings().to_dict()
    content["wrong"]["no voter gave the label"]["places"] = places
    with pytest.raises(ValueError, match="not among the judged"):
        LabelFindings.from_dict(content)
