"""What may be larger than memory: arrays and texts in files, written and read piece by piece."""

import atexit
import contextlib
import mmap
import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from filelock import BaseFileLock, FileLock, Timeout

from textclf.errors import TextclfError
from textclf.storage.downloads import own_cache

IntArray = npt.NDArray[np.int64]

IN_MEMORY = 64_000_000
"""Bytes of an array up to which it is held in memory, where it is used again and again."""

BLOCK = 1_000
"""Texts that are read at once."""


class ArrayWriter:
    """Writes an array of unknown length to a ``.npy`` file.

    After an error in a ``with`` statement, nothing is left; after `finish`, the file goes with the
    array.

    Args:
        dtype: of its numbers.
        row_shape: of each of its rows.

    Raises:
        TextclfError: at any write, where the disk is full.
    """

    def __init__(self, dtype: npt.DTypeLike, *row_shape: int) -> None:
        self._dtype, self._row_shape, self._length = np.dtype(dtype), row_shape, 0
        descriptor, path = tempfile.mkstemp(suffix=".npy", dir=spool_folder())
        self._path, self._file = Path(path), os.fdopen(descriptor, "wb")
        self._write_header()

    def __enter__(self) -> "ArrayWriter":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        with contextlib.suppress(OSError):  # On a full disk, what is left cannot be written either.
            self._file.close()
        if error is not None:
            self._path.unlink(missing_ok=True)

    def append(self, rows: npt.ArrayLike) -> None:
        """Write rows, [n, *row_shape]."""
        block = np.ascontiguousarray(rows, self._dtype)
        with _writing(self._path):
            self._file.write(block.data)
        self._length += len(block)

    def finish(self) -> npt.NDArray[Any]:
        """Return all that was written, as numpy.memmap."""
        with _writing(self._path):
            self._file.seek(0)
            self._write_header()
            self._file.close()
        array = open_array(self._path)
        weakref.finalize(array, self._path.unlink, missing_ok=True)  # What is mapped lives on.
        return array

    def _write_header(self) -> None:
        # NumPy leaves room in the header for a length of any size, so that it can be written again.
        np.lib.format.write_array_header_1_0(
            self._file,
            {
                "shape": (self._length, *self._row_shape),
                "fortran_order": False,
                "descr": np.lib.format.dtype_to_descr(self._dtype),
            },
        )


def write_batches(batches: Iterable[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Write batches of rows, of which there is at least one, into one array in a file."""
    iterator = iter(batches)
    first = next(iterator)
    with ArrayWriter(first.dtype, *first.shape[1:]) as writer:
        writer.append(first)
        for batch in iterator:
            writer.append(batch)
        return writer.finish()


def open_array(path: Path) -> npt.NDArray[Any]:
    """Return the array in a ``.npy`` file as a numpy.memmap, where it is not empty."""
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r")
    except ValueError:  # Nothing cannot be mapped.
        array = np.load(path)
    return array


def read_rows(array: npt.NDArray[Any], places: IntArray | slice) -> npt.NDArray[Any]:
    """Return a copy of some rows of an array; of one in a file, no more than these stays in memory.

    Args:
        array: a whole numpy.memmap, and not a part of one; or any array.
        places: <int64>[n], or a slice.
    """
    rows = np.array(array[places])
    if isinstance(array.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        # Else each page that was ever read would count as memory of this process.
        array.base.madvise(mmap.MADV_DONTNEED)
    return rows


class StoredTexts(Sequence[str]):
    """Texts in a file, of which no more is held than is looked at.

    Args:
        content: <uint8>[bytes], the UTF-8 of all texts; a whole numpy.memmap.
        ends: <int64>[texts], where each ends in it.
        places: <int64>[n], which texts these are.
    """

    def __init__(self, content: npt.NDArray[np.uint8], ends: IntArray, places: IntArray) -> None:
        self._content = content
        self._ends = ends
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [_decode(text) for text in self.read(np.arange(len(self))[place])]
        return _decode(self.read(np.array([range(len(self))[place]]))[0])

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BLOCK):
            yield from self[start : start + BLOCK]

    def take(self, places: IntArray) -> "StoredTexts":
        """Return the texts at ``places``."""
        return StoredTexts(self._content, self._ends, self._places[places])

    def read(self, places: IntArray) -> list[bytes]:
        """Return the UTF-8 of the texts at ``places``."""
        texts: list[bytes] = []
        taken = self._places[places]
        for start, stop in _find_runs(taken):
            first, last = int(taken[start]), int(taken[stop - 1])
            begin = int(self._ends[first - 1]) if first else 0
            content = read_rows(self._content, slice(begin, int(self._ends[last]))).tobytes()
            cuts = (self._ends[first : last + 1] - begin).tolist()
            texts += [content[a:b] for a, b in zip([0, *cuts], cuts, strict=False)]
        return texts


class TextWriter:
    """Writes texts one after the other; `finish` returns what `StoredTexts` takes."""

    def __init__(self) -> None:
        self._content, self._ends = ArrayWriter(np.uint8), ArrayWriter(np.int64)
        self._total = 0

    def __enter__(self) -> "TextWriter":
        return self

    def __exit__(self, *error: Any) -> None:
        for writer in (self._content, self._ends):
            writer.__exit__(*error)

    def append(self, texts: Sequence[str]) -> None:
        """Write texts, of which lone surrogates stay as they are."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        ends = np.cumsum([len(text) for text in encoded], dtype=np.int64) + self._total
        self._content.append(np.frombuffer(b"".join(encoded), np.uint8))
        self._ends.append(ends)
        self._total = int(ends[-1]) if len(ends) else self._total

    def finish(self) -> tuple[npt.NDArray[np.uint8], IntArray]:
        """Return the bytes of all texts, and where each ends in them."""
        return self._content.finish(), self._ends.finish()


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "surrogatepass")


def _find_runs(places: IntArray) -> Iterator[tuple[int, int]]:
    """Yield from where to where places follow each other."""
    starts = np.flatnonzero(np.diff(places, prepend=-2) != 1).tolist()
    return zip(starts, [*starts[1:], len(places)], strict=True)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TextclfError(
            f"cannot write {path}: {error.strerror or error}; TEXTCLF_CACHE_DIR moves it to"
            " another disk"
        ) from error


_spools: dict[Path, Path] = {}


def spool_folder() -> Path:
    """Return a folder for files that are gone when this process ends.

    It is where the caches are, whose disk is larger than that of temporary files as a rule.
    """
    root = own_cache("spool")
    if root not in _spools:
        try:
            _spools[root] = _open_spool(root)
        except OSError:
            with _writing(Path(tempfile.gettempdir())):
                _spools[root] = _open_spool(Path(tempfile.mkdtemp(prefix="textclf-")))
    return _spools[root]


def _open_spool(root: Path) -> Path:
    """Make a folder, with a lock beside it that tells other processes that it is in use."""
    root.mkdir(parents=True, exist_ok=True)
    for path in root.glob("*.lock"):
        with contextlib.suppress(Timeout, OSError), FileLock(path, timeout=0):
            _remove_spool(path)  # Its process was killed.
    lock = FileLock(root / f"{uuid.uuid4().hex}.lock")
    lock.acquire()
    folder = Path(lock.lock_file).with_suffix("")
    folder.mkdir()
    atexit.register(_close_spool, lock)
    return folder


def _close_spool(lock: BaseFileLock) -> None:
    _remove_spool(Path(lock.lock_file))
    lock.release()


def _remove_spool(lock_path: Path) -> None:
    shutil.rmtree(lock_path.with_suffix(""), ignore_errors=True)
    lock_path.unlink(missing_ok=True)
