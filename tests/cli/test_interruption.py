"""Ctrl-C, full disks, and two processes on one run."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from shell import SMALL, Trained, ferboost, process

from ferboost.datasets import load_dataset
from ferboost.pipeline import start_run
from ferboost.settings import load_settings

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")


@needs_signals
def test_ctrl_c_says_how_to_go_on_and_the_run_can_be_resumed(
    trained: Trained, no_report: None
) -> None:
    many = [change for change in SMALL if "epochs" not in change] + ["--set=cnn.epochs=40"]
    with process("train", trained.faces, "-o", "my run", *many) as started:
        assert started.stderr is not None
        while "precision" not in started.stderr.readline():
            assert started.poll() is None
        started.send_signal(signal.SIGINT)
        assert started.wait() == 130
        assert started.stdout is not None
        assert started.stdout.read() == ""
        assert started.stderr.read() == (
            "ferboost: interrupted; go on with: ferboost train --resume 'my run'\n"
        )
    assert not Path("my run/report.html").exists()
    resumed = ferboost("train", "--resume", "my run", "--json")
    whole = ferboost("train", trained.faces, "-o", "whole", "--json", *many)
    assert json.loads(resumed.out)["per_seed"] == json.loads(whole.out)["per_seed"]


@needs_signals
def test_ctrl_c_before_a_run_has_begun_is_one_line(trained: Trained) -> None:
    stop_at_once = (
        "import os, signal\n"
        "import ferboost.datasets.loading as loading\n"
        "loading.cache_path = lambda source: os.kill(os.getpid(), signal.SIGINT)"
    )
    with process("train", trained.faces, before=stop_at_once) as started:
        assert started.communicate() == ("", "ferboost: interrupted\n")
        assert started.returncode == 130


@pytest.fixture
def small_disk(workplace: Path) -> Iterator[Path]:
    """Mount a disk of 64 kB on ``disk``."""
    disk = Path("disk").resolve()
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("only root on Linux can mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, left: int) -> None:
    """Leave so many bytes on a disk."""
    status = os.statvfs(disk)
    with (disk / "ballast").open("wb") as ballast:
        ballast.write(bytes(status.f_bavail * status.f_frsize - left))


@pytest.mark.parametrize("left", [8_192, 16_384, 32_768, 49_152])
def test_a_full_disk_ends_in_one_line_and_the_run_can_be_resumed(
    small_disk: Path, trained: Trained, no_report: None, left: int
) -> None:
    fill(small_disk, left)
    outcome = ferboost("train", trained.faces, "-o", "disk/run", *SMALL)
    assert (outcome.code, outcome.out) == (1, "")
    *before, last = outcome.err.splitlines()
    assert not [line for line in before if "error" in line]
    assert last.startswith("ferboost: error: cannot write disk/run")
    assert re.search("the disk is full|the disk took only a part of it", last)
    assert last.endswith("; then go on with: ferboost train --resume disk/run")
    assert not list(small_disk.rglob("*.part"))

    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert ferboost("train", "--resume", "disk/run").code == 0
    assert Path("disk/run/predictions.npz").exists()


def test_a_disk_that_fills_up_is_named_wherever_the_test_runs(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    start_run(Path("run"), load_dataset(trained.faces), load_settings(), "ferboost")
    monkeypatch.setattr("ferboost.files.os.fsync", full)
    outcome = ferboost("train", "--resume", "run")
    assert (outcome.code, outcome.out) == (1, "")
    assert "the disk is full" in outcome.err.splitlines()[-1]
    assert outcome.err.rstrip().endswith("ferboost train --resume run")


def test_a_run_that_another_process_works_on_is_refused(trained: Trained) -> None:
    start_run(Path("run"), load_dataset(trained.faces), load_settings(), "ferboost")
    lock = "import filelock, sys; lock = filelock.FileLock('run/.lock'); lock.acquire()"
    holder = f"{lock}; print('locked', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        outcome = ferboost("train", "--resume", "run")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.splitlines()[-1] == (
        "ferboost: error: another process is working on run; wait for it or stop it"
    )


@pytest.mark.parametrize(
    "complaint", ["DefaultCPUAllocator: can't allocate memory", "std::bad_alloc"]
)
def test_too_little_memory_is_one_line(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, complaint: str
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError(complaint)

    monkeypatch.setattr("ferboost.datasets.load_dataset", fail)
    outcome = ferboost("data", "info", trained.faces)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("ferboost: error: out of memory; ")
