"""Expected errors: each message is one line, and each class has an exit code."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path


class TextclfError(Exception):
    """Base of all expected errors, such as a missing file, no network or a full disk."""

    exit_code = 1


class RequestError(TextclfError):
    """An option or a configuration is invalid: a name, a key or a value."""

    exit_code = 2


class DataError(TextclfError):
    """A dataset cannot be found, downloaded or read."""


class DataRequestError(DataError, RequestError):
    """A dataset cannot be read in the way that is asked for; the exit code is that of requests."""


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


class PrunedError(TextclfError):
    """A trial was stopped early, because it is worse than earlier trials."""


def format_install(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'textclf-keras[{extra}]'"  # The name of the distribution.


def format_count(n: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 run`` or ``3 runs``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def format_list(items: Sequence[object], n: int) -> str:
    """Return the first n items separated by commas, and an ellipsis if there are more."""
    return ", ".join(map(str, items[:n])) + ", ..." * (len(items) > n)


ADD_TRUST = "add --trust-code (in Python, trust_code=True)"
"""What to do if code that is not executed is trusted."""


def format_unknown(
    kind: str, given: str, allowed: Iterable[str], *, elsewhere: Mapping[str, Sequence[str]] = {}
) -> str:
    """Return the message for an unknown name: the nearest name, then all allowed ones.

    Args:
        kind: What it should name, such as ``key``.
        given: The unknown name.
        allowed: Allowed names.
        elsewhere: Other names that may be meant, each with what to write for it, such as
            ``{"epochs": ["training.epochs"]}``.
    """
    choices = sorted(allowed)
    nearest = format_nearest(given, {**elsewhere, **{choice: [choice] for choice in choices}})
    hint = f"{nearest} Choose" if nearest else "choose"
    return f"unknown {kind} '{given}': {hint} from {', '.join(choices)}"


def format_nearest(given: str, names: Mapping[str, Sequence[str]]) -> str:
    """Return ``did you mean 'NAME'?`` for the nearest name; empty if none is near.

    Args:
        given: The unknown name.
        names: Names that may be meant, each with what to write for it.
    """
    nearest = get_close_matches(given.lower(), names, n=1)
    meant = " or ".join(f"'{written}'" for name in nearest for written in names[name])
    return f"did you mean {meant}?" if meant else ""


def find_paths_beside(path: Path, pattern: str = "*") -> dict[str, list[str]]:
    """Return what is in the folder of a path that need not exist, for `format_nearest`.

    Args:
        path: The path.
        pattern: Pattern of the names, such as ``*.py``.

    Returns:
        Paths by their names in lower case without the suffix, which would make all names similar.
    """
    found: dict[str, list[str]] = {}
    with contextlib.suppress(OSError, ValueError):  # The path is too long, or not one.
        for other in sorted(path.parent.glob(pattern)):
            found.setdefault(other.stem.lower(), []).append(str(other))
    return found


def format_nearest_path(path: Path) -> str:
    """Return ``did you mean 'PATH'?`` for the nearest path; empty if it exists or none is near."""
    with contextlib.suppress(OSError, ValueError):
        if not path.exists():
            missing = next((part for part in (path, *path.parents) if part.parent.is_dir()), path)
            return format_nearest(missing.stem, find_paths_beside(missing))
    return ""


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
