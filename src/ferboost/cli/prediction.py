"""``ferboost predict``."""

import shlex
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ferboost.cli.console import ConsoleMonitor, one_line, print_json_list, resumable
from ferboost.cli.data import JsonOption
from ferboost.cli.films import FilmOutputs, predict_one_film

if TYPE_CHECKING:
    from ferboost.clusters import Cluster
    from ferboost.inference.faces import Detector
    from ferboost.inference.photos import Classifier, Photo, Search, Unreadable
    from ferboost.inference.predictions import Prediction
    from ferboost.inference.records import Journal, Record
    from ferboost.inference.sources import Source
    from ferboost.inference.spreading import Said
    from ferboost.progress import Tell

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
            help="Which model of a run decides: cnn, or the tap whose trees do "
            "(flatten, fc1, fc2, output, pixels).  [default: cnn]",
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
            help="Name as many emotions as it takes to have the true one among them so often, "
            'such as 0.9; a face with several is "not sure".',
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
            help="Write each picture with its faces framed into this folder, or the film to this "
            "file.",
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
            help="How often a second the faces of a film are looked for and read; more is slower.  "
            "[default: 6]",
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
    from ferboost.inference.sources import find_sources
    from ferboost.inference.tables import require_parquet

    if parquet is not None:
        require_parquet()
    film = _film_of(inputs or [], camera)
    if film is not None:
        refused = {
            "--coverage": coverage is not None,
            "--faces": faces == "whole",
            "--ray": ray is not None,
        }
        _refuse(refused, "is for pictures, not for films and cameras")
        outputs = FilmOutputs(csv, parquet, annotate, timeline, json)
        _predict_film(film, _load(model, variant, None, _film_detector()), outputs, looks)
        return
    given = {"--timeline": timeline is not None, "--looks": looks is not None}
    _refuse(given, "is for films and cameras, not for pictures")
    if ray is not None:
        _check_spreading(model, annotate, [csv, parquet])
    sources = find_sources(inputs or [], leave_out=annotate)
    drawings = _plan_drawings(sources, annotate)
    loaded = _load(model, variant, coverage, _photo_detector(len(sources)))
    tables = [path for path in (csv, parquet) if path is not None]
    counts = _Counts()
    monitor = ConsoleMonitor()
    with (
        _connected(ray) as cluster,
        _journal(tables, loaded, faces, coverage) as journal,
        _how_to_go_on(tables),
    ):
        done = set() if journal is None else journal.done
        left = [source for source in sources if str(source.path) not in done]
        if len(left) < len(sources):
            monitor.log(
                f"{len(sources) - len(left):,} of {len(sources):,} pictures are done already"
            )

        def photos() -> "Generator[Photo | Said, None, None]":
            with monitor.stage("predict") as tell:
                paths = [source.path for source in left]
                results = (
                    _predict_here(paths, loaded, faces, keep_images=annotate is not None)
                    if cluster is None
                    else _predict_spread(paths, model, cluster, faces, coverage)
                )
                for photo in _readable(_told(results, len(left), tell), monitor, counts):
                    _draw_if_wanted(photo, drawings)
                    yield photo

        with closing(photos()) as made:
            if journal is not None:
                _fill(journal, made)
                wanted = {str(source.path) for source in sources}
                _write_tables(journal, wanted, loaded.classes, csv, parquet)
                if json:
                    print_json_list(_chosen(journal, wanted))
                else:
                    _say_written(journal, wanted, tables, counts.unreadable)
                journal.remove()
            elif json:
                print_json_list(_all_records(made))
            else:
                _print(made)
    if counts.unreadable:
        raise typer.Exit(1)


def _predict_film(
    film: Path | int, loaded: "_Loaded", outputs: FilmOutputs, looks: float | None
) -> None:
    from ferboost.inference.films import LOOKS_A_SECOND

    predict_one_film(
        film,
        loaded.classifier,
        loaded.classes,
        loaded.detector,
        outputs,
        looks or LOOKS_A_SECOND,
    )


def _predict_here(
    paths: list[Path], loaded: "_Loaded", faces: "Search", *, keep_images: bool
) -> "Iterator[Photo | Unreadable]":
    from ferboost.inference.photos import predict_photos

    return predict_photos(
        paths, loaded.classifier, loaded.detector, search=faces, keep_images=keep_images
    )


def _predict_spread(
    paths: list[Path],
    model: Path | None,
    cluster: "Cluster",
    faces: "Search",
    coverage: float | None,
) -> "Iterator[Said | Unreadable]":
    from ferboost.inference import BUNDLED_MODEL
    from ferboost.inference.spreading import predict_spread

    file = model or BUNDLED_MODEL
    return predict_spread(paths, file, cluster, search=faces, coverage=coverage)


def _draw_if_wanted(photo: "Photo | Said", drawings: "Mapping[Path, Path]") -> None:
    from ferboost.inference.photos import Photo

    if isinstance(photo, Photo) and photo.path in drawings:
        _draw(photo, drawings[photo.path])


def _print(photos: "Iterable[Photo | Said]") -> None:
    from ferboost.inference.photos import Photo

    for photo in photos:
        if isinstance(photo, Photo):  # what was said elsewhere goes into tables
            typer.echo(_describe(photo))


def _check_spreading(
    model: Path | None, annotate: Path | None, tables: Sequence[Path | None]
) -> None:
    from ferboost.errors import SettingsError

    if annotate is not None:
        raise SettingsError("--annotate draws on this machine; leave out --ray")
    if tables == [None, None]:
        raise SettingsError("--ray is for many pictures, and so for a table; give --parquet FILE")
    if model is not None and model.is_dir():
        raise SettingsError(
            f"--ray sends one file to the nodes; run: ferboost export {model} -o model.onnx"
        )


@contextmanager
def _connected(address: str | None) -> "Iterator[Cluster | None]":
    if address is None:
        yield None
        return
    try:
        from ferboost.clusters import connected
    except ModuleNotFoundError as error:
        from ferboost.errors import MissingExtraError

        raise MissingExtraError(
            "--ray needs the package ray, which is not installed; run: pip install 'ferboost[ray]'"
        ) from error

    with connected(address) as cluster:
        yield cluster


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


def _refuse(given: dict[str, bool], reason: str) -> None:
    from ferboost.errors import SettingsError

    for option, is_given in given.items():
        if is_given:
            raise SettingsError(f"{option} {reason}")


@dataclass(frozen=True)
class _Loaded:
    classifier: "Classifier"
    classes: tuple[str, ...]
    detector: "Detector"
    identity: str


@dataclass
class _Counts:
    unreadable: int = 0


def _photo_detector(pictures: int) -> "Detector":
    from ferboost.inference import CenterFace

    # Several photos are searched at a time, each by one thread; a single one by all.
    return CenterFace(threads=1 if pictures > 1 else None)


def _film_detector() -> "Detector":
    from ferboost.inference import CenterFace
    from ferboost.inference.films import DETECTION_SIDE

    return CenterFace(longest_side=DETECTION_SIDE, threads=1)  # the others decode and classify


def _load(
    model: Path | None, variant: str | None, coverage: float | None, detector: "Detector"
) -> _Loaded:
    from ferboost.errors import SettingsError
    from ferboost.inference import BUNDLED_MODEL, Predictor

    if model is not None and model.is_dir():
        from ferboost.prediction import RunPredictor
        from ferboost.runs import Run

        if coverage is not None:
            raise SettingsError(
                f"--coverage needs an exported model; run: ferboost export {model} -o model.onnx"
            )
        run = Run.open(model)
        of_run = RunPredictor(run, variant or "cnn")
        return _Loaded(of_run, of_run.classes, detector, f"{run.path.resolve()} {variant or 'cnn'}")
    path = model or BUNDLED_MODEL
    predictor = Predictor(path, detector=detector, coverage=coverage)
    if variant not in (None, predictor.info.variant):
        raise SettingsError(
            f"{model or 'the model inside the package'} holds the variant "
            f"{predictor.info.variant} alone; export {variant} from its run"
        )
    return _Loaded(predictor, predictor.classes, detector, predictor.fingerprint)


def _journal(
    tables: Sequence[Path], loaded: _Loaded, search: str, coverage: float | None
) -> "AbstractContextManager[Journal | None]":
    if not tables:
        return nullcontext()
    from importlib.metadata import version

    from ferboost.inference.records import Journal

    conditions = {
        "ferboost": version("ferboost"),
        "model": loaded.identity,
        "faces": search,
        "coverage": coverage,
    }
    return Journal(tables[0], conditions)


def _how_to_go_on(tables: Sequence[Path]) -> AbstractContextManager[None]:
    return resumable(shlex.join(["ferboost", *sys.argv[1:]])) if tables else nullcontext()


def _told(
    results: "Iterable[Photo | Said | Unreadable]", total: int, tell: "Tell"
) -> "Iterator[Photo | Said | Unreadable]":
    start = time.monotonic()
    for number, result in enumerate(results, start=1):
        yield result
        rate = number / max(time.monotonic() - start, 1e-6)
        tell(number, total, f"{rate:,.1f} pictures/s")


def _readable(
    results: "Iterable[Photo | Said | Unreadable]", monitor: ConsoleMonitor, counts: _Counts
) -> "Iterator[Photo | Said]":
    from ferboost.inference.photos import Unreadable

    for result in results:
        if isinstance(result, Unreadable):
            counts.unreadable += 1
            monitor.log(f"ferboost: error: {one_line(str(result.error))}")
        else:
            yield result


def _fill(journal: "Journal", photos: "Iterable[Photo | Said]") -> None:
    for photo in photos:
        journal.add(_records(photo))


def _all_records(photos: "Iterable[Photo | Said]") -> "Iterator[Record]":
    for photo in photos:
        yield from _records(photo)


def _records(photo: "Photo | Said") -> "list[Record]":
    from ferboost.inference.photos import Photo
    from ferboost.inference.records import records_of

    return records_of(photo) if isinstance(photo, Photo) else photo.records


def _chosen(journal: "Journal", images: set[str]) -> "Iterator[Record]":
    return (record for record in journal.records() if record["image"] in images)


def _write_tables(
    journal: "Journal",
    images: set[str],
    classes: Sequence[str],
    csv: Path | None,
    parquet: Path | None,
) -> None:
    from ferboost.inference.records import write_csv, write_parquet

    if csv is not None:
        write_csv(csv, _chosen(journal, images), classes)
    if parquet is not None:
        write_parquet(parquet, _chosen(journal, images), classes)


def _say_written(
    journal: "Journal", images: set[str], tables: Sequence[Path], unreadable: int
) -> None:
    pictures, faces, without = set(), 0, 0
    for record in _chosen(journal, images):
        pictures.add(record["image"])
        faces += record["emotion"] is not None
        without += record["emotion"] is None
    failed = f", {unreadable:,} could not be read" if unreadable else ""
    for table in tables:
        typer.echo(
            f"{table}: {faces:,} {'face' if faces == 1 else 'faces'} in {len(pictures):,} "
            f"{'picture' if len(pictures) == 1 else 'pictures'}, {without:,} without one{failed}"
        )


def _describe(photo: "Photo") -> str:
    name = one_line(str(photo.path))
    if photo.found == "none":
        return f"{name}: no face found (--faces whole takes the picture as one)"
    if photo.found == "whole":
        only = photo.predictions[0]
        return f"{name}: {_verdict(only)} (the whole picture taken as a face){_warning(only)}"
    count = len(photo.predictions)
    lines = []
    for number, prediction in enumerate(photo.predictions, start=1):
        which = f", face {number} of {count} from the left" if count > 1 else ""
        lines.append(f"{name}{which}: {_verdict(prediction)}{_warning(prediction)}")
    return "\n".join(lines)


def _warning(prediction: "Prediction") -> str:
    return "" if prediction.warning is None else f"; {prediction.warning}"


def _verdict(prediction: "Prediction") -> str:
    ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{name} {share:.0%}" for name, share in ranked[:3])
    if prediction.is_sure is None:
        return shown
    if prediction.is_sure:
        return f"{prediction.emotion} ({shown})"
    return f"not sure: {' or '.join(prediction.candidates or ('any',))} ({shown})"


def _plan_drawings(sources: "Sequence[Source]", folder: Path | None) -> dict[Path, Path]:
    """Return the file that each picture is drawn to, before anything is done."""
    from ferboost.errors import SettingsError

    if folder is None:
        return {}
    plan: dict[Path, Path] = {}
    taken: set[Path] = set()
    originals = {source.path.resolve() for source in sources}
    for source in sources:
        kept = source.name.suffix.lower() in {".jpg", ".jpeg", ".png"}
        name = source.name if kept else source.name.with_name(f"{source.name.name}.png")
        target, number = folder / name, 2
        while target in taken:
            target = folder / name.with_name(f"{name.stem}-{number}{name.suffix}")
            number += 1
        if target.resolve() in originals:
            raise SettingsError(
                f"--annotate {folder} would write over the picture {source.path}; "
                "choose another folder"
            )
        taken.add(target)
        plan[source.path] = target
    return plan


def _draw(photo: "Photo", target: Path) -> None:
    from ferboost.files import write_bytes
    from ferboost.inference.annotating import annotate, encode

    if photo.image is not None:
        write_bytes(target, encode(annotate(photo.image, photo.predictions), target.suffix))
