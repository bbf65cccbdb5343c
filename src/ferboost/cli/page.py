"""``ferboost page``."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["PAGE_EXAMPLES", "page"]

PAGE_EXAMPLES = """\b
Examples:
  ferboost page site
  ferboost page site --model model.onnx
"""


def page(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.")],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="A file that ferboost export wrote.  [default: the model inside the package]",
        ),
    ] = None,
) -> None:
    """Write a web page that runs a model in the browser.

    It is a folder of static files that can be hosted anywhere: photos, videos and the camera are
    looked at on the device of whoever opens it, and never sent.
    """
    from ferboost.inference import BUNDLED_MODEL
    from ferboost.page import write_page

    size = write_page(out, model or BUNDLED_MODEL)
    typer.echo(f"{out}: {size / 1e6:.1f} MB")
    typer.echo(f"open it here: python -m http.server --bind 127.0.0.1 --directory {out}")
