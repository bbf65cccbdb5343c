"""``ferboost predict`` on a film."""

import csv
import itertools
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shell import ferboost, ferboost_process

from ferboost.inference import video

av = pytest.importorskip("av")


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Film the astronaut for half a second, 320 x 240 pixels."""
    data = pytest.importorskip("skimage.data")
    face = Image.fromarray(data.astronaut()).crop((100, 0, 420, 240))
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(20))
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for shift in range(10):
            moved = np.roll(np.asarray(face), shift, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def film(filmed: Path, workplace: Path) -> Path:
    Path("film.mp4").write_bytes(filmed.read_bytes())
    return Path("film.mp4")


def test_a_film_becomes_a_table_an_annotated_film_and_a_timeline(film: Path) -> None:
    outputs = ("--csv", "out.csv", "--annotate", "out.mp4", "--timeline", "out.png")
    outcome = ferboost("predict", film, *outputs)
    assert (outcome.code, outcome.err) == (0, "")
    first, second, *written = outcome.out.splitlines()
    assert first == "film.mp4: 10 frames, 0:00.5, 1 face"
    assert second.startswith("  face 1, 0:00.0 to 0:00.5: happy ")
    assert written == ["  out.csv", "  out.mp4", "  out.png"]
    with Path("out.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["frame"] for row in rows] == [str(number) for number in range(10)]
    assert {(row["face"], row["emotion"]) for row in rows} == {("1", "happy")}
    assert [float(row["time"]) for row in rows] == pytest.approx([n / 20 for n in range(10)])
    assert {row["warning"] for row in rows} == {""}
    assert float(rows[9]["left"]) > float(rows[0]["left"]) + 4
    with av.open("out.mp4") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 10
    yellow = (frames[5][..., 0] > 180) & (frames[5][..., 1] > 180) & (frames[5][..., 2] < 120)
    assert yellow.sum() > 300
    with Image.open("out.png") as figure:
        assert figure.format == "PNG"


def test_a_camera_is_stopped_between_two_frames_and_everything_is_written(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Camera(video.Video):
        def __init__(self, number: int) -> None:
            super().__init__(film)

        def frames(self) -> Iterator[video.Frame]:
            for frame in super().frames():
                yield replace(frame, time=10.0 * frame.number)
                if frame.number == 5:
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(0.3)

    monkeypatch.setattr(video, "Video", Camera)
    before = signal.getsignal(signal.SIGINT)
    outcome = ferboost("predict", "--camera", 0, "--csv", "out.csv", "--timeline", "out.png")
    assert (outcome.code, outcome.err) == (0, "")
    assert signal.getsignal(signal.SIGINT) is before
    with Path("out.csv").open(newline="") as stream:
        frames = [int(row["frame"]) for row in csv.DictReader(stream)]
    assert frames == list(range(len(frames)))
    assert 2 <= len(frames) < 10
    assert Path("out.png").exists()


def test_a_film_that_cannot_be_read_to_its_end_is_said_so(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(video.Video):
        def frames(self) -> Iterator[video.Frame]:
            yield from itertools.islice(super().frames(), 4)
            self.cut_short = "Input/output error"

    monkeypatch.setattr(video, "Video", Broken)
    outcome = ferboost("predict", film, "--csv", "out.csv")
    assert outcome.code == 1
    assert outcome.err == (
        "ferboost: error: film.mp4 could be read up to frame 4 only (Input/output error); "
        "what was read is written\n"
    )
    with Path("out.csv").open(newline="") as stream:
        assert [row["frame"] for row in csv.DictReader(stream)] == ["0", "1", "2", "3"]


def test_frames_that_cannot_be_decoded_are_said(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Damaged(video.Video):
        def frames(self) -> Iterator[video.Frame]:
            yield from itertools.islice(super().frames(), 4)
            self.lost = 3

    monkeypatch.setattr(video, "Video", Damaged)
    outcome = ferboost("predict", film, "--csv", "out.csv")
    assert outcome.code == 1
    assert "3 damaged pieces of film.mp4 could not be decoded" in outcome.err
    assert Path("out.csv").exists()


def test_json_holds_a_record_for_each_face_and_frame(film: Path) -> None:
    outcome = ferboost("predict", film, "--json")
    records = json.loads(outcome.out)
    assert [record["frame"] for record in records] == list(range(10))
    assert records[3]["emotion"] == "happy"
    assert len(records[3]["box"]) == 4


@pytest.mark.parametrize(
    ("arguments", "named", "code"),
    [
        ("film.mp4 other.mp4", "film.mp4 is a film: give it alone", 2),
        ("film.mp4 --camera 0", "give either --camera or film.mp4", 2),
        ("", "name a picture, a folder, a film or a --camera", 2),
        ("film.mp4 --coverage 0.9", "--coverage is for pictures", 2),
        ("film.mp4 --annotate film.mp4", "would write over film.mp4", 2),
        ("film.mp4 --annotate drawn", "is to be a film", 2),
        ("film.mp4 --timeline out.txt", "ends in none of: .pdf, .png, .svg", 2),
        ("a.png --timeline out.png", "--timeline is for films", 2),
        ("a.png --looks 3", "--looks is for films", 2),
        ("film.mp4 --looks 0", "'--looks': Input should be greater than or equal to 0.1", 2),
        ("film.mp4 --looks nan", "'--looks'", 2),
        ("damaged.mp4 --csv out.csv", "cannot read damaged.mp4 as a film", 1),
        ("missing.mp4 --csv out.csv", "No such file", 1),
        ("--camera 99", "cannot read camera 99", 1),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    film: Path, arguments: str, named: str, code: int
) -> None:
    Path("damaged.mp4").write_bytes(film.read_bytes()[:500])
    outcome = ferboost("predict", *arguments.split())
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.startswith("ferboost: error: ")
    assert named in outcome.err
    assert outcome.err.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == ["damaged.mp4", "film.mp4"]


def test_only_films_need_the_package_that_reads_them(film: Path) -> None:
    without = "import sys; sys.modules['av'] = None"
    outcome = ferboost_process("predict", film, before=without)
    assert (outcome.code, outcome.out) == (2, "")
    assert "install it: pip install 'ferboost[video]'" in outcome.err
