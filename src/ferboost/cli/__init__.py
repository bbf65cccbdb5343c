"""The command line: parses, calls, prints."""

import os
import sys
import warnings
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from typer import TyperException

from ferboost.cli.application import app
from ferboost.cli.console import Interrupted, one_line
from ferboost.errors import FerboostError
from ferboost.extras import what_brings

__all__ = ["app", "main"]

#: What torch and XGBoost say, which have no MemoryError.
_OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc")


def main() -> None:
    """Run ``ferboost``, and turn its errors into one line and an exit code."""
    if sys.stdout is None:  # closed by whoever started it
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    _tolerate_any_file_name()
    # Pillow's, of metadata and sizes: a picture that cannot be used has a line of its own.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        code = app(prog_name="ferboost", standalone_mode=False)
        sys.stdout.flush()
    except Interrupted as interruption:
        _stop(f"interrupted; {interruption}", 130)
    except TyperException as error:
        _stop(f"error: {_explain_misuse(error)}", error.exit_code)
    except FerboostError as error:
        _stop(f"error: {error}", error.exit_code)
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        source = what_brings(module)
        if source is None:
            raise
        _stop(f"error: this needs {module}; run: pip install {source}", 2)
    except BrokenPipeError:
        _drop_output()  # whoever read it has left, as head does
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            _drop_output()
            _stop(f"error: cannot write the output: {error.strerror or error}", 1)
        _stop(f"error: cannot use {error.filename}: {error.strerror or error}", 1)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(w in str(error) for w in _OUT_OF_MEMORY):
            raise
        _stop("error: out of memory; choose smaller settings or data, or close other programs", 1)
    if code == 130:
        _stop("interrupted", code)
    sys.exit(code)


def _tolerate_any_file_name() -> None:
    """Print what the terminal's encoding lacks as an escape instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Throw away what could not be written, or Python would complain again when it exits."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explain_misuse(error: TyperException) -> str:
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    hint = f" (see: {context.command_path} --help)" if context else ""
    return message[:1].lower() + message[1:] + hint


def _stop(message: str, code: int) -> NoReturn:
    line_break = "\n" if code == 130 and sys.stderr.isatty() else ""  # after the terminal's ^C
    sys.stderr.write(f"{line_break}ferboost: {one_line(message)}\n")
    sys.exit(code)
