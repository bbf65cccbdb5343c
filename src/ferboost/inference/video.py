"""Films and cameras: frames with their times, and annotated films, by FFmpeg (PyAV)."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ferboost.errors import DataError
from ferboost.extras import needed_for

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

__all__ = ["VIDEO_SUFFIXES", "FilmWriter", "Frame", "Video"]

#: File name endings that are read as films.
VIDEO_SUFFIXES = frozenset(
    {
        ".3gp",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".ts",
        ".webm",
        ".wmv",
    }
)

_MAX_PIXELS = 64_000_000
# So many packets one after the other that cannot be read or decoded end a film.
_MOST_DAMAGED = 100
# What a camera is asked for again after, where it has no frame yet.
_SECONDS_OF_PATIENCE = 0.005
# Times that go back further are those of another recording that was put behind the first.
_LONGEST_STEP_BACK = 1.0
# What else a file may say of the shape of its pixels is a mistake.
_PIXEL_WIDTHS = (0.2, 5.0)


# What converts frames keeps its tables for the next one, and serves one thread alone.
_of_thread = threading.local()


def _reformatter(form: str) -> Any:
    known = _of_thread.__dict__.setdefault("reformatters", {})
    if form not in known:
        from av.video.reformatter import VideoReformatter

        known[form] = VideoReformatter()
    return known[form]


def _load_av() -> Any:
    """Return the module, or say what to install."""
    with needed_for("video"):
        import av
        import av.error
    av.logging.set_level(None)  # FFmpeg would write of damaged frames to standard error itself
    return av


@dataclass(frozen=True)
class Frame:
    """A frame of a film.

    Attributes
    ----------
    number : int
        From 0.
    time : float
        When it is shown, in seconds from the first frame.
    picture : av.VideoFrame
        As it was decoded.
    quarter_turns : int
        How often it has to be turned by 90 degrees, against the clock, to be upright.
    pixel_width : float
        Of a pixel as it was recorded, whose height is 1; those of DVDs are not square. Sizes and
        pixels here are square.
    """

    number: int
    time: float
    picture: "VideoFrame"
    quarter_turns: int = 0
    pixel_width: float = 1.0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright."""
        width, height = self._shown_size
        return (height, width) if self.quarter_turns % 2 else (width, height)

    def gray(self) -> Image.Image:
        """Return the frame in gray, mode L, upright."""
        return Image.fromarray(self._pixels("gray", None))

    def rgb(self, longest_side: int | None = None) -> NDArray[np.uint8]:
        """Return the frame, uint8 of shape (height, width, 3), upright, no larger than asked."""
        return self._pixels("rgb24", longest_side)

    @property
    def _shown_size(self) -> tuple[int, int]:
        return max(1, round(self.picture.width * self.pixel_width)), self.picture.height

    def _pixels(self, form: str, longest_side: int | None) -> NDArray[np.uint8]:
        width, height = self._shown_size
        scale = 1.0 if longest_side is None else min(1.0, longest_side / max(width, height))
        shape = (max(1, round(width * scale)), max(1, round(height * scale)))
        converted = _reformatter(form).reformat(
            self.picture, *shape, format=form, interpolation="AREA"
        )
        turned: NDArray[np.uint8] = np.rot90(converted.to_ndarray(), self.quarter_turns)
        return np.ascontiguousarray(turned)


class Video:
    """A film or a camera, opened for reading.

    Parameters
    ----------
    source : Path or int
        A file, or the number of a camera.

    Attributes
    ----------
    rate : float
        Frames a second, on average.
    count : int
        How many frames there are, 0 where that is not known.
    cut_short : str
        Why `frames` ended before the film did; empty where it did not.
    lost : int
        Pieces of the film that could not be read or decoded so far; each is a frame or so.

    Raises
    ------
    DataError
        If it is no film, or cannot be opened.
    MissingExtraError
        If PyAV is not installed.
    """

    def __init__(self, source: Path | int) -> None:
        self._av = _load_av()
        self._name = f"camera {source}" if isinstance(source, int) else str(source)
        self._container = self._open(source)
        if not self._container.streams.video:
            self._container.close()
            raise DataError(f"{self._name} holds no pictures, only sound or text")
        self._stream = self._container.streams.video[0]
        if self._stream.codec_context is None:
            self._container.close()
            raise DataError(f"{self._name} is encoded in a way that FFmpeg cannot decode")
        self._stream.thread_type = "AUTO"
        width, height = self._stream.codec_context.width, self._stream.codec_context.height
        if width * height > _MAX_PIXELS:
            self._container.close()
            raise DataError(
                f"{self._name} has frames of {width} x {height} pixels; at most "
                f"{_MAX_PIXELS:,} pixels are decoded"
            )
        self.rate = float(self._stream.average_rate or self._stream.guessed_rate or 25)
        self.count = self._stream.frames or self._count_by_duration()
        self.cut_short = ""
        self.lost = 0

    def _open(self, source: Path | int) -> "InputContainer":
        container: InputContainer
        try:
            if isinstance(source, int):
                name, kind, options = _camera(source)
                container = self._av.open(name, format=kind, options=options)
                return container
            if source.exists() and not source.is_file():
                raise DataError(f"{source} is a folder, a pipe or a device; expected a film")
            container = self._av.open(_as_file(source), metadata_errors="replace")
        except self._av.error.FFmpegError as error:
            reason = error.strerror or "cannot be decoded"
            raise DataError(f"cannot read {self._name} as a film: {reason}") from error
        except ValueError as error:
            raise DataError(f"cannot read {self._name} as a film: {error}") from error
        return container

    def _count_by_duration(self) -> int:
        seconds = (self._container.duration or 0) / int(self._av.time_base)
        return max(0, round(seconds * self.rate))

    def frames(self) -> Iterator[Frame]:
        """Decode the frames one after the other; what is damaged is passed over.

        Raises
        ------
        DataError
            If not one frame can be decoded.
        """
        number, last, start = 0, 0.0, None
        pixel_width = self._pixel_width()
        for picture in self._pictures():
            shown = float(number / self.rate if picture.time is None else picture.time)
            if start is None:
                start = shown
            elif shown - start < last - _LONGEST_STEP_BACK:
                start = shown - last - 1 / self.rate
            # Times that stand still or go back, as in cut films, would confuse whoever reads them.
            last = max(shown - start, last + 1e-6) if number else 0.0
            yield Frame(number, last, picture, _quarter_turns(picture), pixel_width)
            number += 1
        if not number:
            raise DataError(f"no frame of {self._name} can be decoded; the file is damaged")

    def _pixel_width(self) -> float:
        width = float(self._stream.codec_context.sample_aspect_ratio or 1)
        least, most = _PIXEL_WIDTHS
        return width if least <= width <= most else 1.0

    def _pictures(self) -> Iterator["VideoFrame"]:
        damaged, reason = 0, ""
        packets = self._container.demux(self._stream)
        while damaged < _MOST_DAMAGED:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
            except self._av.error.EOFError:
                return
            except self._av.error.FFmpegError as error:
                if isinstance(error, BlockingIOError):  # a camera that has no frame yet
                    time.sleep(_SECONDS_OF_PATIENCE)
                else:
                    damaged, reason = damaged + 1, error.strerror or "cannot be read"
                    self.lost += 1
                packets = self._container.demux(self._stream)  # what has raised gives no more
                continue
            try:
                pictures = packet.decode()
            except self._av.error.EOFError:
                return
            except self._av.error.FFmpegError as error:
                damaged, reason = damaged + 1, error.strerror or "cannot be decoded"
                self.lost += 1
                continue
            damaged = 0 if pictures else damaged
            yield from pictures
        self.cut_short = reason

    def close(self) -> None:
        """Close the file or the camera."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FilmWriter(AbstractContextManager["FilmWriter"]):
    """Writes a film without sound, H.264 where FFmpeg has it, with the times of another's frames.

    A frame whose time is not after that of the one before is shown at the next time that the
    container can tell apart.

    Parameters
    ----------
    path : Path
    form : str
        The container, such as ``"mp4"``.
    size : tuple of int
        Width and height; odd ones lose a line.
    rate : float

    Raises
    ------
    DataError
        If FFmpeg refuses the container, the size or a frame.
    """

    def __init__(self, path: Path, form: str, size: tuple[int, int], rate: float) -> None:
        self._av = _load_av()
        self._form = form
        self._size = (max(2, size[0] // 2 * 2), max(2, size[1] // 2 * 2))
        self._last = -1
        with self._refusals():
            self._container = self._av.open(_as_file(path), "w", format=form)
        codec, ticks, options = _encoder(self._av)
        self._stream = self._container.add_stream(
            codec, rate=Fraction(rate).limit_denominator(1001), options=options
        )
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, ticks)
        with self._refusals():
            self._container.start_encoding()
        # The container's own can be coarser: 1/1000 s in Matroska, 1/600 s in AVI.
        self._tick = self._stream.time_base

    def write(self, image: Image.Image, time: float) -> None:
        """Add a frame, mode RGB, shown at a time in seconds."""
        pixels = np.asarray(image)[: self._size[1], : self._size[0]]
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        self._last = max(round(time / self._tick), self._last + 1)
        frame.pts, frame.time_base = self._last, self._tick
        with self._refusals():
            self._container.mux(self._stream.encode(frame))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            with suppress(self._av.error.FFmpegError):  # what went wrong is known already
                self._container.close()
            return
        with self._refusals():
            try:
                self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, self._av.error.FFmpegError) as error:
            if isinstance(error, OSError):  # a full disk, say: whoever names the file says so
                raise
            width, height = self._size
            reason = getattr(error, "strerror", None) or error
            raise DataError(
                f"cannot write frames of {width} x {height} pixels as {self._form}: {reason}"
            ) from error


def _as_file(path: Path) -> str:
    """Return a name that FFmpeg does not take for an address, as it would ``12:30.mp4``."""
    return str(path.absolute())


def _encoder(av: Any) -> tuple[str, int, dict[str, str]]:
    """Return a codec, how many steps of time it has a second, and how it is to encode."""
    if "libx264" in av.codecs_available:
        return "libx264", 90_000, {"preset": "veryfast", "crf": "21"}
    return "mpeg4", 60_000, {"qscale": "3"}  # it can have 65,535 at most


def _camera(number: int) -> tuple[str, str, dict[str, str]]:
    """Return the name of a camera, what reads it, and how."""
    kinds: dict[str, tuple[str, str, dict[str, str]]] = {
        "linux": (f"/dev/video{number}", "v4l2", {}),
        # By default FFmpeg asks there for 29.97 frames a second, which few cameras have.
        "darwin": (str(number), "avfoundation", {"framerate": "30"}),
    }
    if sys.platform not in kinds:
        raise DataError("cameras are read on Linux and macOS alone; film first, and give the file")
    return kinds[sys.platform]


def _quarter_turns(picture: "VideoFrame") -> int:
    return round(getattr(picture, "rotation", 0) / 90) % 4
