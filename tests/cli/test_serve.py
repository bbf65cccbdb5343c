"""``ferboost serve``: started, told what is wrong, and stopped by signals."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from shell import ferboost, process


@contextmanager
def served(
    *options: object, before: str = ""
) -> Iterator[tuple["subprocess.Popen[str]", str, list[str]]]:
    """Serve on a free port; give the process, its address, and the lines before it was ready."""
    with process("serve", "--port", 0, "--threads", 1, *options, before=before) as started:
        assert started.stderr is not None
        lines: list[str] = []
        for line in started.stderr:
            if match := re.search(r"ready at (http://\S+)", line):
                yield started, match[1], lines
                return
            lines.append(line)
        raise AssertionError(f"it ended: {lines}")


def get(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_and_ends_well(number: signal.Signals) -> None:
    with served() as (started, url, lines):
        assert lines == []
        assert url.startswith("http://127.0.0.1:")
        assert get(f"{url}/healthz") == get(f"{url}/") == 200
        started.send_signal(number)
        assert started.stderr is not None
        rest = started.stderr.read()
        assert started.wait(20) == 0
    assert rest == (
        "ferboost: stopping; what was accepted is answered (Ctrl-C again stops at once)\n"
        "ferboost: stopped\n"
    )


def test_the_environment_or_a_file_holds_the_token(workplace: Path) -> None:
    Path("token").write_text("0123456789abcdef\n")
    for options, before in (
        (("--token-file", "token"), ""),
        ((), "import os; os.environ['FERBOOST_TOKEN'] = '0123456789abcdef'"),
    ):
        with served(*options, before=before) as (_, url, _lines):
            assert get(f"{url}/v1/models") == 401
            assert get(f"{url}/v1/models", Authorization="Bearer 0123456789abcdef") == 200


def test_an_open_server_without_a_token_is_warned_of() -> None:
    with served("--host", "0.0.0.0") as (_, url, lines):  # noqa: S104
        (warning,) = lines
        assert warning.startswith("ferboost: warning: everyone who reaches 0.0.0.0:")
        assert get(url.replace("0.0.0.0", "127.0.0.1") + "/healthz", Host="any.example") == 200  # noqa: S104


def test_a_name_can_be_allowed() -> None:
    with served("--allow-host", "Faces.Example") as (_, url, _lines):
        assert get(f"{url}/healthz", Host="faces.example") == 200
        assert get(f"{url}/healthz", Host="other.example") == 421


def test_what_cannot_be_served_is_one_line(workplace: Path) -> None:
    Path("short").write_text("secret")
    Path("wide").write_text("ein Schlüssel mit Zwischenraum")
    Path("model.onnx").write_bytes(b"no model")
    for options, code, words in (
        (("--token-file", "nothing"), 2, "cannot read the token in nothing: No such file"),
        (("--token-file", "."), 2, "cannot read the token in ."),
        (("--token-file", "short"), 2, "the token in short has less than 16 characters"),
        (("--token-file", "wide"), 2, "the token in wide has less than 16 characters, a space"),
        (("--model", "model.onnx"), 1, "model.onnx"),
        (("--model", "missing.onnx"), 1, "missing.onnx"),
        (("--host", "no.such.host.invalid"), 2, "cannot listen at no.such.host.invalid"),
        (("--host", "a" * 70), 2, "cannot listen at aaa"),
        (("--port", "70000"), 2, "--port"),
        (("--runs", "nowhere"), 2, "nowhere is no folder"),
        (("--queue", "0"), 2, "--queue"),
        (("--timeout", "inf"), 2, "--timeout"),
        (("--timeout", "nan"), 2, "--timeout"),
    ):
        outcome = ferboost("serve", *options)
        assert (outcome.code, outcome.out) == (code, ""), options
        assert outcome.err.startswith("ferboost: error: ")
        assert words in outcome.err
        assert outcome.err.count("\n") == 1


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = ferboost("serve", "--port", port)
    assert outcome.code == 2
    assert outcome.err == (
        f"ferboost: error: cannot listen at 127.0.0.1 port {port}: Address already in use; choose "
        "others by --host and --port\n"
    )


def test_nothing_is_imported_that_trains() -> None:
    program = (
        "import sys\nfrom ferboost.inference import Predictor\nfrom ferboost.serving import create_app\n"
        "from pathlib import Path\ncreate_app(Predictor(threads=1), runs=Path())\n"
        "print([m for m in ('torch', 'xgboost', 'sklearn', 'scipy', 'matplotlib', 'onnx') "
        "if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )
    assert answer.stdout == "[]\n"
