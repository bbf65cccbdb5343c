"""How a point is judged."""

import pytest
from studies import FACES, settings

from ferboost.datasets.splitting import prepare_splits
from ferboost.tuning.faces import face_arrays, faces_of
from ferboost.tuning.scoring import Scorer
from tiny import PLAIN


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_a_pruner_hears_the_loss_of_what_is_judged_without_its_penalty(averaging: float) -> None:
    chosen = settings(cnn={"l2": 1.0, "averaging": averaging, "epochs": 1})
    faces = faces_of(face_arrays(prepare_splits(FACES, chosen.data, validation=True)))
    heard: list[float] = []
    score = Scorer(faces, 3, None).score(
        chosen, "cnn", 0, PLAIN, lambda _history, loss: heard.append(loss)
    )
    assert heard == [pytest.approx(score.log_loss, rel=1e-5)]
