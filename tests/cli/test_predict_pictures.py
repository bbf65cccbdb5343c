"""``ferboost predict`` on pictures, folders and patterns, with the model inside the package."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from shell import Trained, ferboost, ferboost_process

from ferboost.inference import photos


@pytest.fixture
def folder(workplace: Path) -> Path:
    """Make a folder of five pictures of 48 x 48 pixels."""
    folder = Path("photos")
    for number, name in enumerate(("a", "b", "c", "deep/d", "deep/e")):
        values = np.random.default_rng(number).integers(0, 256, (48, 48), dtype=np.uint8)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def astronaut(workplace: Path) -> Path:
    data = pytest.importorskip("skimage.data")
    Image.fromarray(data.astronaut()).save("astronaut.png")
    return Path("astronaut.png")


def table(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_face_of_a_photo_is_found(astronaut: Path) -> None:
    outcome = ferboost("predict", astronaut)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("astronaut.png: happy ")
    (record,) = json.loads(ferboost("predict", astronaut, "--json").out)
    assert (record["found"], record["emotion"]) == ("face", "happy")
    assert record["warning"] is None
    assert record["face"]["box"] == pytest.approx([178, 53, 272, 179], abs=12)


def test_the_output_says_what_was_taken_as_a_face(folder: Path) -> None:
    Image.new("L", (97, 97), 128).save("larger.png")
    whole = "(the whole picture taken as a face)"
    outcome = ferboost("predict", "photos/a.png", "larger.png")
    small, larger = outcome.out.splitlines()
    assert whole in small
    assert larger == "larger.png: no face found (--faces whole takes the picture as one)"
    assert outcome.code == 0
    assert whole in ferboost("predict", "larger.png", "--faces", "whole").out
    assert "no face found" in ferboost("predict", "photos/a.png", "--faces", "detect").out


def test_broken_metadata_is_not_talked_about(folder: Path) -> None:
    broken = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01"
    Image.open(folder / "a.png").save("broken.jpg", exif=broken)
    outcome = ferboost_process("predict", "broken.jpg")
    assert (outcome.code, outcome.err) == (0, "")


def test_a_face_outside_of_what_was_trained_is_said_so(folder: Path) -> None:
    warning = "outside of what was trained: sharper or noisier (sharpness "
    assert f"; {warning}" in ferboost("predict", "photos/a.png").out
    assert ferboost("predict", folder, "--csv", "out.csv").code == 0
    assert all(row["warning"].startswith(warning) for row in table("out.csv"))


def test_a_folder_and_a_pattern_stand_for_their_pictures(folder: Path) -> None:
    assert ferboost("predict", folder).out.count("\n") == 5
    outcome = ferboost("predict", "photos/**/[de].png")
    assert [line[:15] for line in outcome.out.splitlines()] == [
        "photos/deep/d.p",
        "photos/deep/e.p",
    ]


def test_a_coverage_says_of_what_it_is_not_sure(workplace: Path) -> None:
    Image.new("L", (48, 48), 127).save("gray.png")  # nobody could tell its emotion
    line = ferboost("predict", "gray.png", "--coverage", 0.99).out
    assert line.startswith("gray.png: not sure: ")
    assert " or " in line
    record = json.loads(ferboost("predict", "gray.png", "--coverage", 0.99, "--json").out)[0]
    assert record["is_sure"] is False
    assert record["candidates"][0] == record["emotion"]


def test_tables_hold_every_picture_and_standard_output_says_so(folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    Image.new("L", (200, 200)).save("photos/black.png")
    Path("photos/bad.jpg").write_bytes(b"damaged")
    outcome = ferboost("predict", folder, "--csv", "out.csv", "--parquet", "out.parquet")
    assert outcome.code == 1
    assert outcome.err.startswith("ferboost: error: photos/bad.jpg is not an image")
    assert outcome.err.count("\n") == 1
    assert outcome.out.splitlines() == [
        f"{name}: 5 faces in 6 pictures, 1 without one, 1 could not be read"
        for name in ("out.csv", "out.parquet")
    ]
    rows = table("out.csv")
    assert [row["found"] for row in rows] == ["whole"] * 2 + ["none"] + ["whole"] * 3
    visible = (path.name for path in Path().iterdir() if not path.name.startswith("."))
    assert sorted(visible) == ["out.csv", "out.parquet", "photos"]
    in_parquet = parquet.read_table("out.parquet").to_pylist()
    assert [row["image"] for row in in_parquet] == [row["image"] for row in rows]


def test_a_rerun_reads_what_was_repaired_or_replaced_and_nothing_else(folder: Path) -> None:
    bad, replaced = Path("photos/bad.jpg"), Path("photos/replaced.png")
    bad.write_bytes(b"damaged")
    Image.new("L", (48, 48)).save(replaced)
    assert ferboost("predict", folder, "--csv", "out.csv").code == 1
    before = {row["image"]: row for row in table("out.csv")}
    Image.new("L", (200, 200)).save(bad, "jpeg")
    Image.new("L", (200, 200)).save(replaced)
    outcome = ferboost("predict", folder, "--csv", "out.csv")
    assert outcome.code == 0
    assert f"{len(before) - 1} of {len(before) + 1} pictures are done already" in outcome.err
    after = {row["image"]: row for row in table("out.csv")}
    assert after.keys() == before.keys() | {str(bad)}
    assert after[str(replaced)]["found"] == "none"
    assert {p.name for p in Path().iterdir()} == {"out.csv", "photos"}


def test_what_is_not_read_in_a_folder_is_said(folder: Path) -> None:
    for number in range(3):
        (folder / f"{number}.heic").touch()
    for number in range(6):
        (folder / f"notes.{number}").touch()
    outcome = ferboost("predict", folder, "--csv", "out.csv")
    assert outcome.code == 0
    assert outcome.err == (
        "photos: not read, since their endings are not those of pictures: 3 .heic, 1 .0, 1 .1, "
        "1 .2, 1 .3, others\n"
    )


def test_a_picture_whose_name_just_fits_is_drawn(folder: Path) -> None:
    names = ["n" * 251 + ".png", "m" * 250 + ".webp"]
    for name in names:
        Image.new("L", (48, 48)).save(Path("long.png"))
        Path("long.png").rename(folder / name)
    outcome = ferboost("predict", folder, "--annotate", "drawn")
    assert (outcome.code, outcome.err) == (0, "")
    assert {path.name for path in Path("drawn").iterdir()} >= {names[0], "m" * 250 + ".png"}


def test_json_and_a_table_hold_the_same(folder: Path) -> None:
    records = json.loads(ferboost("predict", folder, "--json", "--csv", "out.csv").out)
    assert [r["emotion"] for r in records] == [row["emotion"] for row in table("out.csv")]
    assert json.loads(ferboost("predict", folder, "--json").out) == records


def test_what_was_interrupted_goes_on_by_the_same_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ferboost("predict", folder, "--csv", "whole.csv")
    predict_photos = photos.predict_photos
    asked: list[int] = []

    def interrupted(paths: list[Path], *arguments: Any, **options: Any) -> Iterator[Any]:
        asked.append(len(paths))
        for number, photo in enumerate(predict_photos(paths, *arguments, **options)):
            if number == 2:
                raise KeyboardInterrupt
            yield photo

    monkeypatch.setattr(photos, "predict_photos", interrupted)
    outcome = ferboost("predict", folder, "--csv", "out.csv")
    assert outcome.code == 130
    assert (
        outcome.err == "ferboost: interrupted; go on with: ferboost predict photos --csv out.csv\n"
    )
    assert not Path("out.csv").exists()
    assert ferboost("predict", folder, "--csv", "out.csv").code == 130
    outcome = ferboost("predict", folder, "--csv", "out.csv")
    assert (outcome.code, outcome.err) == (0, "4 of 5 pictures are done already\n")
    assert asked == [5, 3, 1]
    # Among other pictures in a batch, the last digit of a probability can be another.
    for row, expected in zip(table("out.csv"), table("whole.csv"), strict=True):
        assert (row["image"], row["emotion"]) == (expected["image"], expected["emotion"])
        assert float(row["happy"] or 0) == pytest.approx(float(expected["happy"] or 0), abs=1e-4)
    assert sorted(path.name for path in Path().iterdir()) == ["out.csv", "photos", "whole.csv"]


def test_what_was_interrupted_before_drawings_were_asked_for_is_drawn(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict_photos = photos.predict_photos

    def interrupted(paths: list[Path], *arguments: Any, **options: Any) -> Iterator[Any]:
        yield next(iter(predict_photos(paths, *arguments, **options)))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(photos, "predict_photos", interrupted)
        assert ferboost("predict", folder, "--csv", "out.csv").code == 130
    outcome = ferboost("predict", folder, "--csv", "out.csv", "--annotate", "drawn")
    assert (outcome.code, outcome.err) == (0, "")
    assert len(list(Path("drawn").rglob("*.png"))) == len(table("out.csv")) == 5


def test_pictures_of_the_same_name_in_another_folder_are_not_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table_path = Path("out.csv").absolute()
    predict_photos = photos.predict_photos

    def interrupted(paths: list[Path], *arguments: Any, **options: Any) -> Iterator[Any]:
        yield next(iter(predict_photos(paths, *arguments, **options)))
        raise KeyboardInterrupt

    (folder / "deep" / "a.png").write_bytes((folder / "b.png").read_bytes())
    monkeypatch.chdir(folder)
    with monkeypatch.context() as patch:
        patch.setattr(photos, "predict_photos", interrupted)
        assert ferboost("predict", "a.png", "--csv", table_path).code == 130
    monkeypatch.chdir("deep")
    outcome = ferboost("predict", "a.png", "--csv", table_path)
    assert (outcome.code, outcome.err) == (0, "")


def test_annotated_pictures_are_written_and_not_read_again(folder: Path) -> None:
    Image.new("L", (48, 48)).save("photos/a.bmp")
    for _ in range(2):
        assert ferboost("predict", folder, "--annotate", "photos/drawn").code == 0
    drawn = sorted(str(p.relative_to("photos/drawn")) for p in Path("photos/drawn").rglob("*.*"))
    assert drawn == ["a.bmp.png", "a.png", "b.png", "c.png", "deep/d.png", "deep/e.png"]
    with Image.open("photos/drawn/deep/d.png") as image:
        assert image.width == 320


def test_a_single_picture_is_drawn_to_a_file(folder: Path) -> None:
    assert ferboost("predict", folder / "a.png", "--annotate", "drawn/out.jpg").code == 0
    with Image.open("drawn/out.jpg") as image:
        assert image.format == "JPEG"
    Path("folder.png").mkdir()
    assert ferboost("predict", folder / "a.png", "--annotate", "folder.png").code == 0
    assert Path("folder.png/a.png").is_file()


def test_pictures_of_the_same_name_are_drawn_beside_each_other(folder: Path) -> None:
    given = ("photos/a.png", "photos/other/a.png")
    Path("photos/other").mkdir()
    Image.new("L", (60, 60)).save(given[1])
    ferboost("predict", *given, "--annotate", "drawn")
    assert sorted(p.name for p in Path("drawn").iterdir()) == ["a-2.png", "a.png"]


def test_a_run_looks_for_faces_too(trained: Trained, astronaut: Path) -> None:
    (record,) = json.loads(ferboost("predict", astronaut, "-m", trained.run, "--json").out)
    assert record["found"] == "face"


@pytest.mark.parametrize(
    ("arguments", "named", "code"),
    [
        ("empty", "no file below the folder empty ends in one of", 2),
        ("*.tiff", "no file fits the pattern *.tiff", 2),
        ("photos --annotate photos", "would write over the picture photos/a.png", 2),
        ("photos --coverage 1.5", "a coverage lies between 0 and 0.99", 2),
        ("photos --csv photos/a.png/out.csv", "cannot write photos/a.png/out.csv", 1),
        ("photos --csv empty", "cannot write empty", 1),
        ("photos --faces none", "'none' is not one of", 2),
        ("photos --annotate out.jpg", "--annotate out.jpg is one picture for 5", 2),
        ("photos/a.png --annotate photos/a.png", "would write over photos/a.png", 2),
        ("--csv photos/a.png photos/b.png", "--csv photos/a.png ends like a picture or a film", 2),
        ("photos --csv out --parquet ./out", "--parquet would write over what --csv writes", 2),
    ],
)
def test_mistakes_are_one_line(folder: Path, arguments: str, named: str, code: int) -> None:
    Path("empty").mkdir()
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*.png")}
    outcome = ferboost("predict", *arguments.split())
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.startswith("ferboost: error: ")
    assert named in outcome.err
    assert outcome.err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*.png")} == before


def test_a_coverage_of_a_run_says_what_to_do(trained: Trained, folder: Path) -> None:
    outcome = ferboost("predict", folder, "-m", trained.run, "--coverage", 0.9)
    assert outcome.code == 2
    assert "ferboost export" in outcome.err


def test_only_parquet_needs_pyarrow(folder: Path) -> None:
    without = "import sys; sys.modules['pyarrow'] = None"
    outcome = ferboost_process("predict", folder, "--parquet", "out.parquet", before=without)
    assert (outcome.code, outcome.out) == (2, "")
    assert "install it: pip install pyarrow" in outcome.err
    assert ferboost_process("predict", folder, "--csv", "out.csv", before=without).code == 0
