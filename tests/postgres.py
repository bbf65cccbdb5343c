"""A PostgreSQL server of the tests' own, where its programs are installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

PASSWORD = "p@ss/word"  # noqa: S105 - of a server that lives for a few seconds
QUOTED = "p%40ss%2Fword"


class Server:
    """A server on this machine that asks for a password; run by nobody, as it refuses to be root's.

    Parameters
    ----------
    programs : Path
        The folder with ``initdb`` and ``pg_ctl``.
    """

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._user = "nobody" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="ferboost-postgres-"))
        if self._user:
            shutil.chown(self._folder, self._user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        secret = self._folder / "password"
        secret.write_text(f"{PASSWORD}\n", "utf-8")
        secret.chmod(0o644)
        self._call(
            "initdb", "--no-sync", "--auth=scram-sha-256", "--username=me", f"--pwfile={secret}",
            "--encoding=UTF8", "--locale=C",
        )  # fmt: skip
        self.start()

    def url(self, password: str = QUOTED) -> str:
        """Return the address of the database, as a user gives it."""
        secret = f":{password}" if password else ""
        return f"postgresql://me{secret}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = self._folder / "log"
        self._call("pg_ctl", "--wait", f"--log={log}", f"--options={options}", "start")

    def stop(self) -> None:
        """Stop the server, and cut all connections."""
        self._call("pg_ctl", "--wait", "--mode=fast", "stop")

    def remove(self) -> None:
        """Stop the server, and leave nothing."""
        self.stop()
        shutil.rmtree(self._folder)

    def _call(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, f"--pgdata={self._folder / 'data'}", *arguments],
            user=self._user, cwd=self._folder, check=True, capture_output=program == "initdb",
            stdout=None if program == "initdb" else subprocess.DEVNULL,
        )  # fmt: skip


def private_server() -> Server:
    """Return a running server, or skip the test."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders or not (folders[-1] / "initdb").exists():
        pytest.skip("PostgreSQL's initdb is not installed")
    return Server(folders[-1])
