"""``ferboost predict`` on pictures."""

import os
import shlex
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ferboost.cli.clusters import cluster_at
from ferboost.cli.console import ConsoleMonitor, one_line, print_json_list, resumable
from ferboost.cli.outputs import refuse_to_overwrite
from ferboost.cli.predictors import LoadedModel, find_pictures, load_model, photo_detector

if TYPE_CHECKING:
    from ferboost.clusters import Cluster
    from ferboost.inference.photos import Photo, Search, Unreadable
    from ferboost.inference.predictions import Prediction
    from ferboost.inference.records import Journal, Record
    from ferboost.inference.sources import Source
    from ferboost.inference.spreading import Said
    from ferboost.progress import Tell

__all__ = ["PhotoModel", "PhotoOutputs", "predict_all_photos"]

#: The endings of pictures that are drawn in the same form.
_DRAWN = frozenset({".jpg", ".jpeg", ".png"})
# Bytes of a file's name.
_LONGEST_NAME = 255


@dataclass(frozen=True)
class PhotoModel:
    """The model that pictures are given to, and how."""

    model: Path | None
    variant: str | None
    search: "Search"
    coverage: float | None
    ray: str | None


@dataclass(frozen=True)
class PhotoOutputs:
    """Where what pictures show is written, and whether JSON is printed."""

    csv: Path | None
    parquet: Path | None
    annotate: Path | None
    json: bool

    @property
    def tables(self) -> list[Path]:
        """The tables that are wanted."""
        return [path for path in (self.csv, self.parquet) if path is not None]


@dataclass
class _Counts:
    unreadable: int = 0


def predict_all_photos(inputs: Sequence[Path], asked: PhotoModel, outputs: PhotoOutputs) -> None:
    """Tell the emotions in pictures; end with exit code 1 where some could not be read."""
    if asked.ray is not None:
        _check_spreading(asked.model, outputs)
    sources = find_pictures(inputs, leave_out=outputs.annotate)
    drawings = _plan_drawings(sources, outputs.annotate)
    loaded = load_model(asked.model, asked.variant, asked.coverage, photo_detector(len(sources)))
    tables = outputs.tables
    counts = _Counts()
    monitor = ConsoleMonitor()
    with (
        _cluster_at(asked.ray) as cluster,
        _journal(outputs, loaded, asked) as journal,
        _how_to_go_on(tables),
    ):
        left = [s for s in sources if journal is None or not journal.has(str(s.path))]
        if len(left) < len(sources):
            monitor.log(
                f"{len(sources) - len(left):,} of {len(sources):,} pictures are done already"
            )

        def photos() -> "Generator[Photo | Said, None, None]":
            with monitor.stage("predict") as tell:
                paths = [source.path for source in left]
                results = (
                    _predict_here(paths, loaded, asked.search, keep_images=bool(drawings))
                    if cluster is None
                    else _predict_spread(paths, asked, cluster)
                )
                for photo in _readable(_told(results, len(left), tell), monitor, counts):
                    _draw_if_wanted(photo, drawings)
                    yield photo

        with closing(photos()) as made:
            if journal is not None:
                _fill(journal, made)
                wanted = {str(source.path) for source in sources}
                _write_tables(journal, wanted, loaded.classes, outputs)
                if outputs.json:
                    print_json_list(_chosen(journal, wanted))
                else:
                    _say_written(journal, wanted, tables, counts.unreadable)
                if not counts.unreadable:  # else a rerun goes on with these
                    journal.remove()
            elif outputs.json:
                print_json_list(_all_records(made))
            else:
                _print(made)
    if counts.unreadable:
        raise typer.Exit(1)


def _check_spreading(model: Path | None, outputs: PhotoOutputs) -> None:
    from ferboost.errors import SettingsError

    if outputs.annotate is not None:
        raise SettingsError("--annotate draws on this machine; leave out --ray")
    if not outputs.tables:
        raise SettingsError("--ray is for many pictures, and so for a table; give --parquet FILE")
    if model is not None and model.is_dir():
        raise SettingsError(
            f"--ray sends one file to the nodes; run: ferboost export {model} -o model.onnx"
        )


def _cluster_at(address: str | None) -> "AbstractContextManager[Cluster | None]":
    from ferboost.extras import needed_for

    with needed_for("--ray", "'ferboost[ray]'"):  # predicting needs less beside ray than tuning
        return cluster_at(address)


def _predict_here(
    paths: list[Path], loaded: LoadedModel, search: "Search", *, keep_images: bool
) -> "Iterator[Photo | Unreadable]":
    from ferboost.inference.photos import predict_photos

    return predict_photos(
        paths, loaded.classifier, loaded.detector, search=search, keep_images=keep_images
    )


def _predict_spread(
    paths: list[Path], asked: PhotoModel, cluster: "Cluster"
) -> "Iterator[Said | Unreadable]":
    from ferboost.inference import BUNDLED_MODEL
    from ferboost.inference.spreading import predict_spread

    file = asked.model or BUNDLED_MODEL
    return predict_spread(paths, file, cluster, search=asked.search, coverage=asked.coverage)


def _journal(
    outputs: PhotoOutputs, loaded: LoadedModel, asked: PhotoModel
) -> "AbstractContextManager[Journal | None]":
    if not outputs.tables:
        return nullcontext()
    from importlib.metadata import version

    from ferboost.inference.records import Journal

    conditions = {
        "ferboost": version("ferboost"),
        "model": loaded.identity,
        "faces": asked.search,
        "coverage": asked.coverage,
        "folder": str(Path.cwd()),  # pictures are known by their names as they were given
        # A picture that is done is drawn, too.
        "drawings": None if outputs.annotate is None else str(outputs.annotate),
    }
    return Journal(outputs.tables[0], conditions)


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
    journal: "Journal", images: set[str], classes: Sequence[str], outputs: PhotoOutputs
) -> None:
    from ferboost.inference.records import write_csv, write_parquet

    if outputs.csv is not None:
        write_csv(outputs.csv, _chosen(journal, images), classes)
    if outputs.parquet is not None:
        write_parquet(outputs.parquet, _chosen(journal, images), classes)


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


def _print(photos: "Iterable[Photo | Said]") -> None:
    from ferboost.inference.photos import Photo

    for photo in photos:
        if isinstance(photo, Photo):  # what was said elsewhere goes into tables
            typer.echo(_describe(photo))


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
    if folder.suffix.lower() in _DRAWN and not folder.is_dir():
        return _plan_one_drawing(sources, folder)
    plan: dict[Path, Path] = {}
    taken: set[Path] = set()
    originals = {source.path.resolve() for source in sources}
    for source in sources:
        kept = source.name.suffix.lower() in _DRAWN
        name = source.name if kept else source.name.with_name(f"{source.name.name}.png")
        if len(os.fsencode(name.name)) > _LONGEST_NAME:
            name = source.name.with_suffix(".png")
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


def _plan_one_drawing(sources: "Sequence[Source]", file: Path) -> dict[Path, Path]:
    from ferboost.errors import SettingsError

    if len(sources) > 1:
        raise SettingsError(f"--annotate {file} is one picture for {len(sources)}; name a folder")
    refuse_to_overwrite("--annotate", file, sources[0].path)
    return {sources[0].path: file}


def _draw_if_wanted(photo: "Photo | Said", drawings: "Mapping[Path, Path]") -> None:
    from ferboost.inference.photos import Photo

    if isinstance(photo, Photo) and photo.path in drawings:
        _draw(photo, drawings[photo.path])


def _draw(photo: "Photo", target: Path) -> None:
    from ferboost.files import write_bytes
    from ferboost.inference.annotating import annotate, encode

    if photo.image is not None:
        write_bytes(target, encode(annotate(photo.image, photo.predictions), target.suffix))
