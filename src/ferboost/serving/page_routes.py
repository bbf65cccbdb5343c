"""The page that runs the model in the browser, at ``/``."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import PurePosixPath

from fastapi import FastAPI, Request, Response

from ferboost.page import content_security_policy

__all__ = ["add_page"]

_INDEX = "index.html"
# Not by the `mimetypes` module, which asks the operating system.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}


def add_page(app: FastAPI, files: Mapping[str, bytes]) -> None:
    """Have an application give files away from memory, each at its own path.

    Parameters
    ----------
    app : FastAPI
    files : mapping of str to bytes
        As `ferboost.page.page_files` returns them.
    """
    policy = f"{content_security_policy()}; frame-ancestors 'none'"
    for name, content in files.items():
        headers = {
            "Content-Type": _TYPES.get(PurePosixPath(name).suffix, "application/octet-stream"),
            "Content-Security-Policy": policy,
            "Cache-Control": "no-cache",
            "ETag": f'"{sha256(content).hexdigest()[:32]}"',
        }
        _add_file(app, f"/{name}", content, headers)
        if name == _INDEX:
            _add_file(app, "/", content, headers)


def _add_file(app: FastAPI, path: str, content: bytes, headers: Mapping[str, str]) -> None:
    async def give(request: Request) -> Response:
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers)

    app.add_route(path, give, methods=["GET", "HEAD"], include_in_schema=False)
