"""Files that are whole or not there, and what goes wrong with them in one line."""

import contextlib
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from textclf.errors import RunError
from textclf.storage import limits


@contextlib.contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; rename it to ``path`` when all is written.

    What is written may be a file, or a folder of files.
    """
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        _remove(temporary)  # A leftover: no other process has this number.
        yield temporary
        for written in (temporary, *temporary.rglob("*")):
            if not written.is_dir():
                _flush(written)
        temporary.replace(path)
        _flush_names(path.parent)
    except OSError as error:
        raise RunError(cannot("write", path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            _remove(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def format_json(content: dict[str, Any]) -> str:
    """Return the text of a JSON file."""
    return json.dumps(content, indent=2) + "\n"


@contextlib.contextmanager
def lock_folder(path: Path, *, seconds: float = 0) -> Iterator[None]:
    """Hold a folder, which is made where it is missing, for this process alone.

    Args:
        path: the folder.
        seconds: how long another process that holds it is waited for.

    Raises:
        RunError: it cannot be written, or another process holds it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / ".lock", timeout=seconds)
        lock.acquire()
    except Timeout as error:
        raise RunError(f"{path} is in use by another process; wait for it") from error
    except OSError as error:
        raise RunError(cannot("write", path, error)) from error
    try:
        yield
    finally:
        lock.release()


def remove_leftovers(path: Path) -> None:
    """Remove what killed processes left of a file or folder; its lock has to be held."""
    for leftover in path.parent.glob(f".*-{path.name}"):
        _remove(leftover)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush_names(folder: Path) -> None:
    """Let new names reach the disk in their order: a run's last file means that all are there."""
    if os.name == "posix":  # Elsewhere a folder cannot be opened.
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
    """Refuse a run file that is too large, and turn what goes wrong inside into one line."""
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no regular file")
        limits.FILE.check(limits.measure_unpacked(path), str(path))
        yield
    except FileNotFoundError as error:
        raise RunError(f"{path} is not there; {remedy}") from error
    except OSError as error:
        raise RunError(cannot("read", path, error)) from error
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:300]
        raise RunError(f"{path} is damaged ({type(error).__name__}: {reason}); {remedy}") from error


DAMAGE = (
    *(ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError),
    *(MemoryError, zipfile.BadZipFile, zlib.error),
)
"""What libraries raise while they read a damaged file; RuntimeError stands for its children too."""


def cannot(verb: str, path: Path, error: OSError) -> str:
    """Say in one line what the system refused."""
    return f"cannot {verb} {path}: {error.strerror or error}; check the disk and the permissions"


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write a file like `numpy.savez`, but make each array when it is its turn."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)


@contextlib.contextmanager
def open_arrays(path: Path) -> Iterator[Any]:
    """Open the arrays of a file; NumPy alone leaves a damaged one open, and refuses pickles."""
    with path.open("rb") as file, np.load(file) as arrays:
        yield arrays
