"""NumPy arrays in files, including arrays that are larger than memory."""

import atexit
import contextlib
import mmap
import os
import shutil
import tempfile
import uuid
import weakref
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import BaseFileLock, FileLock, Timeout

from textclf.errors import TextclfError, format_reason
from textclf.storage.cache_folders import own_cache

IntArray = npt.NDArray[np.int64]

MAX_BYTES_IN_MEMORY = 64_000_000
"""Arrays up to this size are loaded into memory if they are read again and again."""


class ArrayWriter:
    """Writes an array of unknown length to a temporary ``.npy`` file.

    The file is removed after an error in a ``with`` block, or when the array that `finish` returns
    is garbage-collected.

    Args:
        dtype: Type of the numbers.
        row_shape: Shape of each row.

    Raises:
        TextclfError: The disk is full; every method that writes may raise it.
    """

    def __init__(self, dtype: npt.DTypeLike, *row_shape: int) -> None:
        self._dtype, self._row_shape, self._length = np.dtype(dtype), row_shape, 0
        descriptor, path = tempfile.mkstemp(suffix=".npy", dir=spool_folder())
        self._path, self._file = Path(path), os.fdopen(descriptor, "wb")
        self._write_header()

    def __enter__(self) -> "ArrayWriter":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        with contextlib.suppress(OSError):  # Closing flushes, which fails on a full disk.
            self._file.close()
        if error is not None:
            self._path.unlink(missing_ok=True)

    def append(self, rows: npt.ArrayLike) -> None:
        """Write rows, [n, *row_shape]."""
        block = np.ascontiguousarray(rows, self._dtype)
        with _explaining_write_errors(self._path):
            self._file.write(block.data)
        self._length += len(block)

    def finish(self) -> npt.NDArray[Any]:
        """Return the array that was written, as a numpy.memmap."""
        with _explaining_write_errors(self._path):
            self._file.seek(0)
            self._write_header()
            self._file.close()
        array = open_array(self._path)
        weakref.finalize(array, _remove_file, self._path)
        return array

    def _write_header(self) -> None:
        # NumPy pads the header so that a length of any size fits when it is written again.
        np.lib.format.write_array_header_1_0(
            self._file,
            {
                "shape": (self._length, *self._row_shape),
                "fortran_order": False,
                "descr": np.lib.format.dtype_to_descr(self._dtype),
            },
        )


def write_batches(batches: Iterable[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Write one or more batches of rows to one array in a file."""
    iterator = iter(batches)
    first = next(iterator)
    with ArrayWriter(first.dtype, *first.shape[1:]) as writer:
        writer.append(first)
        for batch in iterator:
            writer.append(batch)
        return writer.finish()


def _remove_file(path: Path) -> None:
    # Windows refuses if the file is open: releasing its lock removes a lock file, and the next
    # process removes an array.
    with contextlib.suppress(PermissionError):
        path.unlink(missing_ok=True)


def open_array(path: Path) -> npt.NDArray[Any]:
    """Return the array in a ``.npy`` file, as a numpy.memmap unless it is empty."""
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r")
    except ValueError:  # An empty file cannot be mapped.
        array = np.load(path)
    return array


def read_rows(array: npt.NDArray[Any], positions: IntArray | slice) -> npt.NDArray[Any]:
    """Return a copy of some rows; of an array in a file, only these rows stay in memory.

    Args:
        array: A whole numpy.memmap, or any array in memory.
        positions: <int64>[n], or a slice.
    """
    rows = np.array(array[positions])
    if isinstance(array.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        # Otherwise every page that was read would count as memory of this process.
        array.base.madvise(mmap.MADV_DONTNEED)
    return rows


def write_npz(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write an ``.npz`` file like `numpy.savez`, converting one value at a time to an array."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)


@contextlib.contextmanager
def open_npz(path: Path) -> Iterator[Any]:
    """Open an ``.npz`` file without unpickling, and close it even if it is damaged."""
    with path.open("rb") as file, np.load(file) as arrays:
        yield arrays


def strings_to_array(strings: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Return strings without line breaks as the bytes of their UTF-8, <uint8>[bytes]."""
    return np.frombuffer("\n".join(strings).encode("utf-8", "surrogatepass"), np.uint8)


def array_to_strings(array: npt.NDArray[np.uint8]) -> tuple[str, ...]:
    """Return the strings that `strings_to_array` encoded; one empty string becomes none."""
    text = array.tobytes().decode("utf-8", "surrogatepass")
    return tuple(text.split("\n")) if text else ()


@contextlib.contextmanager
def _explaining_write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TextclfError(
            f"cannot write {path}: {format_reason(error)}; set TEXTCLF_CACHE_DIR to a folder on"
            " another disk"
        ) from error


_spools: dict[Path, Path] = {}


def spool_folder() -> Path:
    """Return a folder for temporary files, which is removed when this process ends.

    It is in the cache folder, because the disk of the system's temporary folder is often smaller.
    """
    root = own_cache("spool")
    if root not in _spools:
        try:
            _spools[root] = _open_spool(root)
        except OSError:
            with _explaining_write_errors(Path(tempfile.gettempdir())):
                parent = Path(tempfile.mkdtemp(prefix="textclf-"))
                atexit.register(shutil.rmtree, parent, ignore_errors=True)
                _spools[root] = _open_spool(parent)
    return _spools[root]


def _open_spool(root: Path) -> Path:
    """Create a folder and a lock beside it that shows other processes that it is in use."""
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
    _remove_file(lock_path)
