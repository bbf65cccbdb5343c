"""Pictures out of the bodies of requests: in memory, with an end to size and time."""

import asyncio
import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Protocol

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ferboost.serving.intake import Held
from ferboost.serving.limits import Limits
from ferboost.serving.problems import ProblemError

__all__ = ["FIELD", "PicturesInJson", "read_pictures"]

#: The name of a part that holds a picture, and of the list in JSON.
FIELD = "pictures"

_ACCEPTED = "multipart/form-data, application/json, application/octet-stream, image/*"
# Of a part's headers; browsers send 3.
_MOST_HEADERS = 8
_DATA_URL = "data:"
_IN_THREAD_BYTES = 2**18


class PicturesInJson(BaseModel):
    """Pictures as JSON holds them."""

    model_config = ConfigDict(
        extra="forbid", title="Pictures", json_schema_extra={"required": ["pictures"]}
    )

    pictures: Annotated[list[str], Field(min_length=1)]
    """Encoded images in base64 (RFC 4648), with or without ``data:image/...;base64,`` before."""


class _Sink(Protocol):
    def write(self, data: bytes) -> object: ...

    def pictures(self) -> list[bytes]: ...


async def read_pictures(request: Request, limits: Limits, held: Held) -> list[bytes]:
    """Read the encoded images out of a request.

    Parameters
    ----------
    request : Request
        Its body: ``multipart/form-data`` with any number of parts named `FIELD`; an image; or JSON,
        see `PicturesInJson`.
    limits : Limits
    held : Held
        Counts what is read.

    Raises
    ------
    ProblemError
        If the body is of another form, too large or too slow, or there is no room for it.
    """
    sink = _sink_for(request, limits)
    try:
        async with asyncio.timeout(limits.body_seconds):
            await _receive(request, limits, held, sink)
    except TimeoutError:
        raise ProblemError(
            408,
            f"the body did not arrive within {limits.body_seconds:g} seconds; send fewer or "
            "smaller pictures",
            {"Connection": "close"},
        ) from None
    if isinstance(sink, _Json) and len(sink.body) > _IN_THREAD_BYTES:
        return await asyncio.to_thread(sink.pictures)
    return sink.pictures()


def _sink_for(request: Request, limits: Limits) -> _Sink:
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise ProblemError(
            415,
            "the body is compressed, which is not understood; send it as it is",
            {"Accept-Encoding": "identity"},
        )
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind == b"multipart/form-data":
        return _Multipart(options.get(b"boundary", b""), limits)
    if kind == b"application/json":
        return _Json(limits)
    if kind.startswith(b"image/") or kind == b"application/octet-stream":
        return _Raw()
    raise ProblemError(
        415,
        f"the Content-Type is none of {_ACCEPTED}; say what the body is",
        {"Accept-Post": _ACCEPTED},
    )


async def _receive(request: Request, limits: Limits, held: Held, sink: _Sink) -> None:
    _require_size(_announced_size(request), limits)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        _require_size(size, limits)
        held.take(len(chunk))
        sink.write(chunk)


def _announced_size(request: Request) -> int:
    size = request.headers.get("content-length", "0")
    return int(size) if size.isdecimal() else 0


def _require_size(size: int, limits: Limits) -> None:
    if size > limits.body_bytes:
        raise ProblemError(
            413,
            f"the body has more than {limits.body_bytes:,} bytes; send fewer or smaller pictures",
        )


def _too_many(limits: Limits) -> ProblemError:
    return ProblemError(
        413, f"a request holds at most {limits.pictures} pictures; send the others in another"
    )


class _Raw:
    """One picture is the body."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.write: Callable[[bytes], None] = self.body.extend

    def pictures(self) -> list[bytes]:
        return [bytes(self.body)]


class _Json(_Raw):
    """The body is JSON."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits

    def pictures(self) -> list[bytes]:
        try:
            texts = PicturesInJson.model_validate_json(self.body).pictures
        except ValidationError as error:
            raise _wrong_json(error) from None
        if len(texts) > self._limits.pictures:
            raise _too_many(self._limits)
        self.body.clear()
        return [_from_base64(text, place) for place, text in enumerate(texts)]


def _wrong_json(error: ValidationError) -> ProblemError:
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return ProblemError(400, f"the body is not JSON ({first['ctx']['error']})")
    where = "".join(f"[{key}]" if isinstance(key, int) else key for key in first["loc"][:2])
    reason = first["msg"][:1].lower() + first["msg"][1:]
    return ProblemError(
        422,
        f'the JSON is not {{"{FIELD}": [base64, ...]}}: {where[:80] or "it"}: {reason}',
    )


def _from_base64(text: str, place: int) -> bytes:
    encoded = text.partition(",")[2] if text.startswith(_DATA_URL) else text
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ProblemError(422, f"{FIELD}[{place}] is not base64 (RFC 4648, section 4)") from None


class _Multipart:
    """Each part named `FIELD` is a picture."""

    def __init__(self, boundary: bytes, limits: Limits) -> None:
        self._limits = limits
        self._parts: list[bytearray] = []
        self._name = bytearray()
        self._value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._is_complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._add_name,
                    "on_header_value": self._add_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._add_data,
                    "on_end": self._end,
                },
                max_header_count=_MOST_HEADERS,
            )
        except FormParserError:
            boundary = b""
        if not boundary:
            raise ProblemError(
                400, "the Content-Type names no boundary between the parts, or none that can be"
            )

    def write(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError:
            raise ProblemError(
                400, "the body is no multipart/form-data with the boundary that the header names"
            ) from None

    def pictures(self) -> list[bytes]:
        if not self._is_complete:
            raise ProblemError(400, "the body ends before its last boundary")
        if not self._parts:
            raise ProblemError(422, f"the form has no part; send pictures as parts named {FIELD}")
        return [bytes(part) for part in self._parts]

    def _begin(self) -> None:
        if len(self._parts) == self._limits.pictures:
            raise _too_many(self._limits)
        self._headers = {}
        self._parts.append(bytearray())

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[bytes(self._name.lower())] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if options.get(b"name") != FIELD.encode():
            raise ProblemError(
                422,
                f"part {len(self._parts)} of the form has another name than {FIELD}; settings "
                "belong into the query, pictures into parts of that name",
            )
        encoding = self._headers.get(b"content-transfer-encoding", b"binary").strip().lower()
        if encoding not in (b"binary", b"8bit", b"7bit"):
            raise ProblemError(
                415, f"part {len(self._parts)} of the form is encoded; send its bytes as they are"
            )

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._parts[-1] += data[start:end]

    def _end(self) -> None:
        self._is_complete = True
