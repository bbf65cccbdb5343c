"""Explaining what a run's models say, and keeping whether their explanations hold."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ferboost.cnn.network import FaceNetwork, new_network
from ferboost.datasets.dataset import FaceDataset
from ferboost.explanation import (
    Explanation,
    ExplanationCheck,
    check_explanations,
    explain_faces,
)
from ferboost.files import write_json
from ferboost.models import SeedModel, load_seed_model
from ferboost.pipeline.calibrating import load_calibration
from ferboost.pipeline.evaluating import draw_unseen, require_finished
from ferboost.pipeline.kept import read_kept
from ferboost.progress import Monitor, Tell
from ferboost.runs import Run
from ferboost.variants import require_variant

__all__ = ["check_run_explanations", "explain_run", "load_explanation_check"]

_FILE = "explanations.json"


def explain_run(
    run: Run,
    images: NDArray[np.uint8],
    variant: str = "cnn",
    *,
    emotion: str | None = None,
    tell: Tell | None = None,
) -> tuple[Explanation, ...]:
    """Explain what a run says of faces: all seeds together, calibrated where the run is.

    Parameters
    ----------
    run : Run
    images : ndarray of uint8, shape (n, 48, 48)
    variant : str
        ``"cnn"``, or the trees that decide.
    emotion : str, optional
        What to explain; by default each face's verdict.
    tell : callable, optional
        Told how many of the faces are done.

    Raises
    ------
    RunError
        If the run is not finished.
    SettingsError
        If it has no such variant or emotion.
    """
    require_finished(run)
    models = [_model(run, seed, variant) for seed in run.settings.seeds]
    calibration = load_calibration(run)
    scalings = {} if calibration is None else calibration.ensemble.get(variant, {})
    found: list[Explanation] = []
    for done in range(len(images)):  # the maps of many faces at a time would fill the memory
        if tell is not None:
            tell(done, len(images), "")
        found += explain_faces(
            models,
            run.record.classes,
            images[done : done + 1],
            variant,
            emotion=emotion,
            scaling=scalings.get("temperature"),
        )
    return tuple(found)


def check_run_explanations(
    run: Run, evaluated: FaceDataset, faces: int, variant: str, monitor: Monitor
) -> ExplanationCheck:
    """Check the heat maps of a run's first seed, and keep the result in ``explanations.json``.

    Parameters
    ----------
    run : Run
    evaluated : FaceDataset
        Copies of images that the models were made with are left out.
    faces : int
        So many of them, about, are drawn: of each class in proportion.
    variant : str
    monitor : Monitor

    Raises
    ------
    RunError
        If the run is not finished.
    SettingsError
        If it has no such variant, or one that needs no CNN.
    DataError
        If fewer than two faces are left, or they have other classes.
    StorageError
        If the run cannot be written.
    """
    require_finished(run)
    seed = run.settings.seeds[0]
    unseen = draw_unseen(run, evaluated, faces)

    def draw(network: FaceNetwork, number: int) -> FaceNetwork:
        return new_network(network.settings, len(run.record.classes), number)

    with monitor.stage("check explanations") as tell:
        found = check_explanations(
            _model(run, seed, variant), draw, unseen.drawn.images, variant, seed=seed, tell=tell
        )
    check = replace(found, source=unseen.source, left_out=unseen.left_out)
    write_json(run.path / _FILE, check.to_dict())
    return check


def load_explanation_check(run: Run) -> ExplanationCheck | None:
    """Read what `check_run_explanations` kept; None where nothing was checked.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    remedy = f"ferboost explain {run.path} DATA --check"
    return read_kept(run.path / _FILE, ExplanationCheck.from_dict, remedy)


def _model(run: Run, seed: int, variant: str) -> SeedModel:
    model = load_seed_model(run, seed)
    require_variant(run.path, variant, model.variants)
    return model
