"""The command line: parses, calls, prints."""

import sys

from ferboost.cli.application import app
from ferboost.errors import FerboostError

__all__ = ["app", "main"]

_EXTRA_MODULES = {
    "filelock", "jinja2", "matplotlib", "pyarrow", "safetensors", "scipy", "sklearn", "torch",
    "xgboost",
}  # fmt: skip


def main() -> None:
    """Run ``ferboost``, and turn its errors into one line and an exit code."""
    try:
        app()
    except FerboostError as error:
        _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _EXTRA_MODULES:
            raise
        _fail(f"this needs {module}; run: pip install 'ferboost[train]'", 2)
    except MemoryError:
        _fail("out of memory; use smaller data, or close other programs", 1)
    except OSError as error:
        _fail(f"{error.strerror or error}: {error.filename or 'unknown file'}", 1)


def _fail(message: str, code: int) -> None:
    line = " ".join(message.split())
    sys.stderr.write(f"ferboost: error: {line}\n")
    sys.exit(code)
