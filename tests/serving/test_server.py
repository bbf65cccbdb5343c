"""A real server and clients of the worst kind: slow, greedy, gone, or many at once."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import Response
from services import Gate, Running, face, photo, read_all, read_answer, request, running, until

from ferboost.serving import Limits

QUICK = Limits(
    body_bytes=200_000,
    pictures=4,
    waiting=4,
    held_bytes=400_000,
    connections=40,
    head_seconds=2,
    body_seconds=2,
    send_seconds=1,
)


@pytest.fixture(scope="module")
def predictor() -> Gate:
    return Gate()


@pytest.fixture(scope="module")
def server(predictor: Gate) -> Iterator[Running]:
    with running(predictor, QUICK) as server:
        yield server


@pytest.fixture(autouse=True)
def works_afterwards(server: Running, predictor: Gate) -> Iterator[None]:
    """Whatever a test does to the server, it answers the next client and has forgotten the last."""
    yield
    predictor.gate.set()
    until(lambda: not server.server.server_state.connections)
    assert measured(server, "waiting_pictures") == measured(server, "held_bytes") == 0
    with server.connect() as connection:
        assert ask(connection, request(face()))[0] == 200


def ask(connection: socket.socket, content: bytes) -> tuple[int, dict[str, str], bytes]:
    connection.sendall(content)
    return read_answer(connection)


def problem(answer: tuple[int, dict[str, str], bytes]) -> Any:
    status, headers, body = answer
    assert headers["content-type"] == "application/problem+json"
    content = json.loads(body)
    assert content["status"] == status
    return content["detail"]


@contextlib.contextmanager
def trickling(connection: socket.socket) -> Iterator[None]:
    """Send a byte now and then, until the server closes."""
    stop = threading.Event()

    def trickle() -> None:
        with contextlib.suppress(OSError):
            while not stop.wait(0.05):
                connection.sendall(b"x")

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_connection_serves_many_requests(server: Running) -> None:
    with server.connect() as connection:
        for _ in range(3):
            assert ask(connection, request(photo(), "/v1/predict"))[0] == 200
            assert ask(connection, request(b"no picture"))[0] == 422


def test_answers_do_not_wait_for_acknowledgements(server: Running) -> None:
    with server.connect() as connection:
        assert ask(connection, request(face()))[0] == 200
        (protocol,) = server.server.server_state.connections
        accepted = protocol.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_slow_head_is_cut_off(server: Running) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: ")
        answer = read_answer(connection)
        assert answer[0] == 408
        assert problem(answer) == "the head did not arrive within 2 seconds"
        assert read_all(connection) == b""


def test_a_silent_connection_is_closed(server: Running) -> None:
    with server.connect() as connection:
        assert read_all(connection) == b""
    with server.connect() as connection:
        assert ask(connection, request(face()))[0] == 200
        connection.sendall(b"\r\n")  # which stops uvicorn's own timer
        assert read_answer(connection)[0] == 408
        assert read_all(connection) == b""


def test_a_slow_body_is_refused(server: Running) -> None:
    with server.connect() as connection:
        answer = ask(connection, request(face()[:-1], length=len(face())))
        assert answer[0] == 408
        assert "did not arrive within 2 seconds" in problem(answer)
        assert read_all(connection) == b""


def test_a_body_that_trickles_is_refused_too(server: Running) -> None:
    with server.connect() as connection:
        connection.sendall(request(length=1000))
        with trickling(connection):
            assert read_answer(connection)[0] == 408


def test_after_an_early_answer_a_body_cannot_trickle_on(server: Running) -> None:
    with server.connect() as connection:
        assert ask(connection, request(path="/nothing", length=10**9))[0] == 404
        with trickling(connection):
            assert read_all(connection) == b""


def test_a_large_body_is_refused_at_once_and_the_connection_goes_on(server: Running) -> None:
    with server.connect() as connection:
        connection.sendall(request(length=300_000))
        answer = read_answer(connection)
        assert answer[0] == 413
        assert "200,000 bytes" in problem(answer)
        connection.sendall(bytes(300_000))
        assert ask(connection, request(face()))[0] == 200


def test_a_large_body_of_unknown_size_is_refused(server: Running) -> None:
    with server.connect() as connection:
        head = request(headers={"Transfer-Encoding": "chunked"}).replace(
            b"Content-Length: 0\r\n", b""
        )
        connection.sendall(head)
        for _ in range(3):
            connection.sendall(b"186a0\r\n" + bytes(100_000) + b"\r\n")
        assert read_answer(connection)[0] == 413


def test_whoever_waits_for_permission_need_not_send_what_is_refused(server: Running) -> None:
    with server.connect() as connection:
        answer = ask(connection, request(length=300_000, headers={"Expect": "100-continue"}))
        assert answer[0] == 413
    with server.connect() as connection:
        connection.sendall(request(length=len(face()), headers={"Expect": "100-continue"}))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        assert ask(connection, face())[0] == 200


@pytest.mark.parametrize("sent", [b"", b"--x\r\n", bytes(1000)])
def test_whoever_leaves_in_the_middle_is_forgotten(server: Running, sent: bytes) -> None:
    with server.connect() as connection:
        connection.sendall(request(sent, length=5000))


def test_who_leaves_while_waiting_saves_the_server_its_work(
    server: Running, predictor: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferboost.serving.routes._SECONDS_OF_PATIENCE", 0.05)
    predictor.close()
    with server.connect() as first, contextlib.ExitStack() as others:
        first.sendall(request(face(1)))
        assert predictor.began.wait(10)
        second = others.enter_context(server.connect())
        second.sendall(request(face(2)))
        until(lambda: measured(server, "waiting_pictures") == 2)
        first.close()
        until(lambda: measured(server, "waiting_pictures") == 1)
        predictor.gate.set()
        assert read_answer(second)[0] == 200


def measured(server: Running, name: str) -> int:
    with server.connect() as connection:
        metrics = ask(connection, request(path="/metrics", method="GET"))[2].decode()
    (line,) = [line for line in metrics.splitlines() if line.startswith(f"ferboost_{name} ")]
    return int(float(line.split()[1]))


def test_a_full_queue_says_when_to_come_again(server: Running, predictor: Gate) -> None:
    predictor.close()
    part = b'--x\r\nContent-Disposition: form-data; name="pictures"\r\n\r\n' + face() + b"\r\n"
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    with server.connect() as first, contextlib.ExitStack() as others:
        first.sendall(request(face()))
        assert predictor.began.wait(10)
        second = others.enter_context(server.connect())
        second.sendall(request(part * 3 + b"--x--\r\n", headers=form))
        until(lambda: measured(server, "waiting_pictures") == 4)
        third = others.enter_context(server.connect())
        answer = ask(third, request(face()))
        assert answer[0] == 503
        assert 1 <= int(answer[1]["retry-after"]) <= 60
        assert "busy" in problem(answer)
        assert ask(third, request(path="/readyz", method="GET"))[0] == 503
        assert ask(third, request(path="/healthz", method="GET"))[0] == 200
        predictor.gate.set()
        assert [read_answer(one)[0] for one in (first, second)] == [200, 200]
        assert ask(third, request(face()))[0] == 200


def test_bodies_of_all_clients_together_are_bounded(server: Running) -> None:
    with server.connect() as first, server.connect() as second:
        for connection in (first, second):
            connection.sendall(request(bytes(190_000), length=190_001))
        until(lambda: measured(server, "held_bytes") == 380_000)
        with server.connect() as third:
            assert ask(third, request(bytes(50_000)))[0] == 503


def test_too_many_connections_are_turned_away(server: Running) -> None:
    connections = [server.connect() for _ in range(QUICK.connections)]
    try:
        until(lambda: len(server.server.server_state.connections) == QUICK.connections)
        with server.connect() as one_more:
            answer = read_answer(one_more)
            assert answer[0] == 503
            assert answer[1]["retry-after"] == "1"
            assert "too many connections" in problem(answer)
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "not an HTTP/1.1 request"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "not an HTTP/1.1 request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "not an HTTP/1.1 request"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n", 431, "more than 65,536 bytes"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 12_000, 431, "more than 65,536 bytes"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "not an HTTP/1.1 request"),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "not an HTTP/1.1 request",
        ),
    ],
)
def test_what_is_no_request_is_refused(
    server: Running, content: bytes, status: int, words: str
) -> None:
    with server.connect() as connection:
        answer = ask(connection, content)
        assert answer[0] == status
        assert words in problem(answer)
        assert read_all(connection) == b""


def test_whoever_takes_no_answer_is_cut_off(server: Running) -> None:
    server.app.add_api_route("/large", lambda: Response(bytes(50_000_000)))
    with server.connect() as connection:
        connection.sendall(request(path="/large", method="GET"))
        assert connection.recv(10) == b"HTTP/1.1 2"
        until(lambda: not server.server.server_state.connections)
        assert len(read_all(connection)) < 50_000_000


def test_a_wish_to_upgrade_is_declined(server: Running) -> None:
    wish = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings"}
    with server.connect() as connection:
        answer = ask(connection, request(path="/v1/models", method="GET", headers=wish))
        assert (answer[0], answer[1]["connection"]) == (200, "close")
        assert read_all(connection) == b""
    with server.connect() as connection:
        answer = ask(connection, request(face(), headers=wish))
        assert answer[0] == 400
        assert "send it as HTTP/1.1" in problem(answer)
        assert read_all(connection) == b""


def refuses(server: Running) -> bool:
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_what_was_accepted_is_answered_before_the_end(predictor: Gate) -> None:
    with running(predictor, QUICK) as server:
        predictor.close()
        with server.connect() as busy, server.connect() as slow, server.connect() as idle:
            busy.sendall(request(face(), "/v1/predict"))
            assert predictor.began.wait(10)
            slow.sendall(request(photo()[:-4], "/v1/predict", length=len(photo())))
            until(lambda: len(server.server.server_state.tasks) == 2)
            server.begin_to_stop()
            assert read_all(idle) == b""
            slow.sendall(photo()[-4:])
            until(lambda: refuses(server))
            predictor.gate.set()
            for connection in (busy, slow):
                status, headers, _ = read_answer(connection)
                assert (status, headers["connection"]) == (200, "close")
        server.stop()
