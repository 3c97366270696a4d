"""What is downloaded or built once, and kept: by one process at a time, with one clear error."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import platformdirs
from filelock import FileLock

from textclf.errors import TextclfError

ANOTHER_DATASET = "or use --dataset bbc, which needs no download"


@contextlib.contextmanager
def downloading(
    what: str, folder: Path, failure: type[TextclfError], *, remedy: str
) -> Iterator[None]:
    """Let one process fetch ``what`` into ``folder``, and turn any error into one line.

    A ``failure`` stays as it is: it says itself what to do.

    What libraries print to standard output goes to standard error: the former is for results.

    Raises:
        TextclfError: anything failed; it is a ``failure``, and its message ends with ``remedy``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".textclf.lock"), contextlib.redirect_stdout(sys.stderr):
            yield
    except failure:
        raise
    except Exception as error:  # Keras raises bare Exception, and tfds what its libraries raise.
        reason = str(error).split("\n")[0][:200] or type(error).__name__
        raise failure(f"cannot get {what}: {reason}; {remedy}") from error


def check_reachable(url: str) -> None:
    """Fail within seconds where there is no network; libraries alone try again for minutes.

    Raises:
        ConnectionError: there is no answer, or an error.
    """
    import requests  # A dependency of tensorflow-datasets, which downloads with it.

    try:
        requests.head(url, timeout=10, allow_redirects=True).raise_for_status()
    except requests.RequestException as error:
        raise ConnectionError(f"{url} cannot be reached ({type(error).__name__})") from error


def cache_folder(variable: str, default: str | Path) -> Path:
    """Return the folder that an environment variable of a library names, or its default."""
    return Path(os.environ.get(variable) or default).expanduser()


def own_cache(*names: str) -> Path:
    """Return a folder in this program's own cache, which ``TEXTCLF_CACHE_DIR`` moves."""
    root = cache_folder("TEXTCLF_CACHE_DIR", platformdirs.user_cache_path("textclf"))
    return root.joinpath(*names)
