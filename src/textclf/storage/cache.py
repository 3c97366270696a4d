"""A cache of arrays on disk: keyed by content, verified, shared by processes, limited in size."""

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

from textclf import __version__
from textclf.errors import TextclfError
from textclf.storage.arrays import open_array
from textclf.storage.cache_folders import own_cache
from textclf.storage.checksums import format_record, hash_file, read_record
from textclf.storage.files import remove_leftovers, write_atomically
from textclf.storage.limits import CACHE

FORMAT_VERSION = 4
"""Part of every key; raised when the same key would stand for other content."""

RECORD = "record.json"


@dataclass(frozen=True)
class CacheEntry:
    """Arrays and facts under one key.

    Attributes:
        arrays: Arrays by name; those from disk are read when they are used.
        facts: JSON content.
    """

    arrays: Mapping[str, npt.NDArray[Any]]
    facts: Mapping[str, Any]


def cached(kind: str, key: Mapping[str, Any], make: Callable[[], CacheEntry]) -> CacheEntry:
    """Return the cache entry of a key, making and storing it if it is missing or damaged.

    If several processes need the same entry, one makes it and the others wait. If the cache cannot
    be written, the entry is made and not stored.

    Args:
        kind: Kind of content, in one word.
        key: Everything that decides the content; JSON.
        make: Makes the entry.
    """
    limit = CACHE.n_bytes  # Read now, so that an invalid value is refused at once.
    folder = _locate(kind, key)
    if entry := _read(folder):
        return entry
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_lock(folder))
        except OSError:
            return make()  # Slower without a cache, with the same result.
        if entry := _read(folder):
            return entry
        entry = make()
        _store(folder, entry, limit)
        return entry


class CacheParts:
    """Cache entries that belong together and are added one by one, such as batches of features.

    Args:
        kind: Kind of content, in one word.
        key: Everything that decides the content, besides what an entry contains itself; JSON.
    """

    def __init__(self, kind: str, key: Mapping[str, Any]) -> None:
        self._limit = CACHE.n_bytes
        self._folder = _locate(kind, key)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from adding parts in the block, if the cache can be written."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                stack.enter_context(_lock(self._folder))
            yield

    def read(self) -> Iterator[CacheEntry]:
        """Yield all undamaged entries."""
        for folder in sorted(self._folder.parent.glob(f"{self._folder.name}-*")):
            if entry := _read(folder):
                yield entry

    def add(self, name: str, entry: CacheEntry) -> None:
        """Store an entry under a name, if the cache can be written."""
        _store(self._folder.with_name(f"{self._folder.name}-{name}"), entry, self._limit)


def _locate(kind: str, key: Mapping[str, Any]) -> Path:
    """Return the folder of a key."""
    versions = {name: version(name) for name in ("keras", "numpy", "tensorflow")}
    versions["textclf"] = __version__
    full_key = json.dumps([FORMAT_VERSION, versions, kind, key], sort_keys=True)
    return entries_folder() / f"{kind}-{hashlib.sha256(full_key.encode()).hexdigest()[:20]}"


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Keep other processes from making an entry; OSError if the cache cannot be written."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        yield


def _store(folder: Path, entry: CacheEntry, limit: int) -> None:
    """Write an entry and remove the oldest ones, unless the cache cannot be written."""
    with contextlib.suppress(TextclfError, OSError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        shutil.rmtree(folder, ignore_errors=True)
        if sum(array.nbytes for array in entry.arrays.values()) < limit:
            _write(folder, entry)
        _remove_oldest(limit)


def entries_folder() -> Path:
    """Return the folder of the entries."""
    return own_cache("arrays")


def list_entries() -> list[tuple[Path, int, float]]:
    """Return folder, bytes and time of last use of each entry, the last used first."""
    found = []
    for record in entries_folder().glob(f"[!.]*/{RECORD}"):
        with contextlib.suppress(OSError):  # Another process may remove it at this moment.
            size = sum(path.stat().st_size for path in record.parent.iterdir())
            found.append((record.parent, size, record.stat().st_mtime))
    return sorted(found, key=lambda entry: -entry[2])


def clear_entries() -> int:
    """Remove all entries, and return how many bytes were freed."""
    freed = sum(size for _, size, _ in list_entries())
    for folder in entries_folder().glob("*/"):  # Includes what killed processes left.
        shutil.rmtree(folder, ignore_errors=True)
    return freed


def _write(folder: Path, entry: CacheEntry) -> None:
    with write_atomically(folder) as temporary:
        temporary.mkdir()
        for name, array in entry.arrays.items():
            _save(temporary / f"{name}.npy", array)
        checksums = {path.name: hash_file(path) for path in temporary.iterdir()}
        record = format_record({"facts": dict(entry.facts), "checksums": checksums})
        (temporary / RECORD).write_text(record, encoding="utf-8")


def _save(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array; one that is in a file already, and may be large, is linked."""
    if not isinstance(array, np.memmap):
        np.save(path, array, allow_pickle=False)
        return
    try:
        path.hardlink_to(str(array.filename))
    except OSError:  # Another disk, or a file system without links.
        shutil.copyfile(str(array.filename), path)


def _read(folder: Path) -> CacheEntry | None:
    """Return an undamaged entry; None if there is none."""
    try:
        record = read_record((folder / RECORD).read_text(encoding="utf-8"))
        arrays = dict(_read_arrays(folder, record["checksums"]))
        with contextlib.suppress(OSError):  # A shared cache may be read-only.
            os.utime(folder / RECORD)
    except (OSError, ValueError, KeyError):
        return None
    return CacheEntry(arrays, record["facts"])


def _read_arrays(folder: Path, checksums: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for name, checksum in checksums.items():
        if hash_file(folder / name) != checksum:
            raise ValueError(f"{folder / name} has changed since it was written")
        yield name.removesuffix(".npy"), open_array(folder / name)


def _remove_oldest(limit: int) -> None:
    """Remove the least recently used entries until the others fit into a limit in bytes."""
    total = 0
    for folder, size, _ in list_entries():
        total += size
        if total > limit:
            shutil.rmtree(folder, ignore_errors=True)
