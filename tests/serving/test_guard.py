"""Who may ask, what every answer carries, and that nothing of a request is kept."""

import base64
import logging
import os
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from services import Gate, encoded, face
from starlette.testclient import TestClient

from ferboost.page import page_files
from ferboost.progress import Tell
from ferboost.serving import Limits, create_app

TOKEN = "a-token-of-the-tests"  # noqa: S105
PRIVATE = ("/v1/models", "/metrics", "/", "/models/emotions.onnx")
OPEN = ("/healthz", "/readyz", "/openapi.json")
SECRET = "Geheimnis"  # noqa: S105


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = create_app(Gate(), token=TOKEN, hosts=["localhost"], page=page_files())
    with TestClient(app) as client:
        yield client


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()


def as_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}", f"bearer  {TOKEN}", basic(TOKEN)])
def test_who_brings_the_token_is_answered(client: TestClient, authorization: str) -> None:
    for path in PRIVATE:
        assert client.get(path, headers={"Authorization": authorization}).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        TOKEN,
        f"Digest {TOKEN}",
        basic("wrong"),
        "Basic %%%",
        f"Basic {TOKEN}",
        b"Bearer \xff\xfe",
    ],
)
def test_who_does_not_is_refused(client: TestClient, authorization: str | bytes) -> None:
    for path in PRIVATE:
        answer = client.get(path, headers=[(b"Authorization", as_bytes(authorization))])
        assert answer.status_code == 401
        assert answer.json()["detail"].startswith("this needs the server's token")
        assert "Bearer" in answer.headers["WWW-Authenticate"]
    assert client.post("/v1/predict", content=face()).status_code == 401


def test_probes_and_the_description_need_no_token(client: TestClient) -> None:
    for path in OPEN:
        assert client.get(path).status_code == 200


def test_without_a_token_only_the_known_names_are_answered() -> None:
    with TestClient(create_app(Gate(), hosts=["localhost", "127.0.0.1", "::1"])) as client:
        for host in ("localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "[::1]"):
            assert client.get("/v1/models", headers={"Host": host}).status_code == 200
        for host in ("evil.example", "localhost.evil.example", "", "[::2]", "127.0.0.1.x:80"):
            answer = client.get("/v1/models", headers={"Host": host})
            assert answer.status_code == 421
            assert "--allow-host" in answer.json()["detail"]


def test_every_answer_carries_what_keeps_browsers_from_using_it_otherwise(
    client: TestClient,
) -> None:
    for path in (*OPEN, "/v1/models", "/nothing"):
        headers = client.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["Cache-Control"] == "no-store"
        assert "Server" not in headers


class Failing(Gate):
    def __init__(self) -> None:
        super().__init__()
        self.is_failing = False

    def predict_proba(
        self, faces: NDArray[np.uint8], on_progress: Tell | None = None
    ) -> NDArray[np.float32]:
        if self.is_failing:
            raise ValueError(SECRET)
        return super().predict_proba(faces, on_progress)


def test_a_failure_is_logged_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    predictor = Failing()
    with TestClient(create_app(predictor)) as client:
        predictor.is_failing = True
        answer = client.post("/v1/predict", content=face(), headers={"Content-Type": "image/png"})
        predictor.is_failing = False
        good = client.post("/v1/predict", content=face(), headers={"Content-Type": "image/png"})
    assert (answer.status_code, answer.json()["title"]) == (500, "Internal Server Error")
    assert "internal error: ValueError in predict_proba" in caplog.text
    assert SECRET not in caplog.text + answer.text
    assert good.status_code == 200


def test_nothing_that_a_client_sends_is_written_or_logged(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    written: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if is_watching and event == "open" and _writes(arguments[1], arguments[2]):
            written.append(str(arguments[0]))

    is_watching = False
    sys.addaudithook(watch)
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1500, 3), dtype=np.uint8)
    large = encoded(Image.fromarray(noise))
    assert len(large) > 5_000_000  # what Starlette's forms put into a temporary file
    with TestClient(create_app(Gate(), limits=Limits())) as client, caplog.at_level(logging.INFO):
        is_watching = True
        name = f"{SECRET}.png"
        for picture in (large, face(), face()[:300], SECRET.encode()):
            for files in ([("pictures", (name, picture))], [(SECRET, (name, picture))]):
                client.post(f"/v1/predict?faces={SECRET}", files=files)
                client.post("/v1/predict", files=files, headers={"X-Name": SECRET})
        client.post("/v1/predict", json={"pictures": [SECRET], SECRET: SECRET})
        client.get(f"/{SECRET}")
        metrics = client.get("/metrics").text
        is_watching = False
    out, err = capfd.readouterr()
    assert written == []
    logged = [record.getMessage() for record in caplog.records if record.name != "httpx2"]
    assert SECRET not in "".join(logged) + out + err + metrics


def _writes(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def test_the_watch_of_the_test_before_sees_writing() -> None:
    assert _writes("w+b", 0)
    assert _writes(None, os.O_RDWR | os.O_CREAT)
    assert not _writes("rb", os.O_RDONLY)
