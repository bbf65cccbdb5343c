"""CNNs of other runs, which the trees see or which teach, copied into the run that names them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferboost.config import Settings
from ferboost.datasets.dataset import FaceDataset
from ferboost.errors import RunError, SettingsError
from ferboost.files import copy_file, write_json
from ferboost.models import (
    ROLES,
    Role,
    borrowed_names,
    borrowed_path,
    borrowed_record_path,
    fold_path,
    network_path,
)
from ferboost.runs import Run

__all__ = ["BorrowedCNN", "copy_borrowed", "find_borrowed", "has_borrowed"]

_SEED_FOLDER = "seed-"
_SETTING: dict[Role, str] = {"stacked": "trees.stacked", "teacher": "cnn.teachers"}
#: What CNNs of other images may know that they must not.
_KNOWN: dict[Role, str] = {
    "stacked": "what the trees grow on",
    "teacher": "images that the taught CNN is judged on",
}


@dataclass(frozen=True)
class BorrowedCNN:
    """The CNNs of another run, one for each seed that takes them.

    Attributes
    ----------
    run : Run
    seeds : tuple of int
        Which of its seeds each of the taking run's seeds takes: the same, where there is one.
    """

    run: Run
    seeds: tuple[int, ...]


def find_borrowed(
    settings: Settings, dataset: FaceDataset, roles: Sequence[Role] = ROLES
) -> dict[Role, tuple[BorrowedCNN, ...]]:
    """Return the CNNs that ``trees.stacked`` and ``cnn.teachers`` name.

    None of them may have learnt the images that the trees grow on, or that the models are judged
    on.

    Parameters
    ----------
    settings : Settings
        Of the run that takes them.
    dataset : FaceDataset
        Its data, as loaded.
    roles : sequence of {"stacked", "teacher"}
        Which of them.

    Raises
    ------
    RunError
        If there is no such run, or it is not finished.
    SettingsError
        If its CNNs have learnt, or may have, what they must not.
    """
    found = {
        role: tuple(
            _find(Path(name), role, settings, dataset) for name in borrowed_names(settings, role)
        )
        for role in roles
    }
    for role, others in found.items():
        cnns = [(other.run.path, other.seeds) for other in others]
        for path, seeds in cnns:
            if cnns.count((path, seeds)) > 1:
                raise SettingsError(
                    f"{_SETTING[role]}: seed {seeds[0]} of {path} stands there more than once"
                )
    return found


def copy_borrowed(run: Run, borrowed: Mapping[Role, Sequence[BorrowedCNN]]) -> None:
    """Copy the CNNs into the run, so that it needs the others no more.

    Teachers of CNNs that are trained are not copied.
    """
    for role, others in borrowed.items():
        for number, other in enumerate(others):
            for seed, taken in zip(run.settings.seeds, other.seeds, strict=True):
                ours, theirs = run.seed_path(seed), other.run.seed_path(taken)
                for below in _places(role, run.settings):
                    if role == "teacher" and network_path(ours / below).exists():
                        continue
                    target = borrowed_path(ours / below, role, number)
                    copy_file(network_path(theirs / below), target)
        if others:  # last: it says that the others are there
            records = [
                {
                    "run": str(other.run.path),
                    "seeds": list(other.seeds),
                    "cnn": other.run.settings.cnn.model_dump(mode="json"),
                }
                for other in others
            ]
            write_json(borrowed_record_path(run, role), records)


def has_borrowed(run: Run, role: Role) -> bool:
    """Say whether the run has all CNNs that it takes and still needs, if any."""
    names = borrowed_names(run.settings, role)
    if not names:
        return True
    if role == "stacked":
        return borrowed_record_path(run, role).exists()
    untaught = [
        folder
        for seed in run.settings.seeds
        for below in _places(role, run.settings)
        if not network_path(folder := run.seed_path(seed) / below).exists()
    ]
    needed = [borrowed_path(f, role, number) for f in untaught for number in range(len(names))]
    return not needed or all(path.exists() for path in (*needed, borrowed_record_path(run, role)))


def _places(role: Role, settings: Settings) -> list[Path]:
    """Return the folders below a seed's that such a CNN is needed in: its own, those of folds."""
    own, trees = Path(), settings.trees
    if trees.features != "out-of-fold":
        return [own]
    folds = [fold_path(own, fold) for fold in range(trees.folds)]
    return folds if role == "stacked" else [own, *folds]


def _find(path: Path, role: Role, settings: Settings, dataset: FaceDataset) -> BorrowedCNN:
    only, setting = None, _SETTING[role]
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
            f"{setting}: {path} was trained on {other.record.data.path}, which is not the "
            f"content of {dataset.source}, so its CNNs may know {_KNOWN[role]}"
        )
    _refuse_learnt(other, role, settings)
    taken = tuple(
        only if only is not None else seed if seed in known else known[0] for seed in settings.seeds
    )
    for seed in taken:
        for below in _places(role, settings):
            if not network_path(other.seed_path(seed) / below).exists():
                raise other.unfinished(f"seed {seed}")
    return BorrowedCNN(other, taken)


def _refuse_learnt(other: Run, role: Role, settings: Settings) -> None:
    ours, theirs = settings.trees, other.settings.trees
    fractions = ("validation_fraction", "test_fraction")
    same_cut = other.settings.protocol == settings.protocol and all(
        getattr(other.settings.data, name) == getattr(settings.data, name) for name in fractions
    )
    if not same_cut:
        raise SettingsError(
            f"{_SETTING[role]}: {other.path} has other validation images (protocol or data.* "
            f"differ), so its CNNs have learnt some that the models are judged or stopped by"
        )
    same_folds = theirs.features == "out-of-fold" and theirs.folds == ours.folds
    if ours.features == "out-of-fold" and not same_folds:
        raise SettingsError(
            f"{_SETTING[role]}: the CNNs of {other.path} have learnt the folds that the trees grow "
            f"on; name a run with trees.features=out-of-fold and trees.folds={ours.folds}"
        )
