"""Arrays that take time to make, kept on the disk: by content, verified, shared and bounded."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from textclf.data.text_store import open_array
from textclf.errors import TextclfError
from textclf.storage.checksums import format_sealed, hash_file, read_sealed
from textclf.storage.downloads import own_cache
from textclf.storage.files import remove_leftovers, write_whole
from textclf.storage.limits import CACHE

FORMAT = 2
"""Part of every key; raised when the same key would stand for other content."""

RECORD = "record.json"


@dataclass(frozen=True)
class Entry:
    """What is kept.

    Attributes:
        arrays: by their names; read from the disk where they are used, and not before.
        facts: what else is known; JSON.
    """

    arrays: Mapping[str, npt.NDArray[Any]]
    facts: Mapping[str, Any]


def cached(kind: str, key: Mapping[str, Any], make: Callable[[], Entry]) -> Entry:
    """Return what ``make`` made for this key before, or makes now.

    Of processes that need the same, one makes it and the others wait. What is damaged is made
    again, and where nothing can be written, nothing is kept.

    Args:
        kind: what it is, in one word.
        key: all that decides the content; JSON.
        make: is called where there is nothing, or something else than was written.
    """
    limit = CACHE.n_bytes  # A wrong one is said at once.
    versions = {name: version(name) for name in ("keras", "numpy", "tensorflow", "textclf")}
    words = json.dumps([FORMAT, versions, kind, key], sort_keys=True)
    folder = entries_folder() / f"{kind}-{hashlib.sha256(words.encode()).hexdigest()[:20]}"
    if entry := _read(folder):
        return entry
    with contextlib.ExitStack() as stack:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(folder.with_suffix(".lock")))
        except OSError:
            return make()  # It is faster with a cache, and right without.
        if entry := _read(folder):
            return entry
        entry = make()
        with contextlib.suppress(TextclfError, OSError):
            remove_leftovers(folder)
            shutil.rmtree(folder, ignore_errors=True)
            if sum(array.nbytes for array in entry.arrays.values()) < limit:
                _write(folder, entry)
            _remove_oldest(limit)
        return entry


def entries_folder() -> Path:
    """Return where entries are."""
    return own_cache("arrays")


def list_entries() -> list[tuple[Path, int, float]]:
    """Return each entry with its bytes and the time of its last use, the latest first."""
    found = []
    for record in entries_folder().glob(f"[!.]*/{RECORD}"):
        with contextlib.suppress(OSError):  # Another process may remove it just now.
            size = sum(path.stat().st_size for path in record.parent.iterdir())
            found.append((record.parent, size, record.stat().st_mtime))
    return sorted(found, key=lambda entry: -entry[2])


def clear_entries() -> int:
    """Remove all entries; return the bytes that are free now."""
    freed = sum(size for _, size, _ in list_entries())
    for folder in entries_folder().glob("*/"):  # Also what a killed process left.
        shutil.rmtree(folder, ignore_errors=True)
    return freed


def _write(folder: Path, entry: Entry) -> None:
    with write_whole(folder) as temporary:
        temporary.mkdir()
        for name, array in entry.arrays.items():
            _save(temporary / f"{name}.npy", array)
        digests = {path.name: hash_file(path) for path in temporary.iterdir()}
        record = format_sealed({"facts": dict(entry.facts), "digests": digests})
        (temporary / RECORD).write_text(record, encoding="utf-8")


def _save(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array; of one that is in a file already, which may be large, give that a name."""
    if not isinstance(array, np.memmap):
        np.save(path, array, allow_pickle=False)
        return
    try:
        path.hardlink_to(str(array.filename))
    except OSError:  # On another disk, or on one that knows no links.
        shutil.copyfile(str(array.filename), path)


def _read(folder: Path) -> Entry | None:
    """Return an entry that is what was written; None where there is none."""
    try:
        record = read_sealed((folder / RECORD).read_text(encoding="utf-8"))
        arrays = dict(_read_arrays(folder, record["digests"]))
        with contextlib.suppress(OSError):  # It may be somebody else's, and good all the same.
            os.utime(folder / RECORD)
    except (OSError, ValueError, KeyError):
        return None
    return Entry(arrays, record["facts"])


def _read_arrays(folder: Path, digests: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for name, digest in digests.items():
        if hash_file(folder / name) != digest:
            raise ValueError(f"{folder / name} has changed since it was written")
        yield name.removesuffix(".npy"), open_array(folder / name)


def _remove_oldest(limit: int) -> None:
    """Remove what was not used for longest, until the rest is below a limit in bytes."""
    total = 0
    for folder, size, _ in list_entries():
        total += size
        if total > limit:
            shutil.rmtree(folder, ignore_errors=True)
