"""SHA-256 checksums of files and of JSON records, which detect damage.

They do not protect against an attacker, who can replace a file together with its checksum.
"""

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from textclf.errors import format_reason
from textclf.storage.files import format_json

CHECKSUM = "checksum"
"""Key of a record under which the checksum of its other keys is stored."""


def hash_bytes(content: bytes) -> str:
    """Return the SHA-256 of ``content``, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_file_once(path: Path) -> str:
    """Return the SHA-256 of a file, which is read again only if its size or time has changed.

    Raises:
        OSError: The file cannot be read.
    """
    status = path.stat()
    return _hash_version(path, status.st_size, status.st_mtime_ns)


@functools.cache
def _hash_version(path: Path, size: int, modified: int) -> str:  # noqa: ARG001 - part of the cache key
    return hash_file(path)


def hash_files(folder: Path, paths: Iterable[Path]) -> str:
    """Return the SHA-256 of the paths and contents of files, in any order.

    Args:
        folder: Folder that the paths are relative to in the checksum.
        paths: Files in it.

    Raises:
        OSError: A file cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(paths):
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name} {hash_file_once(path)}\n".encode())
    return digest.hexdigest()


def hash_json(content: Any) -> str:
    """Return the SHA-256 of the canonical form of JSON content.

    Keys are sorted, white space is left out and 1.0 equals 1, so that a program that only reformats
    a file, such as ``jq``, does not change the checksum.
    """
    canonical = json.dumps(_canonicalize(content), sort_keys=True, separators=(",", ":"))
    return hash_bytes(canonical.encode())


def _canonicalize(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _canonicalize(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_canonicalize(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def find_changes(folder: Path, present: set[str], checksums: Mapping[str, str]) -> list[str]:
    """Compare files with their checksums, and return one line for each problem.

    Args:
        folder: Folder of the files.
        present: Names of the files that exist.
        checksums: SHA-256 by the name of each file that was written.
    """
    problems = [f"{name} is missing" for name in checksums if name not in present]
    problems += [f"{name} belongs to another run" for name in present if name not in checksums]
    for name in present & set(checksums):
        try:
            if hash_file(folder / name) != checksums[name]:
                problems.append(f"{name} has changed since it was written")
        except OSError as error:
            problems.append(f"{name} cannot be read: {format_reason(error)}")
    return sorted(problems)


def format_record(record: Mapping[str, Any]) -> str:
    """Return a record as JSON, with a checksum of everything else in it."""
    content = {key: value for key, value in record.items() if key != CHECKSUM}
    return format_json({**content, CHECKSUM: hash_json(content)})


def read_record(text: str) -> dict[str, Any]:
    """Return the record that `format_record` wrote.

    Raises:
        ValueError: A key or a value has changed since, or the text is not a JSON object.
    """
    record = json.loads(text)
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    content = {key: value for key, value in record.items() if key != CHECKSUM}
    if record.get(CHECKSUM) != hash_json(content):
        raise ValueError("it has changed since it was written")
    return record
