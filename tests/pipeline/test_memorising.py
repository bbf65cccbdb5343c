"""What features of learnt images do to trees."""

from pathlib import Path

import numpy as np
import pytest

from ferboost.errors import RunError
from ferboost.evaluation.memorising import judge
from ferboost.pipeline.memorising import load_memorised
from ferboost.report import write_report
from tiny import faces, finish, run_settings

DATASET = faces(40)


@pytest.mark.parametrize("features", ["in-sample", "out-of-fold"])
def test_as_many_learnt_and_unseen_images_are_compared(tmp_path: Path, features: str) -> None:
    trees = {"taps": ("pixels", "fc1"), "features": features, "folds": 2}
    run, _ = finish(tmp_path / "run", DATASET, run_settings(trees=trees, seeds=(0, 1)))
    found = load_memorised(run)
    assert found is not None
    assert found.tap == "fc1"
    train, validation = (sum(run.record.data.counts[s]) for s in ("train", "validation"))
    if features == "out-of-fold":
        assert abs(found.rows - train / 2) <= 2
        assert found.new_images == validation
    else:
        assert found.rows + found.new_images == validation
    assert len(found.grown["learnt"]) == len(found.grown["unseen"]) == 2
    for seed in (0, 1):
        learnt, unseen = (found.grown[kind][seed] for kind in ("learnt", "unseen"))
        assert learnt["cnn new"] == unseen["cnn new"]
        assert learnt["trees rows"].accuracy > 0.9
        assert learnt["trees new"] != unseen["trees new"]
    page = write_report(run).read_text("utf-8")
    assert "Trees on images that the CNN has and has not learnt" in page
    (run.path / "memorised.json").write_text("{}")
    with pytest.raises(RunError, match=r"memorised.json is damaged .* remove it and run"):
        write_report(run)


@pytest.mark.parametrize(
    ("trees", "protocol"),
    [({"taps": ("fc1",)}, "paper"), ({"taps": ("fc1",), "mode": "residual"}, "clean")],
)
def test_nothing_is_measured_where_nothing_replaces_layers_or_all_was_selected_on_test(
    tmp_path: Path, trees: dict[str, object], protocol: str
) -> None:
    run, _ = finish(tmp_path / "run", DATASET, run_settings(trees=trees, protocol=protocol))
    assert load_memorised(run) is None


def test_a_verdict_is_judged_by_its_accuracy_and_entropy() -> None:
    shares = np.array([[1, 0], [0.5, 0.5], [0, 1]], dtype=np.float32)
    found = judge(shares, np.array([0, 1, 1]))
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.entropy == pytest.approx(np.log(2) / 3, abs=1e-6)
