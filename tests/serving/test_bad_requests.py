"""Whatever comes, the answer is a problem in one sentence, and never a failure of the server."""

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from services import Gate, encoded, face
from starlette.testclient import TestClient

from ferboost.serving import Limits, create_app

LIMITS = Limits(pictures=3, body_bytes=20_000, pixels=10_000)
URL = "/v1/predict"


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = create_app(Gate(), limits=LIMITS, workers=2)
    with TestClient(app, raise_server_exceptions=True) as client:
        yield client


def body(content: bytes | str, kind: str | None) -> dict[str, Any]:
    return {"content": content, "headers": {} if kind is None else {"Content-Type": kind}}


def form(*parts: str, boundary: str = "x", end: str = "--x--\r\n") -> dict[str, Any]:
    text = "".join(f"--x\r\n{part}\r\n" for part in parts) + end
    return body(text, f"multipart/form-data; boundary={boundary}")


def png_of_size(width: int, height: int) -> bytes:
    """Return a PNG that says it is large, with next to nothing inside."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


PICTURE = 'Content-Disposition: form-data; name="pictures"; filename="a.png"\r\n\r\n'

BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "no body": ({}, 415, "Content-Type"),
    "no type": (body(face(), None), 415, "multipart/form-data"),
    "another type": (body(face(), "text/html"), 415, "multipart/form-data"),
    "a type that is none": (
        body(face(), ";;="),
        415,
        "none of",
    ),
    "compressed": (
        {"content": b"x", "headers": {"Content-Type": "image/png", "Content-Encoding": "gzip"}},
        415,
        "compressed",
    ),
    "empty image": (body(b"", "image/png"), 422, "empty"),
    "no image": (body(b"hello", "image/png"), 422, "not an image in a known format"),
    "cut image": (body(face()[:200], "image/png"), 422, "damaged"),
    "SVG": (body("<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"), 422, "format"),
    "PostScript": (body("%!PS-Adobe-3.0 EPSF-3.0\n", "image/png"), 422, "format"),
    "bomb": (body(png_of_size(60_000, 60_000), "image/png"), 422, "pixels"),
    "more pixels than allowed": (body(png_of_size(101, 100), "image/png"), 422, "pixels"),
    "large body": (body(bytes(20_001), "image/png"), 413, "20,000 bytes"),
    "large form": (form(PICTURE + "x" * 20_000), 413, "20,000 bytes"),
    "large JSON": (body('{"pictures": ["' + "A" * 20_000, "application/json"), 413, "20,000 bytes"),
    "empty JSON": (body("", "application/json"), 400, "not JSON"),
    "half JSON": (body('{"pictures": ["', "application/json"), 400, "not JSON"),
    "deep JSON": (body("[" * 19_000, "application/json"), 400, "not JSON"),
    "JSON in UTF-16": (
        body('{"pictures": []}'.encode("utf-16"), "application/json"),
        400,
        "not JSON",
    ),
    "JSON list": ({"json": []}, 422, "it: "),
    "JSON without pictures": ({"json": {}}, 422, "pictures: field required"),
    "JSON with more": ({"json": {"pictures": ["AA=="], "coverage": 1}}, 422, "coverage: "),
    "JSON with null": ({"json": {"pictures": None}}, 422, "pictures: "),
    "JSON with numbers": ({"json": {"pictures": ["AA==", 1]}}, 422, "pictures[1]: "),
    "JSON with none": ({"json": {"pictures": []}}, 422, "pictures: "),
    "no base64": ({"json": {"pictures": ["AA==", "%%%"]}}, 422, "pictures[1] is not base64"),
    "base64 of URLs": ({"json": {"pictures": ["__-_"]}}, 422, "pictures[0] is not base64"),
    "base64 beyond ASCII": ({"json": {"pictures": ["é"]}}, 422, "pictures[0] is not base64"),
    "an address": ({"json": {"pictures": ["http://a.example/a.png"]}}, 422, "not base64"),
    "many in JSON": ({"json": {"pictures": ["AA=="] * 4}}, 413, "at most 3 pictures"),
    "many in JSON, not even decoded": (
        {"json": {"pictures": ["%%%"] * 4}},
        413,
        "at most 3 pictures",
    ),
    "many in a form": (form(*[PICTURE + "a"] * 4), 413, "at most 3 pictures"),
    "no boundary": (body("x", "multipart/form-data"), 400, "boundary"),
    "long boundary": (body("x", "multipart/form-data; boundary=" + "x" * 300), 400, "boundary"),
    "another boundary": (form(PICTURE + "a", boundary="y"), 400, "no multipart/form-data"),
    "empty form": (body("", "multipart/form-data; boundary=x"), 400, "last boundary"),
    "form of nothing": (form(), 422, "no part"),
    "form without end": (form(PICTURE + "a", end=""), 400, "last boundary"),
    "form without headers": (form("\r\na"), 422, "another name"),
    "form with many headers": (form("A: b\r\n" * 20 + PICTURE), 400, "no multipart/form-data"),
    "form with a long header": (form("A: " + "b" * 9000 + "\r\n" + PICTURE), 400, "no multipart"),
    "another name": (
        form('Content-Disposition: form-data; name="file"\r\n\r\na'),
        422,
        "another name",
    ),
    "part in base64": (
        form("Content-Transfer-Encoding: base64\r\n" + PICTURE + "AA=="),
        415,
        "encoded",
    ),
    "all unreadable": (form(PICTURE + "a", PICTURE + "b"), 422, "known format"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_body_is_a_problem_in_one_sentence(client: TestClient, case: str) -> None:
    given, status, words = BAD[case]
    answer = client.post(URL, **given)
    assert_problem(answer, status, words)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("faces=some", "'faces' in the query: input should be 'auto', 'detect' or 'whole'"),
        ("faces=", "'faces' in the query"),
        ("coverage=high", "'coverage' in the query"),
        ("coverage=1", "'coverage' in the query: input should be less than 1"),
        ("coverage=nan", "'coverage' in the query"),
        ("coverage=0.999", "a coverage lies between 0 and 0.99"),
        ("face=whole", "'face' in the query: unknown; known are faces and coverage"),
        ("%00=%ff", "unknown"),
    ],
)
def test_a_bad_query_is_a_problem(client: TestClient, query: str, words: str) -> None:
    assert_problem(client.post(f"{URL}?{query}", **body(face(), "image/png")), 422, words)


def test_a_path_or_method_that_is_none_is_a_problem(client: TestClient) -> None:
    for path in ("/", "/v1", "/v1/predict/", "/docs", "/v1/../../etc/passwd", "/%00"):
        assert_problem(client.get(path), 404, "/openapi.json")
    answer = client.put(URL)
    assert_problem(answer, 405, "takes POST")
    assert answer.headers["Allow"] == "POST"


def test_a_wrong_type_is_told_what_is_understood(client: TestClient) -> None:
    answer = client.post(URL, **body(b"", "text/plain"))
    assert "image/*" in answer.headers["Accept-Post"]


def test_a_coverage_that_the_model_cannot_give_is_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictor = Gate()
    object.__setattr__(predictor.info, "sets", None)
    with TestClient(create_app(predictor)) as client:
        answer = client.post(f"{URL}?coverage=0.9", **body(face(), "image/png"))
    assert_problem(answer, 422, "not calibrated")


KINDS = st.sampled_from(
    ["image/png", "application/json", "multipart/form-data; boundary=x", "multipart/form-data"]
)
PIECES = st.sampled_from(
    [
        b"--x",
        b"\r\n",
        b"--x--",
        b"\r\n\r\n",
        PICTURE.encode(),
        face(),
        face()[:99],
        b'{"pictures":',
        b"[",
        b'"',
        b"]}",
        base64.b64encode(face()),
        b"\x00",
        b"\xff\xfe",
        b"Content-Disposition:",
    ]
)


@given(KINDS, st.lists(PIECES | st.binary(max_size=40), max_size=9).map(b"".join))
def test_no_body_makes_the_server_fail(client: TestClient, kind: str, content: bytes) -> None:
    answer = client.post(URL, **body(content, kind))
    assert answer.status_code in {200, 400, 413, 415, 422}
    if answer.status_code != 200:
        assert_problem(answer, answer.status_code, "")


@given(st.data())
def test_no_damaged_picture_makes_the_server_fail(client: TestClient, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["png", "jpeg", "gif", "tiff", "webp", "bmp", "ppm"]))
    content = bytearray(encoded(Image.new("L", (48, 48), 90), form))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    answer = client.post(URL, **body(bytes(content), "image/png"))
    assert answer.status_code in {200, 422}


def assert_problem(answer: Any, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(answer.content)
    assert set(problem) == {"type", "title", "status", "detail"}
    assert problem["status"] == status
    assert words in problem["detail"]
    assert "\n" not in problem["detail"]
    assert 10 < len(problem["detail"]) < 400
