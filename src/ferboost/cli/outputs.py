"""Keeping what a command reads from what it writes."""

from pathlib import Path

__all__ = ["refuse_to_overwrite"]

# Of the files that a run keeps; what is made of it may lie beside them, and be made anew.
_KEPT = {".html", ".json", ".npy", ".npz", ".safetensors", ".txt", ".ubj"}


def refuse_to_overwrite(option: str, target: Path | None, *inputs: Path | None) -> None:
    """Refuse to write over what a command reads: a file, or one that a folder or a run keeps.

    Parameters
    ----------
    option : str
        What names the target, such as ``"--csv"``.
    target : Path or None
    inputs : Path or None
        Files and folders that are read.

    Raises
    ------
    SettingsError
        If the target is one of them, or one of their files.
    """
    from ferboost.errors import SettingsError

    if target is None or not target.exists():
        return
    place = target.resolve()
    for given in inputs:
        if given is None:
            continue
        source = given.resolve()
        is_run = (source / "run.json").exists()
        is_kept = source in place.parents and (not is_run or place.suffix.lower() in _KEPT)
        if place == source or is_kept:
            which = "which it reads" if place == source else f"which belongs to {given}"
            raise SettingsError(f"{option} would write over {target}, {which}; choose another name")
