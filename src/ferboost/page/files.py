"""The files of the page, and the page as a folder that can be hosted anywhere."""

import html
import json
import re
from hashlib import sha256
from pathlib import Path

from ferboost.errors import FerboostError, StorageError
from ferboost.files import atomic_folder
from ferboost.inference.centerface import BUNDLED_DETECTOR
from ferboost.inference.model_file import read_model
from ferboost.inference.predictor import BUNDLED_MODEL

__all__ = ["content_security_policy", "page_files", "static_files", "write_page"]

_STATIC = Path(__file__).with_name("static")
_INDEX = "index.html"
# What the service worker asks for at once; it keeps the rest when the page loads it.
_SHELL_ENDINGS = (".css", ".html", ".js", ".svg", ".webmanifest")
_POLICY = re.compile(r'http-equiv="Content-Security-Policy"\s+content="([^"]+)"')


def static_files() -> Path:
    """Return the folder with the built page, without the models.

    Whoever serves it needs `page_files`, which adds them.
    """
    return _STATIC


def content_security_policy() -> str:
    """Return the policy that the page sets itself, for a server that says it in a header too."""
    found = _POLICY.search((_STATIC / _INDEX).read_text(encoding="utf-8"))
    if found is None:
        raise FerboostError("the page has no Content-Security-Policy; build it: scripts/build_page")
    return html.unescape(found[1])


def page_files(model: Path = BUNDLED_MODEL) -> dict[str, bytes]:
    """Return all files of the page with a model, by their path below its address.

    Parameters
    ----------
    model : Path
        A file that ``ferboost export`` wrote.

    Raises
    ------
    ModelError
        If the model file is missing, damaged, too new, or of another producer.
    """
    content, _ = read_model(model)
    files = {
        path.relative_to(_STATIC).as_posix(): path.read_bytes()
        for path in sorted(_STATIC.rglob("*"))
        if path.is_file()
    }
    files["models/emotions.onnx"] = content
    files["models/faces.onnx"] = BUNDLED_DETECTOR.read_bytes()
    files["files.js"] = _listing(files)
    return files


def _listing(files: dict[str, bytes]) -> bytes:
    """Tell the service worker what there is; it differs as soon as one file does."""
    digest = sha256()
    for name, content in files.items():
        digest.update(f"{name} {sha256(content).hexdigest()}\n".encode())
    # Hosts may answer index.html with a redirection to its folder; no page is made of one.
    names = ["./" if name == _INDEX else name for name in files if name != "service-worker.js"]
    shell = [name for name in names if name.endswith((*_SHELL_ENDINGS, "/"))]
    page = {"version": digest.hexdigest()[:16], "files": names, "shell": shell}
    return f"self.PAGE = {json.dumps(page, indent=1)};\n".encode()


def write_page(out: Path, model: Path = BUNDLED_MODEL) -> int:
    """Write the page as a folder of static files; return their bytes.

    Parameters
    ----------
    out : Path
        The folder: none is there yet, or an empty one.
    model : Path
        A file that ``ferboost export`` wrote.

    Raises
    ------
    ModelError
        If the model file is missing, damaged, too new, or of another producer.
    StorageError
        If the folder is not free, or cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise StorageError(f"cannot write {out}: it is no folder; choose another name")
    if out.is_dir() and any(out.iterdir()):
        raise StorageError(
            f"cannot write {out}: there is a folder with something in it; choose another name"
        )
    files = page_files(model)
    with atomic_folder(out.absolute()) as folder:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return sum(map(len, files.values()))
