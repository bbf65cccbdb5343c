"""``ferboost serve``."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["SERVE_EXAMPLES", "serve"]

SERVE_EXAMPLES = """\b
Examples:
  ferboost serve
  curl -F pictures=@photo.jpg http://127.0.0.1:8000/v1/predict
  ferboost serve --runs runs/
  FERBOOST_TOKEN=$(openssl rand -hex 16) ferboost serve --host 0.0.0.0
"""


def serve(
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="A file that ferboost export wrote.  [default: the model inside the package]",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Address to listen at; 0.0.0.0 is all of this machine's."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", help="0 picks a free one.", min=0, max=65535)
    ] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Holds a token that clients have to bring; so can the environment variable "
            "FERBOOST_TOKEN.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name, beside localhost, under which the server is reached. Not needed with "
            "a token.",
        ),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Show the runs and studies in a folder at /runs, and compare them."
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Threads that decode and predict.  [default: as many as there are cores]",
        ),
    ] = None,
    queue: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Pictures that wait at most; further ones are turned away."
        ),
    ] = 256,
    max_pictures: Annotated[
        int, typer.Option(metavar="N", min=1, help="Most pictures in a request.")
    ] = 64,
    max_megabytes: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Largest request body; each picture in it may have at most 64 megabytes.",
        ),
    ] = 32,
    max_megapixels: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=64, help="Largest picture, in millions of pixels."),
    ] = 50,
    max_faces: Annotated[
        int, typer.Option(metavar="N", min=1, help="Most faces of a picture; the surest are kept.")
    ] = 64,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=1,
            max=3600,
            help="Time for the body of a request to arrive.",
        ),
    ] = 30,
) -> None:
    """Answer over HTTP what emotions the faces in pictures show.

    Nothing that a client sends is written to a disk or a log. What can be asked is described at
    /openapi.json, and measured at /metrics.
    """
    import os

    from ferboost.inference import BUNDLED_MODEL
    from ferboost.serving import Limits, read_token
    from ferboost.serving import serve as serve_model

    limits = Limits(
        body_bytes=max_megabytes * 2**20,
        pictures=max_pictures,
        pixels=max_megapixels * 1_000_000,
        faces=max_faces,
        waiting=queue,
        held_bytes=max(Limits.held_bytes, max_megabytes * 2**20),
        body_seconds=timeout,
    )
    serve_model(
        model or BUNDLED_MODEL,
        host=host,
        port=port,
        limits=limits,
        token=read_token(token_file, os.environ),
        allowed_hosts=allow_host or (),
        threads=threads,
        runs=runs,
        say=lambda line: typer.echo(f"ferboost: {line}", err=True),
    )
