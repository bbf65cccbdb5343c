"""Damaged images and model files are read or refused, never worse."""

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"


def test_damaged_files_are_read_or_refused() -> None:
    command = [sys.executable, str(FUZZ), "--count", "300", "--seed", "1000000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    images, models, sealed = done.stdout.splitlines()
    assert images.startswith("image: 270 files, ")
    assert " 0 read" not in images
    assert " 0 read, 24 refused" in models
    assert sealed.startswith("sealed model: 6 files")
