"""The HTTP API under load on loopback, beside the predictor alone, in one run.

    python benchmarks/http_load.py [--model model.onnx] [--seconds 2] [--rounds 3]

Prints, for requests of 1 and of 32 faces: faces a second of the API at saturation as a share of
what `Predictor.predict` does with the same encoded pictures in this process, with the same threads;
and the latency of requests of one face that arrive at random moments, at half of the saturation.
The client runs on the same cores and takes its part of them.
"""

import argparse
import asyncio
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ferboost.datasets.images import encode_png
from ferboost.datasets.synthetic import generate_faces
from ferboost.inference import BUNDLED_MODEL, Predictor

MANY = 32
CLIENTS = {1: 16, MANY: 4}
BOUNDARY = b"boundary-of-the-load-test"


@contextmanager
def served(model: Path) -> Iterator[int]:
    """Start a server; give its port."""
    command = [
        sys.executable,
        "-c",
        "from ferboost.cli import main; main()",
        "serve",
        "--port",
        "0",
        "--model",
        str(model),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr or ():
                if match := re.search(r"ready at http://[\d.]+:(\d+)", line):
                    yield int(match[1])
                    return
            raise SystemExit("the server did not start")
        finally:
            process.terminate()


def form(pictures: list[bytes]) -> bytes:
    """Return a request with pictures that are taken whole."""
    head = b'\r\nContent-Disposition: form-data; name="pictures"\r\n\r\n'
    parts = [b"--" + BOUNDARY + head + picture + b"\r\n" for picture in pictures]
    body = b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"
    return (
        b"POST /v1/predict?faces=whole HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: multipart/form-data; boundary=%b\r\nContent-Length: %d\r\n\r\n%b"
    ) % (BOUNDARY, len(body), body)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> "Client":
        """Open it."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, request: bytes) -> None:
        """Send a request and read its answer."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"the server answered {head[:200]!r}")
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await self._reader.readexactly(int(length))


async def saturate(port: int, requests: list[bytes], seconds: float, clients: int) -> float:
    """Return the requests a second that are answered when each client always has another."""
    connections = [await Client.connect(port) for _ in range(clients)]
    ends = time.perf_counter() + seconds
    answered = 0

    async def go_on(client: Client) -> None:
        nonlocal answered
        while time.perf_counter() < ends:
            await client.ask(random.choice(requests))
            answered += 1

    start = time.perf_counter()
    await asyncio.gather(*map(go_on, connections))
    return answered / (time.perf_counter() - start)


async def latencies(port: int, requests: list[bytes], rate: float, seconds: float) -> list[float]:
    """Return the seconds from the moment when a request was due to its answer."""
    idle = asyncio.Queue[Client]()
    for _ in range(CLIENTS[1]):
        idle.put_nowait(await Client.connect(port))
    taken: list[float] = []

    async def ask(due: float) -> None:
        client = await idle.get()
        await client.ask(random.choice(requests))
        taken.append(time.perf_counter() - due)
        idle.put_nowait(client)

    due = start = time.perf_counter()
    tasks = []
    while due < start + seconds:
        due += random.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(ask(due)))
    await asyncio.gather(*tasks)
    return taken


def alone(predict: Callable[[], int], seconds: float) -> float:
    """Return the faces a second that the predictor does."""
    start, faces = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < seconds:
        faces += predict()
    return faces / spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL)
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    pictures = [encode_png(face) for face in generate_faces(10, seed=0).images[:64]]
    one = [form([picture]) for picture in pictures]
    many = [form(list(np.random.default_rng(i).permutation(pictures)[:MANY])) for i in range(8)]
    predictor = Predictor(options.model)
    shares: dict[int, list[float]] = {1: [], MANY: []}
    rates: dict[int, list[float]] = {0: [], 1: [], MANY: []}
    waits: list[float] = []
    with served(options.model) as port:
        for _ in range(options.rounds):
            for size, requests in ((1, one), (MANY, many)):
                base = alone(lambda: len(predictor.predict(pictures)), options.seconds)
                rate = size * asyncio.run(saturate(port, requests, options.seconds, CLIENTS[size]))
                rates[0].append(base)
                rates[size].append(rate)
                shares[size].append(rate / base)
            half = rates[1][-1] / 2
            waits += asyncio.run(latencies(port, one, half, options.seconds))
    print(f"predictor alone: {statistics.median(rates[0]):,.0f} faces a second")
    for size, measured in shares.items():
        each = ", ".join(f"{share:.0%}" for share in measured)
        print(
            f"API, {size} faces a request: {statistics.median(rates[size]):,.0f} faces a second, "
            f"{statistics.median(measured):.0%} of the predictor ({each})"
        )
    p50, p99 = np.percentile(waits, (50, 99)) * 1000
    print(f"at half of that, {len(waits)} requests of one face: p50 {p50:.1f} ms, p99 {p99:.1f} ms")


if __name__ == "__main__":
    main()
