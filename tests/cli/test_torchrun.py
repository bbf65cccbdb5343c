"""Training by several processes: the same weights, one voice, and no half run left."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from shell import ferboost

from ferboost.datasets.synthetic import generate_faces
from ferboost.datasets.writing import write_dataset
from ferboost.pipeline.records import read_curves
from ferboost.runs import Run

SMALL = (
    "--set=number_format=float32",
    "--set=cnn.epochs=3",
    "--set=cnn.filters=[4,4]",
    "--set=cnn.batch_size=32",
    "--set=cnn.augmentation=gentle",
    "--set=trees.rounds=1",
    '--set=trees.taps=["pixels"]',
)
PUBLISHED = (*SMALL, "--set=cnn.dense=[8,7]", "--set=cnn.dropout=0")
# Batch normalisation, dropout and an average of the weights: what one process would do otherwise.
RESIDUAL = (*SMALL, "--set=cnn.architecture=residual", "--set=cnn.averaging=0.9")
HERE = Path(__file__).parent

# Each start of torchrun imports torch three times: seconds alone, minutes beside other work.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faces") / "faces.zip"
    write_dataset(generate_faces(20), path)
    return path


def torchrun(*arguments: object, program: tuple[str, ...] = ("-m", "ferboost")) -> tuple[int, str]:
    """Run a command in two processes; return the exit code and what ferboost's lines say.

    Where it fails and ferboost says nothing, all that was said is returned instead.
    """
    # Standalone: a free port each time, where the usual one may still be that of the last start.
    options = ("--standalone", "--nproc-per-node", "2")
    launcher = (sys.executable, "-m", "torch.distributed.run", *options)
    outcome = subprocess.run(
        [*launcher, *program, *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = [line for line in outcome.stderr.splitlines() if line.startswith("ferboost: ")]
    if outcome.returncode and not said:
        return outcome.returncode, outcome.stderr
    return outcome.returncode, "\n".join(said)


@pytest.mark.parametrize("taught", [False, True])
def test_two_processes_come_to_the_weights_of_one(
    faces: Path, tmp_path: Path, *, taught: bool
) -> None:
    options: tuple[str, ...] = PUBLISHED
    if taught:
        assert ferboost("train", faces, *RESIDUAL, "-o", tmp_path / "other").code == 0
        options = (*PUBLISHED, f'--set=cnn.teachers=["{tmp_path / "other"}"]')
    assert ferboost("train", faces, *options, "-o", tmp_path / "one").code == 0
    assert torchrun("train", faces, *options, "-o", tmp_path / "two") == (0, "")
    one, two = (load_file(tmp_path / n / "seed-0/network.safetensors") for n in ("one", "two"))
    for name, weights in one.items():
        assert two[name] == pytest.approx(weights, abs=1e-5)
    curves = [
        (tmp_path / n / "seed-0/metrics.csv").read_text().splitlines() for n in ("one", "two")
    ]
    for first, second in zip(*(list(csv.DictReader(lines)) for lines in curves), strict=True):
        assert {**first, "seconds": ""} == {**second, "seconds": ""}
    log = (tmp_path / "two" / "log.txt").read_text()
    assert log.count("kept epoch") == 1
    assert "s an epoch by 2 processes" in log


def test_a_process_that_dies_ends_all_with_one_line_and_the_run_goes_on(
    faces: Path, tmp_path: Path
) -> None:
    one, broken = tmp_path / "one", tmp_path / "broken"
    assert ferboost("train", faces, *RESIDUAL, "-o", one).code == 0
    program = (str(HERE / "dying.py"),)
    code, said = torchrun("train", faces, *RESIDUAL, "-o", broken, program=program)
    assert code == 1
    assert said == (
        "ferboost: error: another process of the training has ended, or torchrun was stopped; "
        f"go on with: ferboost train --resume {broken}"
    )
    curves = broken / "seed-0" / "metrics.csv"
    before = curves.read_text()
    assert len(before.splitlines()) == 1 + 1
    assert torchrun("train", "--resume", broken) == (0, "")
    assert curves.read_text().startswith(before)
    first, other = (read_curves(Run.open(path), 0).history for path in (one, broken))
    assert [record.epoch for record in other] == [1, 2, 3]
    # Each process normalises by its own half of a batch, so it is not the same training.
    for mine, theirs in zip(first, other, strict=True):
        assert theirs.train_loss == pytest.approx(mine.train_loss, rel=0.1)
        assert theirs.validation_loss == pytest.approx(mine.validation_loss, rel=0.1)
    assert (broken / "report.html").exists()


def test_bad_input_is_one_line_of_one_process(tmp_path: Path) -> None:
    code, said = torchrun("train", tmp_path / "none.zip", "-o", tmp_path / "run")
    assert code == 1
    assert said.startswith("ferboost: error: ")
    assert "none.zip" in said
    assert "\n" not in said
    assert not (tmp_path / "run").exists()
