"""Writing files so that a reader never sees half of one."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ferboost.errors import FerboostError, StorageError

__all__ = [
    "atomic_folder",
    "atomic_path",
    "copy_file",
    "locked",
    "refuse_to_replace",
    "storage_errors",
    "write_bytes",
    "write_json",
    "write_text",
]

# Characters of a name that a temporary one begins with: at most 160 of 255 bytes.
_KEPT_OF_NAME = 40

_STORAGE_ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "permission denied",
    errno.EPERM: "operation not permitted",
    errno.EROFS: "the file system is read-only",
    errno.EFBIG: "the file size limit is reached",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "a part of the path is a file, not a folder",
    errno.EIO: "the disk reports an error",
    errno.EISDIR: "there is a folder of that name",
    errno.ENOTEMPTY: "there is a folder with something in it",
    errno.ENAMETOOLONG: "the name is too long",
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write `path` into `StorageError`."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        reason = _STORAGE_ERRORS.get(error.errno or 0)
        if error.errno is None:  # numpy says "133 requested and 124 written"
            reason = f"the disk is full, or took only a part of it ({error})"
        if reason is None:
            raise
        is_full = error.errno in {None, errno.ENOSPC, errno.EDQUOT}
        remedy = "free some space or choose another place" if is_full else "choose another place"
        raise StorageError(f"cannot write {path}: {reason}; {remedy}") from error


def refuse_to_replace(path: Path) -> None:
    """Refuse a name that something else than a file has, by `StorageError`."""
    if path.exists() and not path.is_file():
        raise StorageError(
            f"cannot write {path}: that is a folder, a pipe or a device; choose another name"
        )


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it once the block ends well.

    The content is on disk before the name changes, so after a crash `path` holds either its old
    content or all of the new one. When the block raises, the temporary file is removed.

    Parameters
    ----------
    path : Path
        The file to be written. Its folder is made where it does not exist.

    Raises
    ------
    StorageError
        If the disk is full, the place cannot be written, or a folder, a pipe or a device is there.
    """
    temporary = _temporary_beside(path)
    with storage_errors(path):
        refuse_to_replace(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that takes its place once the block ends well.

    When the block raises, the temporary folder is removed with all that is in it.

    Parameters
    ----------
    path : Path
        The folder to be written: none is there yet, or an empty one.

    Raises
    ------
    StorageError
        If the disk is full or the place cannot be written or is not free.
    """
    temporary = _temporary_beside(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.mkdir()
            yield temporary
            if path.is_dir():
                path.rmdir()  # POSIX would replace an empty folder, Windows would not
            temporary.rename(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def _temporary_beside(path: Path) -> Path:
    """Return a name that no other has, short enough where that of `path` just fits."""
    own = blake2b(os.fsencode(path.name), digest_size=4).hexdigest()
    return path.with_name(f".{path.name[:_KEPT_OF_NAME]}.{own}.{os.getpid()}.part")


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` atomically, as UTF-8; file names that are none, as they are."""
    write_bytes(path, content.encode(errors="surrogateescape"))


@contextmanager
def locked(path: Path, refusal: FerboostError) -> Iterator[None]:
    """Keep other processes out while the block runs; the lock ends with the process.

    Parameters
    ----------
    path : Path
        Of the lock, an empty file that stays.
    refusal : FerboostError
        What is raised where another process has it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise refusal from error
    try:
        yield
    finally:
        lock.release()


def copy_file(source: Path, target: Path) -> None:
    """Copy a file atomically."""
    write_bytes(target, source.read_bytes())


def write_json(path: Path, content: Any) -> None:  # Any: whatever json can encode
    """Write `content` to `path` atomically, as indented JSON without NaN."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
