"""``ferboost predict`` on a film or a camera."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ferboost.cli.console import ConsoleMonitor, one_line, print_json_list

if TYPE_CHECKING:
    from ferboost.inference.faces import Detector
    from ferboost.inference.films import Moment, TrackedPrediction
    from ferboost.inference.photos import Classifier
    from ferboost.inference.timeline import Appearance, Timeline
    from ferboost.inference.video import Video
    from ferboost.progress import Tell

__all__ = ["FilmOutputs", "predict_one_film"]

#: The containers that annotated films are written as, by the ending of their name.
_CONTAINERS = {".avi": "avi", ".m4v": "mp4", ".mkv": "matroska", ".mov": "mov", ".mp4": "mp4"}
_FIGURES = (".pdf", ".png", ".svg")

_Sink = Callable[["Moment"], None]


@dataclass(frozen=True)
class FilmOutputs:
    """Where what a film shows is written, and whether JSON is printed."""

    csv: Path | None
    parquet: Path | None
    annotate: Path | None
    timeline: Path | None
    json: bool


def predict_one_film(
    source: Path | int,
    classifier: "Classifier",
    classes: Sequence[str],
    detector: "Detector",
    outputs: FilmOutputs,
    looks: float,
) -> None:
    """Tell the emotions in a film, or before a camera until the user stops it."""
    from ferboost.errors import DataError
    from ferboost.inference.films import predict_film
    from ferboost.inference.timeline import Timeline, write_timeline
    from ferboost.inference.video import Video

    _check_outputs(outputs)
    is_camera = isinstance(source, int)
    name = f"camera {source}" if isinstance(source, int) else one_line(source.name)
    timeline = Timeline(classes)
    with Video(source) as video, ExitStack() as open_outputs:
        sinks: list[_Sink] = [timeline.add, *_open_outputs(outputs, classes, video, open_outputs)]
        if is_camera and not outputs.json:
            sinks.append(_Changes())
        moments = predict_film(video.frames(), classifier, detector, looks=looks)
        watched = _watch(moments, sinks, video, stoppable=is_camera)
        if outputs.json:
            print_json_list(_records(watched))
        else:
            for _ in watched:
                pass
    if outputs.timeline is not None:
        write_timeline(timeline, outputs.timeline, name)
    if not outputs.json:
        _say(name, timeline, outputs)
    if video.cut_short:
        raise DataError(
            f"{name} could be read up to frame {timeline.frames:,} only ({video.cut_short}); "
            "what was read is written"
        )
    if video.lost and not is_camera:
        raise DataError(
            f"{video.lost:,} damaged pieces of {name} could not be decoded; their frames are left "
            "out of what is written"
        )


def _check_outputs(outputs: FilmOutputs) -> None:
    from ferboost.errors import SettingsError
    from ferboost.inference.timeline import require_figures

    if outputs.timeline is not None:
        if outputs.timeline.suffix.lower() not in _FIGURES:
            raise SettingsError(
                f"--timeline {outputs.timeline} ends in none of: {', '.join(_FIGURES)}"
            )
        require_figures()
    if outputs.annotate is not None and outputs.annotate.suffix.lower() not in _CONTAINERS:
        raise SettingsError(
            f"--annotate {outputs.annotate} is to be a film, and ends in none of: "
            f"{', '.join(_CONTAINERS)}"
        )


def _watch(
    moments: "Iterator[Moment]", sinks: Sequence[_Sink], video: "Video", *, stoppable: bool
) -> "Iterator[Moment]":
    start = time.monotonic()
    with (
        ConsoleMonitor().stage("predict") as tell,
        closing(moments),  # type: ignore[type-var]  # a generator
        _stoppable() if stoppable else nullcontext(threading.Event()) as stopped,
    ):
        for number, moment in enumerate(moments, start=1):
            for sink in sinks:
                sink(moment)
            yield moment
            _tell_rate(tell, number, video.count, time.monotonic() - start)
            if stopped.is_set():
                break


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """Yield what Ctrl-C sets, so that no frame is left half done; a second one ends at once."""
    stopped = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def stop(*_: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


def _tell_rate(tell: "Tell", number: int, count: int, seconds: float) -> None:
    total = max(count, number + 1) if count else 0  # a camera has no end
    tell(number, total, f"{number / max(seconds, 1e-6):,.0f} frames/s")


def _open_outputs(
    outputs: FilmOutputs, classes: Sequence[str], video: "Video", stack: ExitStack
) -> Iterator[_Sink]:
    from ferboost.inference.tables import csv_table, parquet_table

    columns = _columns(classes)
    for path, table in ((outputs.csv, csv_table), (outputs.parquet, parquet_table)):
        if path is not None:
            write = stack.enter_context(table(path, columns))

            def add(moment: "Moment", write: Any = write) -> None:
                for face in moment.faces:
                    write(_row(moment, face))

            yield add
    if outputs.annotate is not None:
        yield stack.enter_context(_Drawing(outputs.annotate, video.rate))


class _Drawing(ExitStack):
    """Writes frames with captions; its size is known when the first one is there."""

    def __init__(self, path: Path, rate: float) -> None:
        super().__init__()
        from ferboost.files import atomic_path

        self._rate = rate
        self._form = _CONTAINERS[path.suffix.lower()]
        self._temporary = self.enter_context(atomic_path(path))
        self._writer: Any = None

    def __call__(self, moment: "Moment") -> None:
        from PIL import Image

        from ferboost.inference.annotating import annotate
        from ferboost.inference.video import FilmWriter

        image = Image.fromarray(moment.frame.rgb())
        drawn = annotate(image, [face.prediction for face in moment.faces])
        if self._writer is None:
            writer = FilmWriter(self._temporary, self._form, drawn.size, self._rate)
            self._writer = self.enter_context(writer)
        self._writer.write(drawn, moment.frame.time)


class _Changes:
    """Prints a line whenever a face shows another emotion."""

    def __init__(self) -> None:
        self._last: dict[int, str] = {}

    def __call__(self, moment: "Moment") -> None:
        for face in moment.faces:
            prediction = face.prediction
            if self._last.get(face.track) != prediction.emotion:
                self._last[face.track] = prediction.emotion
                typer.echo(
                    f"{moment.frame.time:.1f} s, face {face.track}: {prediction.emotion} "
                    f"{prediction.probability:.0%}"
                )


def _columns(classes: Sequence[str]) -> Any:
    numbers = (*classes, "left", "top", "right", "bottom", "score")
    start = {"time": "number", "frame": "whole", "face": "whole", "emotion": "text"}
    shares = {"probability": "number", **dict.fromkeys(numbers, "number")}
    return {**start, **shares, "warning": "text"}


def _row(moment: "Moment", face: "TrackedPrediction") -> list[str | int | float | None]:
    prediction = face.prediction
    place = (None,) * 5
    if prediction.face is not None:
        place = (*prediction.face.box, prediction.face.score)  # type: ignore[assignment]
    start = (round(moment.frame.time, 6), moment.frame.number, face.track, prediction.emotion)
    return [*start, prediction.probability, *prediction.shares, *place, prediction.warning]


def _records(moments: "Iterable[Moment]") -> Iterator[dict[str, Any]]:
    for moment in moments:
        for face in moment.faces:
            content = face.prediction.to_dict()
            del content["source"]
            place = content.pop("face")
            start = {"time": moment.frame.time, "frame": moment.frame.number, "face": face.track}
            yield start | content | place


def _say(name: str, timeline: "Timeline", outputs: FilmOutputs) -> None:
    count = len(timeline.appearances)
    typer.echo(
        f"{name}: {timeline.frames:,} frames, {_clock(timeline.seconds)}, "
        f"{count:,} {'face' if count == 1 else 'faces'}"
    )
    for one in timeline.longest(10):
        typer.echo(f"  face {one.track}, {_describe(one, timeline.classes)}")
    for path in (outputs.csv, outputs.parquet, outputs.annotate, outputs.timeline):
        if path is not None:
            typer.echo(f"  {path}")


def _describe(one: "Appearance", classes: Sequence[str]) -> str:
    ranked = sorted(zip(classes, one.shares, strict=True), key=lambda item: -item[1])
    shown = ", ".join(f"{name} {share:.0%}" for name, share in ranked[:3])
    return f"{_clock(one.first)} to {_clock(one.last)}: {shown} on average"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"
