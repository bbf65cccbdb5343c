"""The real data where it is present, and a cache folder that is not the user's."""

import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from ferboost.datasets import FaceDataset, load_dataset

hypothesis.settings.register_profile("ferboost", database=None, deadline=None)
hypothesis.settings.load_profile("ferboost")


@pytest.fixture(scope="session", autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder that holds the cache during the tests."""
    folder = tmp_path_factory.mktemp("cache_home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder with ``fer2013.zip`` and ``fer2013new.csv``."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not (folder / "fer2013.zip").is_file():
        pytest.skip(f"no {folder}/fer2013.zip here")
    return folder


@pytest.fixture(scope="session")
def first_load(real_data: Path) -> tuple[FaceDataset, float]:
    """Load FER-2013 for the first time; return it and the processor time, in seconds."""
    start = time.process_time()
    dataset = load_dataset(real_data / "fer2013.zip")
    return dataset, time.process_time() - start


@pytest.fixture(scope="session")
def fer2013(first_load: tuple[FaceDataset, float]) -> FaceDataset:
    """Return FER-2013's Training and PublicTest images."""
    return first_load[0]
