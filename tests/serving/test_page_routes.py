"""The page is given away as it was built, under a policy that lets nothing out."""

from collections.abc import Iterator

import pytest
from services import Gate
from starlette.testclient import TestClient

from ferboost.page import content_security_policy, page_files
from ferboost.serving import create_app


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return page_files()


@pytest.fixture(scope="module")
def client(files: dict[str, bytes]) -> Iterator[TestClient]:
    with TestClient(create_app(Gate(), page=files)) as client:
        yield client


def test_every_file_is_given_away_under_its_name(
    client: TestClient, files: dict[str, bytes]
) -> None:
    for name, content in files.items():
        answer = client.get(f"/{name}")
        assert answer.status_code == 200
        assert answer.content == content
        assert "Content-Encoding" not in answer.headers
    assert client.get("/").content == files["index.html"]


def test_browsers_are_told_what_the_files_are(client: TestClient, files: dict[str, bytes]) -> None:
    kinds = {name.rpartition(".")[2]: client.head(f"/{name}").headers for name in files}
    assert kinds["html"]["Content-Type"] == "text/html; charset=utf-8"
    assert kinds["js"]["Content-Type"] == "text/javascript; charset=utf-8"
    assert kinds["css"]["Content-Type"] == "text/css; charset=utf-8"
    assert kinds["svg"]["Content-Type"] == "image/svg+xml"
    assert kinds["onnx"]["Content-Type"] == "application/octet-stream"


def test_the_policy_is_the_page_s_own_and_keeps_it_out_of_frames(client: TestClient) -> None:
    policy = client.get("/").headers["Content-Security-Policy"]
    assert policy == f"{content_security_policy()}; frame-ancestors 'none'"
    assert "connect-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy.replace("wasm-unsafe-eval", "")


def test_a_file_that_the_browser_has_is_not_sent_again(client: TestClient) -> None:
    tag = client.get("/models/faces.onnx").headers["ETag"]
    again = client.get("/models/faces.onnx", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/", headers={"If-None-Match": tag}).status_code == 200


def test_other_paths_stay_what_they_were(client: TestClient) -> None:
    assert client.get("/assets").status_code == 404
    assert client.get("/assets/../index.html").status_code == 200  # the client resolves it
    assert client.get("/%2e%2e/pyproject.toml").status_code == 404
    assert client.post("/nothing").status_code == 404
    answer = client.post("/")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}
    assert "/index.html" not in client.get("/openapi.json").json()["paths"]
