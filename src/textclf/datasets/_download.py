"""What the datasets that are downloaded share: one process at a time, and one clear error."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from textclf.errors import DataError

ALTERNATIVE = "or use --dataset bbc, which needs no download"


@contextlib.contextmanager
def downloading(what: str, folder: Path, *, remedy: str) -> Iterator[None]:
    """Let one process fetch ``what`` into ``folder``, and turn a failure into one line.

    What libraries print to standard output goes to standard error: the former is for results.

    Raises:
        DataError: anything failed; the message ends with ``remedy``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".textclf.lock"), contextlib.redirect_stdout(sys.stderr):
            yield
    except Exception as error:  # Keras raises bare Exception, and tfds what its libraries raise.
        reason = str(error).split("\n")[0][:200] or type(error).__name__
        raise DataError(f"cannot get {what}: {reason}; {remedy}, {ALTERNATIVE}") from error


def cache_folder(variable: str, default: str) -> Path:
    """Return the folder that an environment variable of a library names, or its default."""
    return Path(os.environ.get(variable) or default).expanduser()
