"""A run directory: made once, opened when it can be understood, written by one process."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from ferboost.config import Settings
from ferboost.errors import RunError
from ferboost.runs import (
    DataRecord,
    Run,
    RunRecord,
    describe_environment,
    new_run_path,
    refuse_existing,
)
from ferboost.settings import parse_settings

RECORD = RunRecord(
    settings=parse_settings({"seeds": [3, 1], "cnn": {"filters": [8], "learning_rate": 1e-5}}),
    classes=("happy", "sad"),
    data=DataRecord(
        path="/faces.zip", fingerprint="abc", counts={"train": (3, 4)}, notes=("One note.",)
    ),
    environment={"python": "3.11"},
    command="ferboost train faces.zip",
    created="2026-01-31T12:00:00+00:00",
)

HOLD_LOCK = """
import sys
import threading
from pathlib import Path
from ferboost.runs import Run
with Run.open(Path(sys.argv[1])).lock():
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", RECORD)


@contextmanager
def other_process_holding(run: Run) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(run.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield process
        finally:
            process.kill()


class TestCreating:
    def test_a_run_opens_as_it_was_made(self, run: Run) -> None:
        opened = Run.open(run.path)
        assert opened.record == RECORD
        assert opened.settings == RECORD.settings
        assert opened.seed_path(3) == run.path / "seed-3"

    def test_an_empty_folder_is_taken(self, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        assert Run.create(tmp_path / "run", RECORD).path == tmp_path / "run"

    def test_a_folder_with_something_in_it_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "photo.png").write_bytes(b"precious")
        with pytest.raises(RunError, match=r"exists already; go on with it by --resume"):
            Run.create(tmp_path, RECORD)
        assert [file.name for file in tmp_path.iterdir()] == ["photo.png"]

    def test_a_file_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        file = tmp_path / "photo.png"
        file.write_bytes(b"precious")
        with pytest.raises(RunError, match="exists already"):
            Run.create(file, RECORD)
        assert file.read_bytes() == b"precious"

    def test_a_run_is_not_made_twice(self, run: Run) -> None:
        with pytest.raises(RunError, match="exists already"):
            refuse_existing(run.path)

    def test_what_a_process_killed_in_making_it_left_is_no_obstacle(self, tmp_path: Path) -> None:
        (tmp_path / ".run.json.1234.part").write_text('{"sett')
        assert Run.open(Run.create(tmp_path, RECORD).path).record == RECORD

    def test_numbers_count_up_to_the_first_free_one(self, tmp_path: Path) -> None:
        (tmp_path / "paper-clean-1").mkdir()
        (tmp_path / "paper-clean-3").mkdir()
        with new_run_path(None, tmp_path, "paper-clean") as path:
            assert path == tmp_path / "paper-clean-2"
            assert Run.create(path, RECORD).path == path

    def test_runs_that_start_together_have_different_folders(self, tmp_path: Path) -> None:
        barrier = threading.Barrier(8)

        def start(_: int) -> Path:
            barrier.wait()
            with new_run_path(None, tmp_path / "runs", "paper") as path:
                return Run.create(path, RECORD).path

        with ThreadPoolExecutor(8) as starters:
            paths = set(starters.map(start, range(8)))
        assert paths == {tmp_path / "runs" / f"paper-{number}" for number in range(1, 9)}

    def test_one_that_cannot_be_started_leaves_nothing(self, tmp_path: Path) -> None:
        with (
            pytest.raises(RunError, match="bad"),
            new_run_path(None, tmp_path / "runs", "paper") as path,
        ):
            assert path.is_dir()
            raise RunError("bad")
        assert not list(tmp_path.iterdir())


class TestOpening:
    def refusal(self, run: Run, content: str | bytes) -> str:
        (run.path / "run.json").write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
        with pytest.raises(RunError) as caught:
            Run.open(run.path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def changed(self, run: Run, *keys: str, value: Any) -> str:
        content = json.loads((run.path / "run.json").read_bytes())
        target = content
        for key in keys[:-1]:
            target = target[key]
        target[keys[-1]] = value
        return json.dumps(content)

    def test_a_folder_that_is_no_run_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match=r"is not a run directory: it has no run\.json"):
            Run.open(tmp_path)

    def test_a_folder_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="is not a run directory"):
            Run.open(tmp_path / "nowhere")

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"settings": 1}'])
    def test_a_damaged_record_is_refused(self, run: Run, content: bytes) -> None:
        assert "run.json is damaged or of another version" in self.refusal(run, content)

    def test_a_record_with_an_unknown_key_is_refused_by_name(self, run: Run) -> None:
        newer = self.changed(run, "settings", "cnn", "attention", value=True)
        assert "settings.cnn.attention: Extra inputs are not permitted" in self.refusal(run, newer)

    def test_a_record_with_an_impossible_value_is_refused_by_name(self, run: Run) -> None:
        wrong = self.changed(run, "settings", "cnn", "epochs", value=0)
        assert "settings.cnn.epochs" in self.refusal(run, wrong)

    def test_a_record_without_a_key_is_refused_by_name(self, run: Run) -> None:
        content = json.loads((run.path / "run.json").read_bytes())
        del content["classes"]
        assert "classes: Field required" in self.refusal(run, json.dumps(content))


class TestLocking:
    def test_a_second_process_is_refused(self, run: Run) -> None:
        with (
            other_process_holding(run),
            pytest.raises(RunError, match="another process is working on"),
            run.lock(),
        ):
            pytest.fail("two processes hold the lock")

    def test_a_killed_process_holds_no_lock(self, run: Run) -> None:
        with other_process_holding(run) as process:
            process.kill()
            assert process.wait() == -signal.SIGKILL
            with run.lock():
                pass

    def test_the_lock_is_given_back_after_an_error(self, run: Run) -> None:
        with pytest.raises(ZeroDivisionError), run.lock():
            raise ZeroDivisionError
        with run.lock():
            pass

    def test_what_a_killed_process_left_half_written_is_removed(self, run: Run) -> None:
        run.seed_path(3).mkdir()
        leftovers = [run.path / ".precision.json.9.part", run.seed_path(3) / ".state.9.part"]
        for file in leftovers:
            file.write_text("half")
        kept = run.seed_path(3) / "network.safetensors"
        kept.write_text("whole")
        with run.lock():
            assert not any(file.exists() for file in leftovers)
        assert kept.read_text() == "whole"

    def test_a_process_without_the_lock_removes_nothing(self, run: Run) -> None:
        with other_process_holding(run):
            half = run.path / ".precision.json.9.part"
            half.write_text("half")
            with pytest.raises(RunError), run.lock():
                pytest.fail("two processes hold the lock")
            assert half.exists()


def test_the_log_is_added_to_line_by_line(run: Run) -> None:
    run.log("one")
    Run.open(run.path).log("two")
    lines = (run.path / "log.txt").read_text().splitlines()
    assert [line[20:] for line in lines] == ["one", "two"]
    assert lines[0][:2] == "20"


def test_the_environment_has_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ("gpu" in describe_environment()) == torch.cuda.is_available()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100")
    assert describe_environment()["gpu"] == "NVIDIA H100"


def test_the_environment_has_versions_and_machine() -> None:
    described = describe_environment()
    assert described["python"].startswith("3.")
    assert {"ferboost", "numpy", "torch", "system", "processor", "cores"} <= described.keys()


def test_the_default_settings_survive_a_record(tmp_path: Path) -> None:
    record = RECORD.model_copy(update={"settings": Settings()})
    assert Run.open(Run.create(tmp_path / "run", record).path).settings == Settings()
