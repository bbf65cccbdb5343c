"""An empty folder for every test, and one small finished run that they share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from shell import SMALL, Trained, ferboost

from ferboost.datasets.synthetic import generate_faces
from ferboost.datasets.writing import write_dataset


@pytest.fixture(scope="session", autouse=True)
def terminal() -> Iterator[None]:
    """Have 80 columns and no colours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        patch.delenv("FORCE_COLOR", raising=False)
        yield


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    folder = tmp_path / "workplace"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, cache_home: Path, terminal: None) -> Trained:
    """Return a finished run. A test that changes it takes `run` instead."""
    folder = tmp_path_factory.mktemp("trained")
    faces = folder / "faces.zip"
    write_dataset(generate_faces(24), faces)
    outcome = ferboost("train", faces, "--seeds", 2, "-o", folder / "run", "--json", *SMALL)
    assert outcome.code == 0, outcome.err
    return Trained(folder / "run", faces, outcome)


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the report out, which takes longer than a training here."""
    monkeypatch.setattr("ferboost.report.write_report", lambda run: run.path / "report.html")


@pytest.fixture
def run(trained: Trained, workplace: Path) -> Path:
    """Copy the finished run to ``run`` in the working directory."""
    shutil.copytree(trained.run, workplace / "run")
    return Path("run")
