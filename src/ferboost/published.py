"""What the published study and FER-2013 print, read from ``published.toml``."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["published"]


@cache
def published() -> dict[str, Any]:  # Any: TOML values of many kinds
    """Return the published figures as nested dictionaries; accuracies are in percent."""
    return tomllib.loads(files("ferboost").joinpath("published.toml").read_text("utf-8"))
