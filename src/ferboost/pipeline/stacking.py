"""CNNs of other runs whose logits the trees see, copied into the run that stacks them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ferboost.config import Settings
from ferboost.datasets.dataset import FaceDataset
from ferboost.errors import RunError, SettingsError
from ferboost.files import copy_file, write_json
from ferboost.models import fold_path, network_path, stacked_path, stacked_record_path
from ferboost.runs import Run

__all__ = ["StackedCNN", "copy_stacked", "find_stacked", "has_stacked"]

_SEED_FOLDER = "seed-"


@dataclass(frozen=True)
class StackedCNN:
    """The CNNs of another run, one for each seed that stacks them.

    Attributes
    ----------
    run : Run
    seeds : tuple of int
        Which of its seeds each of the stacking run's seeds takes: the same, where there is one.
    """

    run: Run
    seeds: tuple[int, ...]


def find_stacked(settings: Settings, dataset: FaceDataset) -> tuple[StackedCNN, ...]:
    """Return the CNNs that ``trees.stacked`` names.

    None of them may have learnt the images that the trees grow on.

    Parameters
    ----------
    settings : Settings
        Of the run that stacks them.
    dataset : FaceDataset
        Its data, as loaded.

    Raises
    ------
    RunError
        If there is no such run, or it is not finished.
    SettingsError
        If its CNNs have learnt, or may have, what the trees are to grow on.
    """
    return tuple(_find(Path(name), settings, dataset) for name in settings.trees.stacked)


def copy_stacked(run: Run, stacked: Sequence[StackedCNN]) -> None:
    """Copy the CNNs into the run, so that it needs the others no more."""
    trees = run.settings.trees
    for number, other in enumerate(stacked):
        for seed, taken in zip(run.settings.seeds, other.seeds, strict=True):
            ours, theirs = run.seed_path(seed), other.run.seed_path(taken)
            if trees.features != "out-of-fold":
                copy_file(network_path(theirs), stacked_path(ours, number))
                continue
            for fold in range(trees.folds):
                source = network_path(fold_path(theirs, fold))
                copy_file(source, stacked_path(fold_path(ours, fold), number))
    if stacked:  # last: it says that the others are there
        records = [
            {
                "run": str(other.run.path),
                "seeds": list(other.seeds),
                "cnn": other.run.settings.cnn.model_dump(mode="json"),
            }
            for other in stacked
        ]
        write_json(stacked_record_path(run), records)


def has_stacked(run: Run) -> bool:
    """Say whether the run has all CNNs that it stacks, if any."""
    return not run.settings.trees.stacked or stacked_record_path(run).exists()


def _find(path: Path, settings: Settings, dataset: FaceDataset) -> StackedCNN:
    only = None
    number = path.name.removeprefix(_SEED_FOLDER)
    is_seed = path.name.startswith(_SEED_FOLDER) and number.isdecimal()
    if is_seed and not (path / "run.json").exists():  # a run may be called like one of its seeds
        path, only = path.parent, int(number)
    other = Run.open(path)
    known = other.settings.seeds
    if only is not None and only not in known:
        raise RunError(f"{path} has no seed {only}; it has: {', '.join(map(str, known))}")
    if other.record.data.fingerprint != dataset.fingerprint:
        raise SettingsError(
            f"trees.stacked: {path} was trained on {other.record.data.path}, which is not the "
            f"content of {dataset.source}, so its CNNs may know what the trees grow on"
        )
    _refuse_learnt(other, settings)
    taken = tuple(
        only if only is not None else seed if seed in known else known[0] for seed in settings.seeds
    )
    for seed in taken:
        folders = [other.seed_path(seed)]
        if settings.trees.features == "out-of-fold":
            folders = [fold_path(folders[0], fold) for fold in range(settings.trees.folds)]
        if not all(network_path(folder).exists() for folder in folders):
            raise other.unfinished(f"seed {seed}")
    return StackedCNN(other, taken)


def _refuse_learnt(other: Run, settings: Settings) -> None:
    ours, theirs = settings.trees, other.settings.trees
    fractions = ("validation_fraction", "test_fraction")
    same_cut = other.settings.protocol == settings.protocol and all(
        getattr(other.settings.data, name) == getattr(settings.data, name) for name in fractions
    )
    if not same_cut:
        raise SettingsError(
            f"trees.stacked: {other.path} has other validation images (protocol or data.* differ), "
            "so its CNNs have learnt some that the trees grow on or are stopped by"
        )
    same_folds = theirs.features == "out-of-fold" and theirs.folds == ours.folds
    if ours.features == "out-of-fold" and not same_folds:
        raise SettingsError(
            f"trees.stacked: the CNNs of {other.path} have learnt the folds that the trees grow "
            f"on; stack a run with trees.features=out-of-fold and trees.folds={ours.folds}"
        )
