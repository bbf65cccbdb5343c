"""Small data sets in every published form, made from random faces."""

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from ferboost.datasets import FaceDataset, load_dataset
from ferboost.datasets.images import encode_png
from ferboost.emotions import EMOTIONS
from ferboost.errors import FerboostError

Row = tuple[str, str, str]


def draw(seed: int) -> NDArray[np.uint8]:
    """Return a random face."""
    return np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)


def png(seed: int = 0) -> bytes:
    """Return a random face as a PNG file."""
    return encode_png(draw(seed))


def encode(image: Image.Image, form: str = "png", **options: Any) -> bytes:  # Any: as Pillow's
    """Return an image as a file of the given format."""
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def published(classes: Sequence[str] = EMOTIONS, prefix: str = "") -> dict[str, bytes]:
    """Return the files of a data set: two training images and one test image of each class."""
    splits = ("train", "train", "test")
    paths = [
        f"{prefix}{split}/{name}/face{number}-{name}.png"
        for number, split in enumerate(splits)
        for name in classes
    ]
    return {path: png(seed) for seed, path in enumerate(paths)}


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a folder, a name that ends in ``/`` being a folder."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        if name.endswith("/"):
            (folder / name).mkdir(parents=True)
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_zip(path: Path, files: Mapping[str, bytes], compression: int = 0) -> Path:
    """Write files to a zip, a name that ends in ``/`` being a folder."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def pixels(seed: int = 0) -> str:
    """Return a random face as FER-2013's CSV has it."""
    return " ".join(map(str, draw(seed).ravel()))


def csv_bytes(rows: Iterable[Sequence[str]], header: str = "emotion,pixels,Usage") -> bytes:
    """Return a table as CSV."""
    return "\n".join([header, *map(",".join, rows), ""]).encode()


def published_rows() -> list[Row]:
    """Return a row for each emotion in train and in PublicTest, numbered as in FER-2013."""
    usages = ("Training", "PublicTest")
    return [
        (str(label), pixels(label + 7 * i), usage)
        for i, usage in enumerate(usages)
        for label in range(7)
    ]


def write_parquet(
    path: Path, columns: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> Path:  # Any: what pyarrow makes a column of
    """Write columns to a Parquet file."""
    pq.write_table(pa.table(dict(columns)).replace_schema_metadata(metadata), path)
    return path


def load(path: Path) -> FaceDataset:
    """Load a data set without the cache."""
    return load_dataset(path, cache=False)


def refused(path: Path) -> str:
    """Return the message with which a data set is refused: one line that names the file."""
    with pytest.raises(FerboostError) as caught:
        load(path)
    message = str(caught.value)
    assert message.isprintable()
    assert path.name in message
    return message


def named(dataset: FaceDataset) -> dict[str, str]:
    """Return the class of each image by its name."""
    return {
        str(name): dataset.classes[label]
        for name, label in zip(dataset.names, dataset.labels, strict=True)
    }
