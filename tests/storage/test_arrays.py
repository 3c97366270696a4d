"""Arrays in files: what was written is read, in any order, and no file is left behind."""

import errno
import gc
import os
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from textclf.errors import TextclfError
from textclf.storage.arrays import (
    ArrayWriter,
    array_to_strings,
    open_array,
    open_npz,
    read_rows,
    strings_to_array,
    write_batches,
    write_npz,
)


@pytest.fixture
def spool(cache_folder):
    return cache_folder / "spool"


def write(array):
    """Write an array to a temporary file."""
    return write_batches([np.asarray(array)])


def test_rows_are_read_in_any_order():
    rows = np.arange(60, dtype=np.int32).reshape(20, 3)
    array = write_batches(rows[start : start + 7] for start in range(0, 20, 7))
    assert isinstance(array, np.memmap)
    assert array.dtype == np.int32
    assert np.array_equal(array, rows)
    for positions in ([3], [19, 0, 0, 1, 2, 7], [], range(20)):
        wanted = np.array(positions, np.int64)
        found = read_rows(array, wanted)
        assert type(found) is np.ndarray
        assert np.array_equal(found, rows[wanted])
    assert np.array_equal(read_rows(array, slice(4, 9)), rows[4:9])
    assert np.array_equal(read_rows(rows, np.array([2, 1])), rows[[2, 1]])


def test_file_is_removed_with_its_array(spool):
    array = write(np.arange(10))
    half = array[5:]
    assert len(list(spool.glob("*/*.npy"))) == 1
    del array
    gc.collect()
    assert half.tolist() == [5, 6, 7, 8, 9]  # The file stays while a part of it is in use.
    del half
    gc.collect()
    assert list(spool.glob("*/*.npy")) == []


def test_file_is_removed_after_an_error(spool):
    def write_half():
        with ArrayWriter(np.int64) as writer:
            writer.append([1, 2])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert list(spool.glob("*/*.npy")) == []


def test_empty_array_is_written_and_read():
    with ArrayWriter(np.int64) as writer:
        assert writer.finish().shape == (0,)
    with ArrayWriter(np.float32, 3) as writer:
        assert writer.finish().shape == (0, 3)


@pytest.mark.parametrize(
    "strings", [(), ("one",), ("the", "straße", "日本", "👩‍👩‍👧", "a b\tc", ""), ("", "")]
)
def test_strings_come_back_from_an_array(strings, tmp_path):
    array = strings_to_array(strings)
    assert array.dtype == np.uint8
    assert array_to_strings(array) == strings
    np.save(tmp_path / "strings.npy", array)
    assert array_to_strings(open_array(tmp_path / "strings.npy")) == strings


def test_npz_is_read_without_unpickling(tmp_path):
    write_npz(tmp_path / "a.npz", {"x": [1, 2], "head": "text"})
    with open_npz(tmp_path / "a.npz") as arrays:
        assert arrays["x"].tolist() == [1, 2]
        assert str(arrays["head"]) == "text"
    np.savez(tmp_path / "objects.npz", x=np.array([[1], [2, 3]], object))
    with open_npz(tmp_path / "objects.npz") as arrays, pytest.raises(ValueError):  # noqa: PT011
        arrays["x"]


def test_another_folder_is_used_if_the_cache_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "file"))
    assert write([1, 2]).tolist() == [1, 2]


def test_files_of_killed_processes_are_removed(spool):
    for name in ("killed", "running"):
        (spool / name).mkdir(parents=True)
        (spool / name / "a.npy").write_text("")
        (spool / f"{name}.lock").write_text("")
    with FileLock(spool / "running.lock"):
        write([1, 2])
        assert not (spool / "killed").exists()
        assert not (spool / "killed.lock").exists()
        assert (spool / "running" / "a.npy").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full imitates a full disk")
def test_full_disk_is_one_line_and_leaves_no_file(spool, monkeypatch):
    def fill(writer):
        with writer, Path("/dev/full").open("wb", buffering=0) as full:
            writer._file.close()
            monkeypatch.setattr(writer, "_file", full)
            writer.append(np.zeros(10_000_000))

    with pytest.raises(TextclfError) as info:
        fill(ArrayWriter(np.uint8))
    message = str(info.value)
    assert f"{os.strerror(errno.ENOSPC)}; set TEXTCLF_CACHE_DIR to a folder on another" in message
    assert "\n" not in message
    assert not list(spool.glob("*/*"))
