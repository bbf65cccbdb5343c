"""What a worker answers, without a process of its own."""

from pathlib import Path

import pytest
from studies import FACES, settings

from ferboost.datasets.splitting import prepare_splits
from ferboost.tuning.faces import StudyFaces, face_arrays, faces_of
from ferboost.tuning.messages import Setup, Task
from ferboost.tuning.outcomes import Verdict
from ferboost.tuning.worker import Channel, try_points


class Answered(Exception):
    """The verdict is there."""


def test_data_that_a_point_cannot_be_tried_on_are_told(tmp_path: Path) -> None:
    chosen = settings(trees={"taps": ("fc1",)}, cnn={"epochs": 1})
    faces = faces_of(face_arrays(prepare_splits(FACES, chosen.data, validation=True)))
    lacking = StudyFaces(faces.train.select(faces.train.labels != 1), faces.validation)
    verdicts: list[Verdict] = []

    def hear(line: str) -> None:
        if '"epoch"' in line:
            channel.put('{"go_on": true}')
        elif '"status"' in line:
            verdicts.append(Verdict.model_validate_json(line))
            raise Answered

    channel = Channel(hear)
    channel.put(
        Setup(faces="", classes=3, run=None, settings=chosen, precision=None).model_dump_json()
    )
    channel.put(Task(settings=chosen, variant="fc1").model_dump_json())
    with pytest.raises(Answered):
        try_points(channel, lambda _folder: lacking)
    assert [verdict.status for verdict in verdicts] == ["refused"]
    assert verdicts[0].reason == "class 1 of 3 has no image to learn from; add some"
