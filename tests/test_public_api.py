"""The public names, how late they are loaded, and the guide that shows them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

import ferboost

GUIDE = Path(__file__).parents[1] / "docs" / "python.md"
HEAVY = {"matplotlib", "numpy", "pandas", "pydantic", "scipy", "sklearn", "torch", "xgboost"}


def run_python(code: str) -> str:
    """Return what `code` prints in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_public_names_are_these() -> None:
    assert ferboost.__all__ == [
        "EMOTIONS",
        "BoostedCNNClassifier",
        "CNNClassifier",
        "CenterFace",
        "DataError",
        "Detector",
        "ExportError",
        "Face",
        "FaceDataset",
        "FerboostError",
        "ImageError",
        "MissingExtraError",
        "ModelError",
        "Monitor",
        "Prediction",
        "Predictions",
        "Predictor",
        "Results",
        "Run",
        "RunError",
        "Settings",
        "SettingsError",
        "StorageError",
        "__version__",
        "branch_run",
        "calibrate_run",
        "check_run_explanations",
        "evaluate_run",
        "execute_run",
        "explain_run",
        "export_run",
        "fit_conformal",
        "fit_scaling",
        "generate_faces",
        "load_calibration",
        "load_dataset",
        "load_results",
        "load_settings",
        "measure_trust",
        "predict_files",
        "resume_run",
        "start_run",
        "summarize",
        "write_report",
    ]


@pytest.mark.parametrize("name", ferboost.__all__)
def test_every_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(ferboost, name) is not None
    assert name in dir(ferboost)


@pytest.mark.parametrize("name", sorted(set(ferboost.__all__) - {"__version__"}))
def test_the_guide_shows_every_public_name(name: str) -> None:
    assert re.search(rf"\b{name}\b", GUIDE.read_text("utf-8"))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'ferboost' has no attribute 'Clasifier'"):
        _ = ferboost.Clasifier


def test_the_version_is_that_of_the_installed_package() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", ferboost.__version__)


def test_importing_ferboost_loads_nothing_heavy() -> None:
    loaded = run_python("import sys, ferboost; dir(ferboost); print(*sys.modules)").split()
    assert "ferboost" in loaded
    assert not HEAVY & set(loaded)


def test_data_settings_and_errors_need_no_training_package() -> None:
    code = (
        "import sys, ferboost; "
        "ferboost.generate_faces, ferboost.load_dataset, ferboost.load_settings, ferboost.Run, "
        "ferboost.FerboostError; print(*sys.modules)"
    )
    assert not (HEAVY - {"numpy", "pydantic"}) & set(run_python(code).split())


def test_a_missing_package_is_named_with_what_to_install() -> None:
    code = """
import sys

class WithoutTorch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, WithoutTorch())
try:
    from ferboost import CNNClassifier
except ImportError as error:
    print(type(error).__name__, error)
"""
    assert run_python(code) == (
        "MissingExtraError CNNClassifier needs the package torch, which is not installed; "
        "install it: pip install 'ferboost[train]'"
    )


def test_the_examples_of_the_guide_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text("utf-8"), re.M | re.S)
    assert len(examples) == 10
    namespace: dict[str, object] = {}
    with threadpool_limits(1):  # beside other programs, 14 s of processor time instead of 35 s
        for example in examples:
            exec(compile(example, str(GUIDE), "exec"), namespace)  # noqa: S102
    assert Path("runs/first/report.html").is_file()
