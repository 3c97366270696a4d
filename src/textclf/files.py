"""Files that are whole or not there, and what goes wrong with them in one line."""

import contextlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from textclf.errors import RunError


@contextlib.contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; rename it to ``path`` when all is written."""
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise RunError(cannot("write", path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Turn what goes wrong while a run file is read into one line."""
    try:
        yield
    except FileNotFoundError as error:
        raise RunError(f"{path} is not there; {remedy}") from error
    except OSError as error:
        raise RunError(cannot("read", path, error)) from error
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error).split("\n")[0][:120]
        raise RunError(f"{path} is damaged ({type(error).__name__}: {reason}); {remedy}") from error


def cannot(verb: str, path: Path, error: OSError) -> str:
    """Say in one line what the system refused."""
    return f"cannot {verb} {path}: {error.strerror or error}; check the disk and the permissions"


@contextlib.contextmanager
def open_arrays(path: Path) -> Iterator[Any]:
    """Open the arrays of a file; NumPy alone leaves a damaged one open, and refuses pickles."""
    with path.open("rb") as file, np.load(file) as arrays:
        yield arrays
