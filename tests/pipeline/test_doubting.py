"""What is learnt of training images whose labels are doubted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferboost.datasets.doubts import join_doubts
from ferboost.errors import RunError, SettingsError
from ferboost.pipeline import resume_run, start_run
from ferboost.pipeline.doubting import believed_images
from ferboost.pipeline.learnt_images import training_images
from ferboost.runs import Run
from tiny import faces, finish, run_settings

DATASET = faces()
TRAIN = DATASET.split("train")


@pytest.fixture
def doubts(tmp_path: Path) -> Path:
    """Doubt every third training label, for the class after it."""
    classes = DATASET.classes
    lines = ["image,suggested"]
    for place in range(0, len(TRAIN), 3):
        other = classes[(TRAIN.labels[place] + 1) % len(classes)]
        lines.append(f"{TRAIN.names[place]},{other}")
    (tmp_path / "doubts.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "doubts.csv"


def settings(doubts: Path, doubted: str, **changes: Any) -> Any:
    data = {"doubts": str(doubts), "doubted": doubted} | changes
    return run_settings({"epochs": 1}, data=data)


def test_each_way_changes_doubted_images_alone(doubts: Path) -> None:
    train = join_doubts(DATASET, doubts).split("train")
    sure = ~train.doubted
    assert believed_images(train, "keep").beliefs is None
    assert len(believed_images(TRAIN, "drop").images) == len(TRAIN)  # nothing is doubted
    np.testing.assert_array_equal(believed_images(train, "drop").images, train.images[sure])
    ones = np.eye(3)[train.labels]
    for doubted, believed in (("down-weight", 0.5 * ones), ("soften", train.beliefs)):
        data = believed_images(train, doubted)  # type: ignore[arg-type]
        assert data.beliefs is not None
        np.testing.assert_array_equal(data.labels, train.labels)
        np.testing.assert_array_equal(data.beliefs[sure], ones[sure])
        np.testing.assert_array_equal(data.beliefs[~sure], believed[~sure])  # type: ignore[index]


def test_balanced_images_keep_their_beliefs(doubts: Path) -> None:
    train = join_doubts(DATASET, doubts).split("train").select(np.arange(30))
    data = training_images(train, settings(doubts, "soften", balance=True), 0)
    assert data.beliefs is not None
    assert len(data.beliefs) == len(data.images)
    assert (data.beliefs[np.arange(len(data.labels)), data.labels] >= 0.5).all()


def test_each_way_trains_another_network_and_says_what_was_doubted(
    doubts: Path, tmp_path: Path
) -> None:
    networks = set()
    for doubted in ("keep", "drop", "down-weight", "soften"):
        run, _ = finish(tmp_path / doubted, DATASET, settings(doubts, doubted))
        networks.add((run.path / "seed-0/network.safetensors").read_bytes())
        assert "doubts the labels of" in run.record.data.notes[-1]
    plain, _ = finish(tmp_path / "plain", DATASET, run_settings({"epochs": 1}))
    assert len(networks) == 4
    assert (plain.path / "seed-0/network.safetensors").read_bytes() in networks


def test_other_doubts_are_not_gone_on_with(doubts: Path, tmp_path: Path) -> None:
    run, _ = start_run(tmp_path / "run", DATASET, settings(doubts, "drop"), "tests")
    resume_run(run.path, DATASET)
    doubts.write_text(doubts.read_text() + f"{TRAIN.names[1]},\n")
    with pytest.raises(RunError, match="doubted labels is not the one"):
        resume_run(run.path, DATASET)
    assert Run.open(run.path).settings.data.doubted == "drop"


def test_a_way_without_doubts_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"data.doubted=drop needs data.doubts"):
        run_settings(data={"doubted": "drop"})
