"""What a command reads is not written over."""

from pathlib import Path

import pytest

from ferboost.cli.outputs import refuse_to_overwrite
from ferboost.errors import SettingsError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    (run / "seed-0").mkdir(parents=True)
    for name in ("run.json", "model.onnx", "seed-0/network.safetensors"):
        (run / name).write_bytes(b"kept")
    return run


def refusal(target: Path, *inputs: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        refuse_to_overwrite("--out", target, *inputs)
    return str(caught.value)


def test_a_file_that_is_read_is_kept(tmp_path: Path) -> None:
    data = tmp_path / "faces.csv"
    data.write_bytes(b"kept")
    assert "--out would write over" in refusal(tmp_path / "." / "faces.csv", data)
    (tmp_path / "link").symlink_to(data)
    assert "choose another name" in refusal(tmp_path / "link", data)


def test_the_pictures_of_a_folder_are_kept(tmp_path: Path) -> None:
    photo = tmp_path / "a.png"
    photo.write_bytes(b"kept")
    assert str(photo) in refusal(photo, tmp_path)
    refuse_to_overwrite("--out", tmp_path / "new.png", tmp_path)


@pytest.mark.parametrize("name", ["run.json", "seed-0/network.safetensors"])
def test_the_files_of_a_run_are_kept(run: Path, name: str) -> None:
    assert name in refusal(run / name, run)


def test_what_was_made_of_a_run_may_be_made_anew(run: Path) -> None:
    refuse_to_overwrite("--out", run / "model.onnx", run)
    refuse_to_overwrite("--out", None, run)
