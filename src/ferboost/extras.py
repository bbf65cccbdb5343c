"""Packages that only some of ferboost needs, and what to say where one is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from ferboost.errors import MissingExtraError

__all__ = ["needed_for", "what_brings"]

#: The extras, and the packages that each brings, as they are imported.
_EXTRAS = {
    "train": (
        "jinja2",
        "matplotlib",
        "onnx",
        "pyarrow",
        "safetensors",
        "scipy",
        "sklearn",
        "torch",
        "xgboost",
    ),
    "train,explain": ("captum",),
    "train,lightgbm": ("lightgbm",),
    "train,tune": ("optuna",),
    "train,tune,postgres": ("psycopg", "sqlalchemy"),
    "train,tune,ray": ("ray",),
    "serve": ("fastapi", "httptools", "prometheus_client", "python_multipart", "uvicorn"),
    "video": ("av",),
}


def what_brings(module: str) -> str | None:
    """Return what pip is to install for a package to be there; None where nothing brings it."""
    for extras, modules in _EXTRAS.items():
        if module in modules:
            return f"'ferboost[{extras}]'"
    return None


@contextmanager
def needed_for(what: str, install: str | None = None) -> Iterator[None]:
    """Say what to install where a package is missing that the block imports.

    Parameters
    ----------
    what : str
        What needs it, as a sentence begins.
    install : str, optional
        What pip is to install, where less will do than the extra that brings the package.

    Raises
    ------
    MissingExtraError
        If a package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        source = install or what_brings(module)
        if source is None:
            raise
        raise MissingExtraError(
            f"{what} needs the package {module}, which is not installed; "
            f"install it: pip install {source}"
        ) from error
