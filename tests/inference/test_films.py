"""Films: read, followed face by face, drawn on, and summed up."""

import itertools
import re
import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from films import CLASSES, RATE, Brightness, Squares, draw, write_film
from numpy.typing import NDArray
from PIL import Image

from ferboost.errors import DataError
from ferboost.inference import Face, Predictions
from ferboost.inference.films import Moment, predict_film
from ferboost.inference.timeline import Timeline, write_timeline
from ferboost.inference.video import FilmWriter, Frame, Video

av = pytest.importorskip("av")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw one square that moves, and another that comes after a second and goes after two."""
    frames = [
        draw([(n, 10), *([(120, 60)] if RATE <= n < 2 * RATE else [])]) for n in range(3 * RATE)
    ]
    return write_film(tmp_path_factory.mktemp("film") / "film.mp4", frames)


def picture() -> Any:
    """Return a frame with one square, as PyAV has it."""
    return av.VideoFrame.from_ndarray(np.asarray(draw([(40, 40)])), format="rgb24")


def watch(film: Path) -> list[Moment]:
    with Video(film) as video:
        return list(predict_film(video.frames(), Brightness(), Squares()))


def test_every_frame_has_its_time(film: Path) -> None:
    with Video(film) as video:
        assert (video.rate, video.count) == (RATE, 3 * RATE)
        frames = list(video.frames())
    assert [frame.number for frame in frames] == list(range(3 * RATE))
    assert [frame.time for frame in frames] == pytest.approx([n / RATE for n in range(3 * RATE)])
    assert frames[0].size == (160, 120)


def test_gray_goes_from_black_to_white(film: Path) -> None:
    with Video(film) as video:
        gray = np.asarray(next(video.frames()).gray())
    assert gray.shape == (120, 160)
    assert gray[15:25, 5:15] == pytest.approx(235, abs=4)
    assert gray[80:, :] == pytest.approx(0, abs=2)


def test_a_copy_is_no_larger_than_asked(film: Path) -> None:
    with Video(film) as video:
        frame = next(video.frames())
        assert frame.rgb(80).shape == (60, 80, 3)
        assert frame.rgb(1000).shape == (120, 160, 3)


def test_faces_are_followed_from_frame_to_frame(film: Path) -> None:
    moments = watch(film)
    assert [moment.frame.number for moment in moments] == list(range(3 * RATE))
    for moment in moments:
        first = next(face for face in moment.faces if face.track == 1)
        assert first.prediction.face is not None
        # After the last detection, a face stays where it was.
        near = 1.5 if moment.frame.number <= 3 * RATE - 5 else 4.5
        assert first.prediction.face.box[0] == pytest.approx(moment.frame.number, abs=near)
    second = [m.frame.number for m in moments if any(face.track == 2 for face in m.faces)]
    assert second == list(range(second[0], second[-1] + 1))
    assert second[0] == pytest.approx(RATE, abs=3)
    assert second[-1] == pytest.approx(2 * RATE - 1, abs=3)
    assert {face.track for moment in moments for face in moment.faces} == {1, 2}


def test_faces_are_looked_for_and_read_now_and_then(film: Path) -> None:
    classifier, detector = Brightness(), Squares()
    with Video(film) as video:
        list(predict_film(video.frames(), classifier, detector))
    assert detector.asked == 3 * 6
    assert classifier.asked == 3 * 6 + 6  # the second face is there for a second


def test_films_are_looked_at_as_often_as_asked(film: Path) -> None:
    for looks, expected in ((3.0, 3 * 3), (1e6, 3 * RATE), (0.1, 1)):
        detector = Squares()
        with Video(film) as video:
            moments = list(predict_film(video.frames(), Brightness(), detector, looks=looks))
        assert detector.asked == expected
        assert len(moments) == 3 * RATE


@pytest.mark.parametrize(("rate", "frames_a_look"), [(24, 4), (25, 4), (30, 5), (15, 2), (5, 1)])
def test_looks_are_a_whole_number_of_frames_apart(rate: int, frames_a_look: int) -> None:
    frames = [Frame(number, number / rate, picture()) for number in range(10 * frames_a_look)]
    detector = Squares()
    list(predict_film(frames, Brightness(), detector))
    assert detector.asked == 10


def test_a_film_that_declares_a_rate_of_a_thousand_is_looked_at_by_its_times(
    tmp_path: Path,
) -> None:
    path = tmp_path / "film.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=1000, options={"deadline": "realtime"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(2 * RATE):
            image = draw([(2 * number, 10)])
            frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            frame.pts, frame.time_base = round(1000 * number / RATE), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    detector = Squares()
    with Video(path) as video:
        assert video.rate > 500
        moments = list(predict_film(video.frames(), Brightness(), detector))
    assert detector.asked == 2 * 6
    assert [[face.track for face in moment.faces] for moment in moments] == [[1]] * 2 * RATE


def test_faces_are_looked_for_again_after_a_hundred_frames() -> None:
    frames = [Frame(number, 1e-6 * number, picture()) for number in range(250)]
    detector = Squares()
    assert len(list(predict_film(frames, Brightness(), detector))) == 250
    assert detector.asked == 3


def test_large_films_are_looked_at_oftener_so_that_few_frames_wait() -> None:
    large = av.VideoFrame(8000, 2500, "gray")  # 20 million pixels: three of them wait
    frames = [Frame(number, 1e-6 * number, large) for number in range(9)]
    detector = Squares()
    assert len(list(predict_film(frames, Brightness(), detector))) == 9
    assert detector.asked == 3


class Alternating(Brightness):
    """Is sure of another class at every look."""

    def predict_crops(
        self,
        crops: Sequence[NDArray[np.uint8]],
        sources: Sequence[str | None],
        faces: Sequence[Face | None] | None = None,
    ) -> Predictions:
        self.asked += 1
        shares = np.eye(2, dtype=np.float32)[[self.asked % 2] * len(crops)]
        return Predictions.of(CLASSES, shares, sources, faces)


def test_faces_that_are_seldom_looked_for_keep_their_numbers_and_are_smoothed() -> None:
    frames = [Frame(number, 3.0 * number, picture()) for number in range(6)]
    moments = list(predict_film(frames, Alternating(), Squares(), smoothing=6.0))
    assert [[face.track for face in moment.faces] for moment in moments] == [[1]] * 6
    shares = [moment.faces[0].prediction.shares[0] for moment in moments[1:]]
    assert all(0.1 < share < 0.9 for share in shares)


def test_what_is_read_is_what_is_in_the_crop(film: Path) -> None:
    for moment in watch(film)[5:]:
        for face in moment.faces:
            assert face.prediction.emotion == "bright"


def test_a_long_film_is_read_as_far_as_it_is_asked_for_and_no_thread_stays(film: Path) -> None:
    with Video(film) as video:
        picture = next(video.frames()).picture
    read = itertools.count()

    def endless() -> Iterator[Frame]:
        while True:
            number = next(read)
            yield Frame(number, number / RATE, picture)

    before = threading.active_count()
    moments = predict_film(endless(), Brightness(), Squares())
    assert len(list(itertools.islice(moments, 300))) == 300
    moments.close()  # type: ignore[attr-defined]
    assert next(read) <= 300 + 8 * 5
    assert threading.active_count() == before


class Failing:
    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        raise ValueError("from the detector")


def test_an_error_in_a_thread_reaches_who_asks(film: Path) -> None:
    with Video(film) as video, pytest.raises(ValueError, match="from the detector"):
        list(predict_film(video.frames(), Brightness(), Failing()))


@pytest.mark.parametrize(
    ("content", "named"),
    [(b"", "cannot read .*film.mp4 as a film"), (b"no film" * 1000, "cannot read .*as a film")],
)
def test_what_is_no_film_is_refused(tmp_path: Path, content: bytes, named: str) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError, match=named):
        Video(path)
    with pytest.raises(DataError, match="No such file"):
        Video(tmp_path / "missing.mp4")
    with pytest.raises(DataError, match="is a folder"):
        Video(tmp_path)


def test_a_film_that_is_damaged_is_read_where_it_can_be(film: Path, tmp_path: Path) -> None:
    content = bytearray(film.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    (tmp_path / "film.mp4").write_bytes(content)
    moments = watch(tmp_path / "film.mp4")
    assert RATE < len(moments) <= 3 * RATE
    times = [moment.frame.time for moment in moments]
    assert times == sorted(set(times))


def interrupted(video: Video, errors: list[Exception], packets_between: int = 3) -> None:
    """Let the reading of a film fail whenever some packets have been read."""
    container: Any = video._container
    whole = container.demux(video._stream)

    def demux(_stream: object) -> Iterator[Any]:
        yield from itertools.islice(whole, packets_between)
        if errors:
            raise errors.pop()
        yield from whole

    video._container = SimpleNamespace(demux=demux, close=container.close)  # type: ignore[assignment]


@pytest.mark.parametrize(
    "error",
    [
        av.error.BlockingIOError(11, "Resource temporarily unavailable"),
        av.error.InvalidDataError(1094995529, "Invalid data found"),
    ],
)
def test_reading_goes_on_after_an_error(film: Path, error: Exception) -> None:
    errors = [error] * 3
    with Video(film) as video:
        interrupted(video, errors)
        assert len(list(video.frames())) == 3 * RATE
        assert (errors, video.cut_short) == ([], "")
        assert video.lost == (0 if isinstance(error, BlockingIOError) else 3)


def test_a_film_that_cannot_be_read_to_its_end_says_so(film: Path) -> None:
    errors: list[Exception] = [av.error.OSError(5, "Input/output error")] * 1000
    with Video(film) as video:
        interrupted(video, errors, packets_between=0)
        with pytest.raises(DataError, match="no frame of .* can be decoded"):
            list(video.frames())
        assert video.cut_short == "Input/output error"


def test_a_film_of_an_unknown_codec_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        container.mux(stream.encode(picture()))
        container.mux(stream.encode(None))
    content = (tmp_path / "film.avi").read_bytes()
    (tmp_path / "film.avi").write_bytes(content.replace(b"FMP4", b"zzzz"))
    with pytest.raises(DataError, match=r"film\.avi is encoded in a way that FFmpeg cannot decode"):
        Video(tmp_path / "film.avi")


def test_a_name_with_a_colon_is_a_file(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("12:30.mp4").write_bytes(film.read_bytes())
    with Video(Path("12:30.mp4")) as video, FilmWriter(Path("a:b"), "mp4", (160, 120), 30) as out:
        out.write(draw([(40, 40)]), next(video.frames()).time)
    assert Path("a:b").stat().st_size > 500


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.mpg"), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        container.mux(stream.encode(picture()))
        container.mux(stream.encode(None))
    with Video(tmp_path / "film.mpg") as video:
        (frame,) = video.frames()
    assert frame.size == (213, 120)
    assert frame.rgb(120).shape == (68, 120, 3)
    bright = np.asarray(frame.gray()) > 120
    assert bright.shape == (120, 213)
    assert bright.any(axis=0).sum() == pytest.approx(4 / 3 * bright.any(axis=1).sum(), abs=4)


def test_times_go_on_where_another_recording_begins(film: Path, tmp_path: Path) -> None:
    write_film(tmp_path / "once.ts", [draw([(40, 40)])] * 2 * RATE)
    (tmp_path / "twice.ts").write_bytes(2 * (tmp_path / "once.ts").read_bytes())
    with Video(tmp_path / "twice.ts") as video:
        times = [frame.time for frame in video.frames()]
    assert len(times) == 4 * RATE
    assert np.diff(times) == pytest.approx(1 / RATE, abs=0.01)


def test_a_film_is_written_without_the_usual_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    with FilmWriter(tmp_path / "out.mp4", "mp4", (160, 120), 25.0) as writer:
        for time in (0.0, 0.5):
            writer.write(draw([(20, 20)]), time)
    with Video(tmp_path / "out.mp4") as video:
        assert [frame.time for frame in video.frames()] == pytest.approx([0.0, 0.5], abs=0.001)


def test_a_written_film_has_the_frames_and_the_times(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.5, 0.6]
    with FilmWriter(tmp_path / "out.mkv", "matroska", (161, 121), 25.0) as writer:
        for time in times:
            writer.write(draw([(20, 20)], (161, 121)), time)
    with Video(tmp_path / "out.mkv") as video:
        frames = list(video.frames())
    assert [frame.time for frame in frames] == pytest.approx(times, abs=0.002)
    assert frames[0].size == (160, 120)
    assert np.asarray(frames[-1].gray())[22:38, 22:38] == pytest.approx(235, abs=8)


@pytest.mark.parametrize("form", ["mp4", "mov", "matroska", "avi"])
@pytest.mark.parametrize("times", [[0.0, 0.0, 0.0, 0.5], [0.5, 0.2, 0.7], [0.1, 0.1001, 0.1002]])
def test_frames_of_equal_times_are_written_one_after_the_other(
    tmp_path: Path, form: str, times: list[float]
) -> None:
    with FilmWriter(tmp_path / "out", form, (160, 120), 25.0) as writer:
        for time in times:
            writer.write(draw([(20, 20)]), time)
    with Video(tmp_path / "out") as video:
        assert len(list(video.frames())) == len(times)


def test_what_ffmpeg_refuses_to_write_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot write frames of 160 x 120 pixels as nonsense: "):
        FilmWriter(tmp_path / "out", "nonsense", (160, 120), 25.0)
    with (
        pytest.raises(DataError, match="cannot write frames of 20000 x 20000 pixels as mp4: "),
        FilmWriter(tmp_path / "out", "mp4", (20_000, 20_000), 25.0) as writer,
    ):
        writer.write(draw([]), 0.0)


def test_a_timeline_sums_up_each_face(film: Path, tmp_path: Path) -> None:
    timeline = Timeline(CLASSES)
    for moment in watch(film):
        timeline.add(moment)
    assert timeline.frames == 3 * RATE
    assert timeline.seconds == pytest.approx(3 - 1 / RATE)
    first, second = timeline.longest(5)
    assert (first.track, first.frames, first.first) == (1, 3 * RATE, 0)
    assert second.first == pytest.approx(1, abs=0.1)
    assert second.last == pytest.approx(2, abs=0.15)
    assert first.shares.sum() == pytest.approx(1)
    assert sum(count for _, count in first.steps.values()) == first.frames
    for suffix, start in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        write_timeline(timeline, tmp_path / f"line.{suffix}", "film $1")
        assert (tmp_path / f"line.{suffix}").read_bytes().startswith(start)


def test_a_timeline_of_hours_is_no_larger(film: Path) -> None:
    (moment, *_) = watch(film)
    timeline = Timeline(CLASSES)
    for hour in range(40):
        frame = Frame(hour, hour * 900.0, moment.frame.picture)
        timeline.add(Moment(frame, moment.faces))
    (one,) = timeline.longest(5)
    assert max(one.steps) < 600
    assert sum(count for _, count in one.steps.values()) == one.frames == 40


@pytest.mark.parametrize("rate", [2, 5, 9.9, 10, 30])
@pytest.mark.parametrize("is_away", [False, True])
def test_a_timeline_has_gaps_where_a_face_was_away_and_nowhere_else(
    film: Path, tmp_path: Path, rate: float, is_away: bool
) -> None:
    (moment, *_) = watch(film)
    timeline = Timeline(CLASSES)
    for number in range(60):
        faces = () if is_away and 20 <= number < 30 else moment.faces
        timeline.add(Moment(Frame(number, number / rate, moment.frame.picture), faces))
    write_timeline(timeline, tmp_path / "line.svg", "film")
    areas = re.findall(r'id="\w*PolyCollection_\d+"', (tmp_path / "line.svg").read_text())
    assert len(areas) == len(CLASSES) * (2 if is_away else 1)


def test_a_timeline_without_faces_says_so(tmp_path: Path) -> None:
    write_timeline(Timeline(CLASSES), tmp_path / "line.png", "nobody")
    with Image.open(tmp_path / "line.png") as image:
        assert image.width > 900
