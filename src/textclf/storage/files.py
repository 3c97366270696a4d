"""Files that are written whole or not at all, and locks on folders."""

import contextlib
import json
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from textclf.errors import RunError, format_error, format_reason
from textclf.storage import limits

DAMAGE_ERRORS = (
    *(ValueError, LookupError, TypeError, AttributeError, EOFError, RuntimeError),
    *(AssertionError, MemoryError, zipfile.BadZipFile, zlib.error),
)
"""What libraries raise when they read a damaged file; RuntimeError includes its subclasses."""

LOCK = ".lock"
"""Name of the file in a folder that is locked."""

MOMENT_SECONDS = 0.2
"""How long `is_locked`, in another process, may appear to lock a folder."""


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and rename it to ``path`` when the block ends.

    The block may write a file, or a folder of files.

    Raises:
        RunError: Something cannot be written; ``path`` is as it was before.
    """
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        remove(temporary)  # No other process has this id, so it is left from a killed one.
        yield temporary
        for written in (temporary, *temporary.rglob("*")):
            if not written.is_dir():
                _flush(written)
        temporary.replace(path)
        _flush_names(path.parent)
    except OSError as error:
        raise RunError(format_os_error("write", path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            remove(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def format_json(content: Mapping[str, Any]) -> str:
    """Return the text of an indented JSON file."""
    return json.dumps(content, indent=2) + "\n"


@contextlib.contextmanager
def lock_folder(path: Path, *, timeout_seconds: float = 0) -> Iterator[None]:
    """Lock a folder for this process; the folder is created if it does not exist.

    Args:
        path: Folder to lock.
        timeout_seconds: How long to wait for a process that holds the lock.

    Raises:
        RunError: The folder cannot be written, or another process holds the lock.
    """
    try:
        lock = _acquire(path, deadline=time.monotonic() + max(timeout_seconds, MOMENT_SECONDS))
    except Timeout as error:
        raise RunError(f"{path} is in use by another process; wait until it ends") from error
    except OSError as error:
        raise RunError(format_os_error("write", path, error)) from error
    try:
        yield
    finally:
        lock.release()


def _acquire(path: Path, *, deadline: float) -> FileLock:
    """Lock a folder, which the process that holds the lock may remove, and create it again."""
    while True:
        lock = FileLock(path / LOCK, timeout=max(0, deadline - time.monotonic()))
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except FileNotFoundError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            if (path / LOCK).exists():
                return lock
            lock.release()


def is_locked(path: Path) -> bool:
    """Return whether a process has locked a folder, without changing it."""
    try:
        if (path / LOCK).exists():
            with FileLock(path / LOCK, timeout=0):
                return False
    except Timeout:
        return True
    except OSError:  # The folder is read-only, so that no process can use it.
        return False
    return False


def remove_leftovers(path: Path) -> None:
    """Remove what killed processes left beside ``path``; the caller must hold its lock."""
    for leftover in path.parent.glob(f".*-{path.name}"):
        remove(leftover)


def remove(path: Path) -> None:
    """Remove a file, a folder with its content, or a link but not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def list_absent_folders(path: Path) -> list[Path]:
    """Return a path and the folders above it that do not exist, the lowest first."""
    # Unlike Path.exists, it is false if a folder may not be read.
    return [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]


def remove_empty_folders(folders: Iterable[Path]) -> None:
    """Remove folders, each of them above the one before, up to the first that is not empty."""
    with contextlib.suppress(OSError):
        for folder in folders:
            with contextlib.suppress(FileNotFoundError):  # Another process has removed it.
                folder.rmdir()


def _flush_names(folder: Path) -> None:
    """Write the names in a folder to disk, so that files become visible in their order."""
    if os.name == "posix":  # Windows cannot open a folder.
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Check the size of a run file, and turn any failure to read it in the block into a RunError.

    Args:
        path: File that the block reads.
        remedy: What the user can do, appended to each message.

    Raises:
        RunError: The file is missing, unreadable or damaged.
        LimitError: The file is larger than `limits.FILE`.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("not a regular file")
        limits.FILE.check(limits.measure_unpacked(path), str(path))
        yield
    except FileNotFoundError as error:
        raise RunError(f"{path} does not exist; {remedy}") from error
    except OSError as error:
        raise RunError(format_os_error("read", path, error)) from error
    except DAMAGE_ERRORS as error:
        raise RunError(f"{path} is damaged ({format_error(error)}); {remedy}") from error


def format_os_error(verb: str, path: Path, error: OSError) -> str:
    """Return the message for an operation that the operating system refused."""
    return f"cannot {verb} {path}: {format_reason(error)}; check the disk and the permissions"
