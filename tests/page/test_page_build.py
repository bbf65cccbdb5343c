"""The built page in the package is what its source builds to."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(900)  # the packages are fetched once
def test_the_page_in_the_package_is_what_web_builds_to() -> None:
    if shutil.which("npm") is None:
        pytest.skip("the page was not built again: no npm here; apt install npm")
    outcome = subprocess.run(
        [str(ROOT / "scripts" / "check_page")], capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
