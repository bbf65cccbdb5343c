"""Writing a data set in the forms in which FER-2013 is published."""

import csv
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from ferboost.datasets.assembly import Progress, ignore_progress, settle_classes
from ferboost.datasets.dataset import FaceDataset
from ferboost.datasets.folders import parse_folders
from ferboost.datasets.images import encode_png
from ferboost.datasets.tables import parse_label
from ferboost.emotions import FER2013_ORDER
from ferboost.errors import DataError, SettingsError
from ferboost.extras import needed_for
from ferboost.files import atomic_folder, atomic_path

__all__ = ["write_dataset"]

_Form = Literal["folder", ".zip", ".csv", ".parquet"]
_FORMS: tuple[_Form, ...] = ("folder", ".zip", ".csv", ".parquet")
_USAGES = {"train": "Training", "validation": "Validation", "test": "PublicTest"}
_PIXEL_TEXTS = tuple(map(str, range(256)))
_ROWS_AT_ONCE = 1024

# Every file system takes these names, and the readers do not take them for hidden files.
_PLAIN_NAME = re.compile(r"(?!\.)[^\x00-\x1f\x7f-\x9f\ud800-\udfff\\/:*?\"<>|]{1,60}")


def write_dataset(
    dataset: FaceDataset, path: Path, on_progress: Progress = ignore_progress
) -> None:
    """Write a data set; `load_dataset` gives the same images, labels and splits back.

    The classes come back by name, emotions in the order of `ferboost.emotions.EMOTIONS` and others
    in the alphabet's; one without images is not written.

    The form is decided by the ending of `path`: ``.zip`` or none (a folder) for PNG files in
    ``SPLIT/CLASS/`` folders, ``.csv`` for ``emotion,pixels,Usage``, ``.parquet`` for ``image``,
    ``label`` and ``split`` as Hugging Face's datasets library has them. The same data set gives
    the same bytes. Images keep their file names where these are unique, and are numbered
    otherwise; a CSV has no names. Votes are not written.

    Parameters
    ----------
    dataset : FaceDataset
    path : Path
        What is to be written; nothing may be there yet but an empty folder.
    on_progress : callable, optional
        Called with (done, total) after each image.

    Raises
    ------
    SettingsError
        If the ending is another, something is there already, or the name of a class would be read
        back as something else.
    DataError
        If there is no image.
    StorageError
        If the disk is full or the place cannot be written; nothing is left behind then.
    MissingExtraError
        If pyarrow is needed and not installed.
    """
    form = _form_of(path)
    if not len(dataset):
        raise DataError(f"{dataset.source or 'the data set'} holds no images to write")
    _check_class_names(dataset, form, path)
    if form == ".csv":
        _write_csv(dataset, path, on_progress)
    elif form == ".parquet":
        _write_parquet(dataset, path, on_progress)
    elif form == ".zip":
        _write_zip(dataset, path, on_progress)
    else:
        _write_folder(dataset, path, on_progress)


def _form_of(path: Path) -> _Form:
    if path.is_dir() and not any(path.iterdir()):
        return "folder"
    if path.exists() or path.is_symlink():
        raise SettingsError(f"{path} exists already; remove it or choose another name")
    ending = path.suffix.casefold() or "folder"
    for form in _FORMS:
        if ending == form:
            return form
    raise SettingsError(
        f"cannot tell from the ending of {path} what to write; expected .zip, .csv, .parquet, "
        "or none for a folder"
    )


def _check_class_names(dataset: FaceDataset, form: _Form, path: Path) -> None:
    counts = Counter(dataset.classes[label] for label in dataset.labels)
    read_back = {name: _read_back(name, form) for name in counts}
    classes, lookup = settle_classes(
        Counter({label: counts[name] for name, label in read_back.items() if label}), str(path)
    )
    for name, label in read_back.items():
        if label is None or classes[lookup[label]] != name:
            raise SettingsError(
                f"the class name {name!r} would not be read back from {path}; rename the class"
            )


def _read_back(name: str, form: _Form) -> str | None:
    """Return the label that the reader will find for the class `name`, None where it is lost."""
    if form == ".parquet":
        return name
    if form == ".csv":
        try:
            return parse_label(_csv_label(name), "the table")
        except DataError:
            return None
    split, label = parse_folders(PurePosixPath("train", name, "NAME.png"))
    return label if split == "train" and _PLAIN_NAME.fullmatch(name) else None


def _csv_label(name: str) -> str:
    return str(FER2013_ORDER.index(name)) if name in FER2013_ORDER else name


def _file_names(dataset: FaceDataset) -> list[str]:
    """Return a file name for each image, unique whatever the case of its letters."""
    stems = [PurePosixPath(str(name)).stem for name in dataset.names]
    is_unique = len({stem.casefold() for stem in stems}) == len(stems)
    if is_unique and all(map(_PLAIN_NAME.fullmatch, stems)):
        return [f"{stem}.png" for stem in stems]
    return [f"{number:07d}.png" for number in range(len(dataset))]


def _png_files(dataset: FaceDataset, on_progress: Progress) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the content of each image, in the order of the paths."""
    paths = [
        f"{split}/{dataset.classes[label]}/{name}"
        for split, label, name in zip(
            dataset.splits, dataset.labels, _file_names(dataset), strict=True
        )
    ]
    for done, position in enumerate(sorted(range(len(paths)), key=paths.__getitem__), start=1):
        yield paths[position], encode_png(dataset.images[position])
        on_progress(done, len(paths))


def _write_zip(dataset: FaceDataset, path: Path, on_progress: Progress) -> None:
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in _png_files(dataset, on_progress):
            info = zipfile.ZipInfo(name)  # its default date, 1980, keeps the bytes the same
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)


def _write_folder(dataset: FaceDataset, path: Path, on_progress: Progress) -> None:
    with atomic_folder(path) as temporary:
        for name, content in _png_files(dataset, on_progress):
            file = temporary / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


def _write_csv(dataset: FaceDataset, path: Path, on_progress: Progress) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("emotion", "pixels", "Usage"))
        for position, face in enumerate(dataset.images):
            label = _csv_label(dataset.classes[dataset.labels[position]])
            pixels = " ".join([_PIXEL_TEXTS[value] for value in face.tobytes()])
            rows.writerow((label, pixels, _USAGES[str(dataset.splits[position])]))
            on_progress(position + 1, len(dataset))


def _write_parquet(dataset: FaceDataset, path: Path, on_progress: Progress) -> None:
    with needed_for(f"writing {path}"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema(
        [("image", image), ("label", pa.int64()), ("split", pa.string())],
        metadata={"huggingface": _hugging_face_features(dataset.classes)},
    )
    names = _file_names(dataset)
    with (
        atomic_path(path) as temporary,
        temporary.open("wb") as file,
        pq.ParquetWriter(file, schema, compression="none") as writer,
    ):
        for start in range(0, len(dataset), _ROWS_AT_ONCE):
            batch = range(start, min(start + _ROWS_AT_ONCE, len(dataset)))
            images = [{"bytes": encode_png(dataset.images[i]), "path": names[i]} for i in batch]
            labels = dataset.labels[batch.start : batch.stop]
            splits = dataset.splits[batch.start : batch.stop].tolist()
            writer.write_batch(pa.record_batch([pa.array(images, image), labels, splits], schema))
            on_progress(batch.stop, len(dataset))


def _hugging_face_features(classes: tuple[str, ...]) -> str:
    features = {
        "image": {"_type": "Image"},
        "label": {"names": list(classes), "_type": "ClassLabel"},
        "split": {"dtype": "string", "_type": "Value"},
    }
    return json.dumps({"info": {"features": features}})
