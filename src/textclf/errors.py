"""Expected errors: each message is one line, and each class has an exit code."""

from collections.abc import Iterable
from difflib import get_close_matches


class TextclfError(Exception):
    """Base of all expected errors, such as a missing file, no network or a full disk."""

    exit_code = 1


class RequestError(TextclfError):
    """An option or a configuration is invalid: a name, a key or a value."""

    exit_code = 2


class DataError(TextclfError):
    """A dataset cannot be found, downloaded or read."""


class EmbeddingError(TextclfError):
    """A text embedding cannot be found, downloaded, read or used."""


class RunError(TextclfError):
    """A run directory cannot be read, written or used."""


class VersionError(RunError):
    """A run was written by a version of textclf with other files or fields."""


class LimitError(TextclfError):
    """A file or a text is larger than the limit."""


class GateError(TextclfError):
    """A check failed: a gate, a reproduction or the files of a run."""

    exit_code = 3


def format_count(n: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 run`` or ``3 runs``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


ADD_TRUST = "add --trust-code (in Python, trust_code=True)"
"""What to do if code that is not executed is trusted."""


def format_unknown(kind: str, given: str, allowed: Iterable[str]) -> str:
    """Return the message for an unknown name: the nearest allowed name, then all of them."""
    choices = sorted(allowed)
    nearest = get_close_matches(given.lower(), choices, n=1)
    hint = f"did you mean '{nearest[0]}'? Choose" if nearest else "choose"
    return f"unknown {kind} '{given}': {hint} from {', '.join(choices)}"


def format_error(error: BaseException) -> str:
    """Return the class and the reason of an error on one line; only the class without a reason."""
    name, reason = type(error).__name__, format_reason(error)
    return name if reason == name else f"{name}: {reason}"


def format_reason(error: BaseException) -> str:
    """Return the reason for an error on one line of at most 300 characters.

    It is the operating system's message if there is one, then the first line of the error's own
    message, then the name of its class.
    """
    message = getattr(error, "strerror", None) or str(error)
    lines = [" ".join(line.split()) for line in message.splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
