"""Thousands of good and bad requests against a server, mixed: none may make it fail or grow.

    python benchmarks/http_abuse.py [--requests 10000] [--clients 16]

Sends pictures, damaged pictures, decompression bombs, bodies of wrong types and sizes, heads that
are no HTTP, bodies that trickle, and clients that leave in the middle, at random. Exits with 1 if
there is an answer of 500 or more that is no deliberate 503, if the server does not answer in the
end, or if its memory is a fifth larger after the second half than after the first.
"""

import argparse
import asyncio
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO

import numpy as np
from PIL import Image

MOST_GROWTH = 1.2


def image(side: int, form: str = "png", mode: str = "L") -> bytes:
    """Return an encoded picture of noise."""
    channels = (3,) if mode == "RGB" else ()
    values = np.random.default_rng(side).integers(0, 256, (side, side, *channels), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(values).save(buffer, form)
    return buffer.getvalue()


def bomb(side: int) -> bytes:
    """Return a small file of many pixels."""
    buffer = BytesIO()
    Image.new("1", (side, side)).save(buffer, "png")
    return buffer.getvalue()


def request(body: bytes, kind: str = "image/png", query: str = "?faces=whole") -> bytes:
    """Return the bytes of a request."""
    return (
        f"POST /v1/predict{query} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def form(*pictures: bytes) -> bytes:
    """Return a request with a form."""
    head = b'--x\r\nContent-Disposition: form-data; name="pictures"; filename="a"\r\n\r\n'
    body = b"".join(head + picture + b"\r\n" for picture in pictures) + b"--x--\r\n"
    return request(body, "multipart/form-data; boundary=x")


def damaged(content: bytes) -> bytes:
    """Return it with some bytes changed, or cut."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 20)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed[: random.randint(1, len(changed))])


FACE, PHOTO, LARGE = image(48), image(300, "jpeg", "RGB"), image(1500, "png", "RGB")
#: Of 49 million pixels, which is under the limit, and of 144 million.
BOMBS = bomb(7000), bomb(12000)
#: What is sent, and how often against the others.
KINDS: dict[str, tuple[int, Callable[[], bytes]]] = {
    "a face": (20, lambda: request(FACE)),
    "a form of faces": (5, lambda: form(FACE, FACE, PHOTO)),
    "a photo to be searched": (1, lambda: request(PHOTO, "image/jpeg", "")),
    "a large picture": (1, lambda: form(LARGE)),
    "a bomb": (1, lambda: request(random.choice(BOMBS))),
    "a damaged picture": (20, lambda: request(damaged(random.choice((FACE, PHOTO))))),
    "a damaged form": (10, lambda: damaged(form(FACE, PHOTO))),
    "noise": (10, lambda: request(random.randbytes(2000))),
    "a wrong type": (10, lambda: request(FACE, "text/html")),
    "wrong JSON": (10, lambda: request(b'{"pictures": [1' + b"[" * 999, "application/json")),
    "a wrong query": (5, lambda: request(FACE, query="?faces=%00&coverage=nan")),
    "a large body": (1, lambda: request(bytes(40_000_000))),
    "no HTTP": (5, lambda: random.randbytes(200)),
    "a large head": (1, lambda: b"GET / HTTP/1.1\r\nA: " + b"a" * 100_000),
}


async def send(port: int, content: bytes, way: str) -> str:
    """Send a request, in a way that may be bad manners; return the status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        with suppress(ConnectionError):
            if way == "left":
                writer.write(content[: random.randint(1, len(content))])
                await writer.drain()
                return "left"
            if way == "trickled":
                for byte in content[:5]:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.02)
                content = content[5:]
            writer.write(content)
            await writer.drain()
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(60):
                line = await reader.readline()
                return line.split()[1].decode() if line.startswith(b"HTTP/1.1 ") else "closed"
        return "closed"
    finally:
        writer.close()


async def measure(port: int) -> float:
    """Return the megabytes that the server holds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    found = re.search(r"^process_resident_memory_bytes (\S+)", text, re.MULTILINE)
    return float(found[1]) / 2**20 if found else 0.0


async def abuse(port: int, requests: int, clients: int) -> Counter[str]:
    """Send requests; return how many of each kind got which status."""
    counts: Counter[str] = Counter()
    left = iter(range(requests))
    weights = [weight for weight, _ in KINDS.values()]

    async def go_on() -> None:
        for _ in left:
            (kind,) = random.choices(list(KINDS), weights)
            way = random.choices(("whole", "left", "trickled"), (8, 1, 1))[0]
            counts[await send(port, KINDS[kind][1](), way)] += 1

    await asyncio.gather(*(go_on() for _ in range(clients)))
    return counts


@contextmanager
def served() -> Iterator[int]:
    """Start a server; give its port."""
    command = [
        sys.executable,
        "-c",
        "from ferboost.cli import main; main()",
        "serve",
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr or ():
                if match := re.search(r"ready at http://[\d.]+:(\d+)", line):
                    yield int(match[1])
                    break
        finally:
            process.terminate()
            rest = process.stderr.read() if process.stderr else ""
        sys.stderr.write(rest)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.seed)
    with served() as port:
        print(f"memory at the start: {asyncio.run(measure(port)):.0f} MB")
        memory, counts = [], Counter[str]()
        for _ in range(2):
            counts += asyncio.run(abuse(port, options.requests // 2, options.clients))
            memory.append(asyncio.run(measure(port)))
        last = asyncio.run(send(port, request(FACE), "whole"))
    print(f"memory after each half: {memory[0]:.0f} and {memory[1]:.0f} MB")
    print(", ".join(f"{status}: {count}" for status, count in sorted(counts.items())))
    print(f"a face in the end: {last}")
    failed = any(status[:1] == "5" and status != "503" for status in counts)
    return int(failed or last != "200" or memory[1] > memory[0] * MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
