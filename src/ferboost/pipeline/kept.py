"""Reading what was measured of a run and kept in it as JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ferboost.errors import RunError

__all__ = ["read_kept"]

_Kept = TypeVar("_Kept")


def read_kept(path: Path, read: Callable[[Any], _Kept], remedy: str) -> _Kept | None:
    """Return what a file holds; None where there is none.

    Parameters
    ----------
    path : Path
    read : callable
        Makes something of the JSON document.
    remedy : str
        What makes the file again, such as a command.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    if not path.exists():
        return None
    try:
        return read(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise RunError(f"{path} is damaged ({error}); remove it and run: {remedy}") from error
