"""``ferboost predict``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from ferboost.cli.data import JsonOption
from ferboost.cli.films import FilmOutputs, predict_one_film
from ferboost.cli.outputs import refuse_to_overwrite
from ferboost.cli.photos import PhotoModel, PhotoOutputs, predict_all_photos
from ferboost.cli.predictors import film_detector, load_model

__all__ = ["PREDICT_EXAMPLES", "predict"]

PREDICT_EXAMPLES = """\b
Examples:
  ferboost predict photo.jpg
  ferboost predict holiday/ --csv faces.csv --annotate holiday-annotated/
  ferboost predict --coverage 0.9 "photos/**/*.jpg" --json
  ferboost predict --model runs/paper-clean-1 faces/*.png --faces whole
  ferboost predict millions/ --ray auto --parquet faces.parquet
  ferboost predict film.mp4 --csv f.csv --annotate framed.mp4 --timeline f.png
  ferboost predict --camera 0
"""


def predict(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="INPUT", help="Pictures, folders of them, patterns in quotes; or one film."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="A file that ferboost export wrote, or a finished run directory.  [default: the "
            "model inside the package]",
        ),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which model of a run decides: cnn, or its trees, by what they see (flatten, "
            'fc1, fc2, output, pooled, pixels) and how, such as "fc1 residual".  [default of a '
            "run: cnn]",
        ),
    ] = None,
    faces: Annotated[
        Literal["auto", "detect", "whole"],
        typer.Option(
            metavar="HOW",
            help="detect finds the faces of each picture, whole takes each picture as one face "
            "that fills it, auto does that with pictures of at most 96 pixels a side.",
        ),
    ] = "auto",
    coverage: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Name the fewest emotions that hold the true one this often, such as 0.9; a "
            'face with several is "not sure".',
        ),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a CSV table.")
    ] = None,
    parquet: Annotated[
        Path | None,
        typer.Option("--parquet", metavar="FILE", help="Write a Parquet table (needs pyarrow)."),
    ] = None,
    annotate: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT",
            help="Write each picture with its faces framed into this folder; a single picture, or "
            "the film, to this file.",
        ),
    ] = None,
    timeline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw what the faces of a film show over time."),
    ] = None,
    camera: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=0, help="Watch a camera, such as 0, until Ctrl-C."),
    ] = None,
    looks: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            min=0.1,
            max=1000,
            help="How often a second the faces of a film are looked for and read, at least once in "
            "100 frames, and oftener where these are large; more is slower.  [default: 6]",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Predict on a Ray cluster: HOST:PORT of its head node, or auto. For tables.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Tell the emotions of the faces in pictures or a film.

    Without --csv and --parquet the emotions are printed. A face that is darker, flatter, more
    blurred or the like than what the model was trained on has a warning. A picture that cannot be
    read is reported, the others are done, and the exit code is 1. When pictures were interrupted
    and a table is written, the same command goes on. Films and cameras need: pip install
    'ferboost[video]'.
    """
    from ferboost.inference.tables import require_parquet

    tables = {"--csv": csv, "--parquet": parquet}
    others = {"--annotate": annotate, "--timeline": timeline}
    _check_outputs(inputs or [], tables, others)
    for option, path in (tables | others).items():
        if path is not None and not path.is_dir():
            refuse_to_overwrite(option, path, model)
    if parquet is not None:
        require_parquet()
    film = _film_of(inputs or [], camera)
    if film is None:
        given = {"--timeline": timeline is not None, "--looks": looks is not None}
        _refuse(given, "is for films and cameras, not for pictures")
        asked = PhotoModel(model, variant, faces, coverage, ray)
        predict_all_photos(inputs or [], asked, PhotoOutputs(csv, parquet, annotate, json))
        return
    refused = {
        "--coverage": coverage is not None,
        "--faces": faces == "whole",
        "--ray": ray is not None,
    }
    _refuse(refused, "is for pictures, not for films and cameras")
    from ferboost.inference.films import LOOKS_A_SECOND

    loaded = load_model(model, variant, None, film_detector())
    outputs = FilmOutputs(csv, parquet, annotate, timeline, json)
    predict_one_film(
        film, loaded.classifier, loaded.classes, loaded.detector, outputs, looks or LOOKS_A_SECOND
    )


def _film_of(inputs: Sequence[Path], camera: int | None) -> Path | int | None:
    from ferboost.errors import SettingsError
    from ferboost.inference.video import VIDEO_SUFFIXES

    films = [path for path in inputs if path.suffix.lower() in VIDEO_SUFFIXES]
    if camera is not None and inputs:
        raise SettingsError(f"give either --camera or {inputs[0]}")
    if camera is not None:
        return camera
    if not inputs:
        raise SettingsError("name a picture, a folder, a film or a --camera (see: predict --help)")
    if films and len(inputs) > 1:
        raise SettingsError(f"{films[0]} is a film: give it alone")
    return films[0] if films and not films[0].is_dir() else None


def _check_outputs(
    inputs: Sequence[Path], tables: dict[str, Path | None], others: dict[str, Path | None]
) -> None:
    """Refuse what would write over an input, or over another output."""
    from ferboost.datasets.images import IMAGE_SUFFIXES
    from ferboost.errors import SettingsError
    from ferboost.inference.video import VIDEO_SUFFIXES

    for option, path in tables.items():
        if path is not None and path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES:
            raise SettingsError(
                f"{option} {path} ends like a picture or a film; name a table, such as faces.csv"
            )
    taken = {path.resolve(): "" for path in inputs if not path.is_dir()}
    for option, path in (tables | others).items():
        if path is None:
            continue
        if path.resolve() in taken:
            other = taken[path.resolve()] or f"{path}, which it is to read"
            raise SettingsError(f"{option} would write over {other}; choose another name")
        taken[path.resolve()] = f"what {option} writes, {path}"


def _refuse(given: dict[str, bool], reason: str) -> None:
    from ferboost.errors import SettingsError

    for option, is_given in given.items():
        if is_given:
            raise SettingsError(f"{option} {reason}")
