"""The errors that a user can cause or meet: each is one line, and each has an exit code."""

from collections.abc import Iterable
from difflib import get_close_matches


class TextclfError(Exception):
    """Something expected went wrong: a missing file, no network, a full disk."""

    exit_code = 1


class RequestError(TextclfError):
    """The request itself is wrong: a name, key or value in options or a configuration."""

    exit_code = 2


class DataError(TextclfError):
    """A dataset cannot be found, fetched or read."""


class EmbeddingError(TextclfError):
    """A text embedding cannot be found, fetched, read or used."""


class RunError(TextclfError):
    """A run directory cannot be read, written or used."""


class LimitError(TextclfError):
    """A file or a text is larger than is allowed."""


class GateError(TextclfError):
    """What was checked is not good enough, or not the same."""

    exit_code = 3


def unknown(what: str, given: str, allowed: Iterable[str]) -> str:
    """Say that ``given`` is no known ``what``, which ones are, and which is nearest."""
    choices = sorted(allowed)
    nearest = get_close_matches(given.lower(), choices, n=1)
    hint = f"did you mean '{nearest[0]}'? " if nearest else ""
    return f"unknown {what} '{given}': {hint}choose from {', '.join(choices)}"
