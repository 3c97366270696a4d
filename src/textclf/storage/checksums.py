"""Whether files are still what was written: SHA-256 of each, kept in a record that seals itself.

It finds damage, by a disk or by hand; who rewrites everything can rewrite the record too.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textclf.storage.files import format_json

SEAL = "seal"


def hash_bytes(content: bytes) -> str:
    """Return the SHA-256 of ``content``, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file; OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_changes(folder: Path, present: set[str], digests: Mapping[str, str]) -> list[str]:
    """Compare files with their digests; return what is wrong, a line each.

    Args:
        folder: where they are.
        present: the names of the files that are there.
        digests: SHA-256 by the name of each file that was written.
    """
    problems = [f"{name} is missing" for name in digests if name not in present]
    problems += [f"{name} is of another run" for name in present if name not in digests]
    for name in present & set(digests):
        try:
            if hash_file(folder / name) != digests[name]:
                problems.append(f"{name} has changed since it was written")
        except OSError as error:
            problems.append(f"{name} cannot be read: {error.strerror}")
    return sorted(problems)


def format_sealed(record: Mapping[str, Any]) -> str:
    """Return the record as JSON, with a hash of all else in it."""
    content = {key: value for key, value in record.items() if key != SEAL}
    return format_json({**content, SEAL: hash_bytes(format_json(content).encode())})


def read_sealed(text: str) -> dict[str, Any]:
    """Return the record that `format_sealed` wrote.

    Raises:
        ValueError: the text is not, to the last byte, what was written.
    """
    record = json.loads(text)
    if not isinstance(record, dict) or format_sealed(record) != text:
        raise ValueError("it has changed since it was written")
    return record
