"""Downloads and other preparations that one process does while the others wait."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from textclf.errors import TextclfError, format_reason

USE_BBC = "or use --dataset bbc, which needs no download"


@contextlib.contextmanager
def downloading(
    what: str, folder: Path, error_class: type[TextclfError], *, remedy: str
) -> Iterator[None]:
    """Lock a folder while the block downloads into it, and turn any failure into one error.

    Standard output is redirected to standard error, because libraries print there and standard
    output is for results.

    Args:
        what: What is downloaded, for the message.
        folder: Folder that is locked; it is created if it does not exist.
        error_class: Class of the error. An error of this class passes through unchanged.
        remedy: What the user can do, appended to the message.

    Raises:
        TextclfError: The download failed; the error is an ``error_class``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".textclf.lock"), contextlib.redirect_stdout(sys.stderr):
            yield
    except error_class:
        raise
    except Exception as error:  # Keras raises plain Exception, and tfds many classes.
        raise error_class(f"cannot get {what}: {format_reason(error)}; {remedy}") from error


def check_reachable(url: str, *, any_status: bool = False) -> None:
    """Raise ConnectionError within 10 seconds if a URL cannot be reached.

    Libraries alone retry for minutes without a network.

    Args:
        url: What is asked for.
        any_status: Whether any answer will do, because the URL is only the address of a server.
    """
    import requests  # A dependency of tensorflow-datasets, which downloads with it.

    try:
        response = requests.head(url, timeout=10, allow_redirects=True)
        if not any_status:
            response.raise_for_status()
    except requests.RequestException as error:
        raise ConnectionError(f"{url} cannot be reached ({type(error).__name__})") from error
