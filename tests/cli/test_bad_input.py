"""What a user can get wrong, and the one line that says what, where and what to do."""

import json
import re
import shlex
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from shell import Trained, ferboost

from ferboost.datasets import load_dataset
from ferboost.datasets.images import encode_png
from ferboost.emotions import FERPLUS_COLUMNS
from ferboost.pipeline import start_run
from ferboost.settings import load_settings

PNG = encode_png(np.full((48, 48), 90, dtype=np.uint8))
PIXELS = " ".join(["7"] * 2304)


def nothing() -> None:
    """Bring nothing into the working directory."""


def write(path: str, content: bytes | str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content.encode() if isinstance(content, str) else content)


def zipped(path: str, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def file(path: str, content: bytes | str = "") -> Callable[[], None]:
    return lambda: write(path, content)


def csv(*rows: str, header: str = "emotion,pixels,Usage") -> Callable[[], None]:
    return file("faces.csv", "\n".join((header, *rows)) + "\n")


def pictures(*paths: str) -> Callable[[], None]:
    def prepare() -> None:
        for number, path in enumerate(paths):
            face = np.random.default_rng(number).integers(0, 256, (48, 48), dtype=np.uint8)
            write(path, encode_png(face))

    return prepare


def one_class_empty() -> None:
    pictures("faces/train/happy/a.png")()
    Path("faces/train/sad").mkdir()


def huge_png() -> bytes:
    """Return the beginning of an image of 100,000 x 100,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(header))
    return PNG[:8] + struct.pack(">I", 13) + header + checksum + PNG[33:]


def truncated_zip() -> None:
    zipped("faces.zip", **{"train/happy/a.png": PNG})
    write("faces.zip", Path("faces.zip").read_bytes()[:-30])


def votes_of_other_images() -> None:
    faces = load_dataset("data.zip", cache=False)
    columns = list(FERPLUS_COLUMNS)
    emotions = list(FERPLUS_COLUMNS.values())
    rows = []
    for name, label in zip(faces.names, faces.labels, strict=True):
        wrong = emotions.index(faces.classes[(label + 1) % len(faces.classes)])
        counts = ["10" if i == wrong else "0" for i in range(len(columns))]
        rows.append(",".join(("Training", Path(str(name)).name, *counts)))
    write("votes.csv", "\n".join((",".join(("Usage", "Image name", *columns)), *rows)) + "\n")


def unfinished_run() -> None:
    start_run(Path("begun"), load_dataset("data.zip", cache=False), load_settings(), "ferboost")


def run_of_other_data() -> None:
    record = json.loads(Path("run/run.json").read_bytes())
    record["data"]["fingerprint"] = "0" * 32
    write("run/run.json", json.dumps(record))


def damaged(path: str) -> Callable[[], None]:
    return lambda: write(path, Path(path).read_bytes()[:-40])


@dataclass(frozen=True)
class Mistake:
    """A command as typed, and what has to be in the line that answers it.

    ``data.zip`` (good faces) and ``run`` (a finished run of them) lie in the working directory
    where the command names them.
    """

    typed: str
    words: tuple[str, ...]
    code: int = 1
    prepare: Callable[[], None] = nothing


MISTAKES = {
    # Data
    "missing file": Mistake("train nowhere.zip", ("nowhere.zip", "check the path")),
    "text file": Mistake(
        "train notes.txt", ("notes.txt", ".zip"), prepare=file("notes.txt", "happy")
    ),
    "empty file": Mistake("data info faces.zip", ("faces.zip",), prepare=file("faces.zip")),
    "empty folder": Mistake(
        "data info faces", ("faces", "no images"), prepare=lambda: Path("faces").mkdir()
    ),
    "truncated zip": Mistake("data info faces.zip", ("faces.zip", "again"), prepare=truncated_zip),
    "zip slip": Mistake(
        "data info faces.zip",
        ("faces.zip", "../happy/a.png", "do not trust"),
        prepare=lambda: zipped("faces.zip", **{"../happy/a.png": PNG}),
    ),
    "zip bomb": Mistake(
        "data info faces.zip",
        ("faces.zip", "happy/a.png", "bomb"),
        prepare=lambda: zipped("faces.zip", **{"happy/a.png": bytes(20_000_000)}),
    ),
    "text named .png": Mistake(
        "data info faces", ("happy/a.png", "not an image"), prepare=file("faces/happy/a.png", "hi")
    ),
    "empty .png": Mistake(
        "data info faces", ("happy/a.png", "empty"), prepare=file("faces/happy/a.png")
    ),
    "half of a .png": Mistake(
        "data info faces", ("happy/a.png", "damaged"), prepare=file("faces/happy/a.png", PNG[:60])
    ),
    "png of 100,000 x 100,000 pixels": Mistake(
        "data info faces",
        ("happy/a.png", "pixels"),
        prepare=file("faces/happy/a.png", huge_png()),
    ),
    "image in no class folder": Mistake(
        "data info faces", ("a.png", "class folder"), prepare=pictures("faces/a.png")
    ),
    "empty class folder": Mistake(
        "data info faces",
        ("train/sad", "no images"),
        prepare=one_class_empty,
    ),
    "seven emotions and a stranger": Mistake(
        "data info faces.csv",
        ("faces.csv", "bored"),
        prepare=csv(*(f"{label},{PIXELS},Training" for label in (*range(7), "bored"))),
    ),
    "2,303 pixels": Mistake(
        "data info faces.csv", ("line 2", "2,303", "2,304"), prepare=csv(f"3,{PIXELS[2:]},Training")
    ),
    "pixel 256": Mistake(
        "data info faces.csv",
        ("line 3", "255"),
        prepare=csv(f"3,{PIXELS},Training", f"3,256{PIXELS[1:]},Training"),
    ),
    "unknown label": Mistake(
        "data info faces.csv", ("line 2", "'9'", "0 to 6"), prepare=csv(f"9,{PIXELS},Training")
    ),
    "no pixels column": Mistake(
        "data info faces.csv",
        ("faces.csv", "'pixels'", "emotion,pixels,Usage"),
        prepare=csv("3,Training", header="emotion,Usage"),
    ),
    "unknown usage": Mistake(
        "data info faces.csv", ("line 2", "'Later'", "Training"), prepare=csv(f"3,{PIXELS},Later")
    ),
    "csv that is no text": Mistake(
        "data info faces.csv", ("faces.csv",), prepare=file("faces.csv", b"\x89PNG\xff\xfe\x00")
    ),
    "parquet that is none": Mistake(
        "data info faces.parquet", ("faces.parquet",), prepare=file("faces.parquet", b"PAR1 no")
    ),
    "no train split": Mistake(
        "train faces",
        ("faces", "no train split", "train/CLASS/"),
        prepare=pictures("faces/test/happy/a.png", "faces/test/sad/b.png"),
    ),
    "a single image": Mistake("train faces", ("faces",), prepare=pictures("faces/happy/a.png")),
    "a single class": Mistake(
        "train faces",
        ("faces", "single class 'happy'"),
        prepare=pictures(*(f"faces/happy/{n}.png" for n in range(20))),
    ),
    "two images": Mistake(
        "train faces",
        ("faces", "add"),
        prepare=pictures("faces/happy/a.png", "faces/sad/b.png"),
    ),
    "missing votes": Mistake("data info data.zip --votes v.csv", ("v.csv", "check the path")),
    "votes that are none": Mistake(
        "data info data.zip --votes v.csv", ("v.csv", "fer2013new.csv"), prepare=file("v.csv", "a")
    ),
    "votes of other images": Mistake(
        "data info data.zip --votes votes.csv", ("data.zip",), prepare=votes_of_other_images
    ),
    # Settings
    "unknown setting": Mistake("train data.zip --set cnn.glue=1", ("cnn.glue", "dropout"), 2),
    "misspelt setting": Mistake(
        "train data.zip --set cnn.epoch=1", ("cnn.epoch", "did you mean epochs"), 2
    ),
    "unknown section": Mistake("train data.zip --set net.epochs=1", ("net", "cnn"), 2),
    "section as a value": Mistake("train data.zip --set cnn=1", ("cnn",), 2),
    "not a number": Mistake("train data.zip --set cnn.l2=nan", ("cnn.l2", "finite"), 2),
    "infinite": Mistake("train data.zip --set cnn.learning_rate=inf", ("cnn.learning_rate",), 2),
    "text for a number": Mistake("train data.zip --set cnn.epochs=many", ("cnn.epochs", "many"), 2),
    "negative epochs": Mistake("train data.zip --set cnn.epochs=-1", ("cnn.epochs", "-1"), 2),
    "batch size 0": Mistake("train data.zip --set cnn.batch_size=0", ("cnn.batch_size", "0"), 2),
    "no equals sign": Mistake("train data.zip --set cnn.epochs", ("KEY=VALUE", "cnn.epochs"), 2),
    "no layer": Mistake("train data.zip --set cnn.filters=[]", ("cnn.filters",), 2),
    "seven layers": Mistake(
        "train data.zip --set cnn.filters=[8,8,8,8,8,8,8]", ("no rows", "fewer layers"), 2
    ),
    "preset by --set": Mistake("train data.zip --set preset=fast", ("--preset",), 2),
    "protocol by --set": Mistake(
        "train data.zip --set protocol=paper",
        ("protocol is not for --set; give it by --protocol",),
        2,
    ),
    "unknown preset": Mistake("train data.zip --preset huge", ("'huge'", "paper"), 2),
    "unknown protocol": Mistake(
        "train data.zip --protocol fair", ("'fair'", "--protocol", "clean"), 2
    ),
    "seed twice": Mistake("train data.zip --set seeds=[1,1]", ("seeds",), 2),
    "no seeds": Mistake("train data.zip --seeds 0", ("--seeds", "equal to 1"), 2),
    "unknown tap": Mistake("boost run --tap fc9", ("fc9", "flatten"), 2),
    "tap twice": Mistake("boost run --tap fc1 --tap fc1", ("trees.taps", "fc1"), 2),
    "boosting with another CNN": Mistake("boost run --set cnn.epochs=9", ("cnn.epochs=9",), 2),
    # Options
    "unknown command": Mistake("trian data.zip", ("trian", "'train'"), 2),
    "unknown option": Mistake("train data.zip --epochs 9", ("--epochs", "train --help"), 2),
    "option without a value": Mistake(
        "train data.zip --seeds", ("--seeds", "requires an argument"), 2
    ),
    "no number": Mistake("train data.zip --seeds three", ("--seeds", "integer"), 2),
    "missing argument": Mistake("evaluate", ("RUN", "evaluate --help"), 2),
    "train on nothing": Mistake("train", ("DATA", "--resume"), 2),
    "train on two": Mistake("train data.zip more.zip", ("more.zip", "train --help"), 2),
    "resume with other settings": Mistake(
        "train --resume run --set cnn.epochs=9", ("--set", "--resume"), 2
    ),
    "unknown form": Mistake(
        "data generate faces.tar --count-per-class 1", ("faces.tar", ".zip"), 2
    ),
    "no faces to draw": Mistake(
        "data generate faces.zip --count-per-class 0", ("--count-per-class", "equal to 1"), 2
    ),
    "conversion onto itself": Mistake("data convert data.zip data.zip", ("data.zip",), 2),
    "demo where something is": Mistake("demo run", ("run", "new folder"), 2),
    "unknown split": Mistake("evaluate run data.zip --split half", ("'half'", "validation"), 2),
    "split that is not there": Mistake(
        "evaluate run faces --split test",
        ("faces", "no test split", "--split all"),
        prepare=pictures("faces/happy/a.png"),
    ),
    "unknown variant": Mistake("predict a.png --model run --variant fc2", ("fc2", "pixels"), 2),
    "nothing to compare": Mistake("compare run data.zip --variant cnn", ("nothing to compare",), 2),
    # Places
    "output folder with something in it": Mistake(
        "train data.zip -o full", ("full", "another place"), prepare=file("full/thesis.txt", "")
    ),
    "output below a file": Mistake(
        "train data.zip -o notes.txt/run", ("notes.txt/run", "file"), prepare=file("notes.txt")
    ),
    "faces below a file": Mistake(
        "data generate notes.txt/a.zip --count-per-class 1",
        ("notes.txt",),
        prepare=file("notes.txt"),
    ),
    # Runs
    "resume of no run": Mistake(
        "train --resume faces", ("faces", "run.json"), prepare=lambda: Path("faces").mkdir()
    ),
    "resume of a damaged run": Mistake(
        "train --resume run", ("run.json", "damaged"), prepare=damaged("run/run.json")
    ),
    "resume with changed data": Mistake(
        "train --resume run data.zip", ("data.zip", "give it"), prepare=run_of_other_data
    ),
    "evaluation of an unfinished run": Mistake(
        "evaluate begun data.zip", ("begun", "--resume begun"), prepare=unfinished_run
    ),
    "report of an unfinished run": Mistake(
        "report begun", ("begun", "--resume begun"), prepare=unfinished_run
    ),
    "prediction by an unfinished run": Mistake(
        "predict a.png --model begun", ("begun", "--resume begun"), prepare=unfinished_run
    ),
    "boosting of an unfinished run": Mistake(
        "boost begun", ("begun", "--resume begun"), prepare=unfinished_run
    ),
    "evaluation on unknown classes": Mistake(
        "evaluate run faces",
        ("faces", "'bored'", "happy"),
        prepare=pictures("faces/test/bored/a.png"),
    ),
    "damaged weights": Mistake(
        "evaluate run data.zip",
        ("network.safetensors", "restore"),
        prepare=damaged("run/seed-0/network.safetensors"),
    ),
    "damaged trees": Mistake(
        "evaluate run data.zip",
        ("trees-fc1.ubj", "restore"),
        prepare=damaged("run/seed-0/trees-fc1.ubj"),
    ),
    "damaged predictions": Mistake(
        "report run", ("predictions.npz", "damaged"), prepare=damaged("run/predictions.npz")
    ),
    "lost training hashes": Mistake(
        "evaluate run data.zip",
        ("training-hashes.npy", "restore"),
        prepare=lambda: Path("run/training-hashes.npy").unlink(),
    ),
    "model that is no run": Mistake(
        "predict a.png --model data.zip", ("data.zip", "ferboost export")
    ),
    "picture that is not there": Mistake("predict a.png --model run", ("a.png", "No such file")),
}


def contents() -> dict[str, int]:
    """Return all files of the working directory with their sizes."""
    found = Path().rglob("*")
    return {str(path): path.stat().st_size if path.is_file() else -1 for path in found}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_answered_by_one_line_that_names_it(
    mistake: Mistake, trained: Trained
) -> None:
    if re.search(r"\brun\b", mistake.typed):
        shutil.copytree(trained.run, "run")
    if "data.zip" in mistake.typed or mistake.prepare is unfinished_run:
        shutil.copy2(trained.faces, "data.zip")
    mistake.prepare()
    before = contents()

    outcome = ferboost(*shlex.split(mistake.typed))

    assert outcome.code == mistake.code
    assert outcome.out == ""
    line = outcome.err.removesuffix("\n")
    assert line.startswith("ferboost: error: ")
    assert line.isprintable()
    for words in mistake.words:
        assert words in line
    assert contents() == before
