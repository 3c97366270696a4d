"""The cache on disk: an entry is what was made, or it is made again."""

import errno
import json
import os
import shutil

import numpy as np
import pytest
from filelock import FileLock, Timeout

from textclf.errors import RequestError
from textclf.storage import cache
from textclf.storage.cache import (
    CacheEntry,
    CacheParts,
    cached,
    clear_entries,
    entries_folder,
    list_entries,
)


@pytest.fixture
def folder(cache_folder):
    return cache_folder / "arrays"


class Maker:
    """Makes entries, and counts them."""

    def __init__(self):
        self.n_made = 0

    def __call__(self):
        self.n_made += 1
        ids = np.arange(12, dtype=np.int32).reshape(3, 4)
        return CacheEntry({"ids": ids}, {"words": ["é", "b"]})


def test_entry_is_made_once(folder):
    make = Maker()
    for _ in range(2):
        entry = cached("ids", {"text": 1}, make)
        assert entry.arrays["ids"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
        assert entry.arrays["ids"].dtype == np.int32
        assert list(entry.facts["words"]) == ["é", "b"]
    assert make.n_made == 1
    assert isinstance(entry.arrays["ids"], np.memmap)
    for kind, key in (("ids", {"text": 2}), ("dataset", {"text": 1})):
        cached(kind, key, make)
    assert make.n_made == 3
    assert len(list_entries()) == 3
    assert not list(folder.glob(".*-*"))


@pytest.mark.parametrize("name", ["ids.npy", "record.json"])
@pytest.mark.parametrize("change", ["flip", "cut", "remove"])
def test_damaged_entry_is_made_again(folder, name, change):
    make = Maker()
    cached("ids", {}, make)
    path = next(folder.glob(f"*/{name}"))
    content = path.read_bytes()
    if change == "flip":
        path.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
    elif change == "cut":
        path.write_bytes(content.rstrip(b"\n")[:-1])
    else:
        path.unlink()
    assert cached("ids", {}, make).arrays["ids"][2, 3] == 11
    assert make.n_made == 2
    cached("ids", {}, make)
    assert make.n_made == 2


def test_entry_is_made_each_time_if_the_cache_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "file"))
    make = Maker()
    for n_made in (1, 2):
        assert cached("ids", {}, make).arrays["ids"][2, 3] == 11
        assert make.n_made == n_made


def test_read_only_cache_is_used(monkeypatch):
    make = Maker()
    cached("ids", {}, make)

    def refuse(path):
        raise PermissionError

    monkeypatch.setattr(cache.os, "utime", refuse)
    cached("ids", {}, make)
    assert make.n_made == 1


def test_leftovers_of_a_killed_process_are_cleared_and_not_listed(folder):
    cached("ids", {}, Maker())
    for name in (".123-ids-0", "ids-1"):
        (folder / name).mkdir()
    (folder / ".123-ids-0" / "record.json").write_text("{}")
    assert len(list_entries()) == 1
    clear_entries()
    assert [path for path in folder.iterdir() if path.is_dir()] == []
    assert clear_entries() == 0


def test_entry_above_the_limit_is_not_stored(monkeypatch):
    monkeypatch.setenv("TEXTCLF_MAX_CACHE_MB", "0.00001")
    assert cached("ids", {}, Maker()).arrays["ids"][2, 3] == 11
    assert list_entries() == []


def test_invalid_limit_is_refused_before_anything_is_made(monkeypatch):
    monkeypatch.setenv("TEXTCLF_MAX_CACHE_MB", "much")
    make = Maker()
    with pytest.raises(RequestError, match="TEXTCLF_MAX_CACHE_MB=much: expected megabytes"):
        cached("ids", {}, make)
    assert make.n_made == 0


def test_full_disk_leaves_no_entry_and_raises_no_error(folder, monkeypatch):
    def fail(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("textclf.storage.files._flush", fail)
    assert cached("ids", {}, Maker()).arrays["ids"][2, 3] == 11
    assert list_entries() == []
    assert [path.suffix for path in folder.iterdir()] == [".lock"]


def test_least_recently_used_entries_are_removed_above_the_limit(monkeypatch):
    make = Maker()
    cached("ids", {"number": 0}, make)
    size = list_entries()[0][1]
    monkeypatch.setenv("TEXTCLF_MAX_CACHE_MB", str(3.5 * size / 1e6))
    for number in (1, 2, 0, 3):
        cached("ids", {"number": number}, make)
        # File times are coarse, so each entry gets one of its own.
        for age, (entry, _, _) in enumerate(list_entries()):
            os.utime(entry / "record.json", (1e9 - age, 1e9 - age))
    assert make.n_made == 4
    assert len(list_entries()) == 3
    for number in (0, 2, 3):
        cached("ids", {"number": number}, make)
    assert make.n_made == 4
    cached("ids", {"number": 1}, make)
    assert make.n_made == 5


def test_command_lists_and_clears_the_cache(cli):
    cached("ids", {}, Maker())
    rows = cli("cache", "list", "--format", "json").json
    assert [set(row) for row in rows] == [{"entry", "megabytes", "last_used"}]
    assert rows[0]["megabytes"] == pytest.approx(list_entries()[0][1] / 1e6)
    result = cli("cache", "clear")
    assert (result.code, result.out) == (0, f"0.0 MB removed from {entries_folder()}\n")
    assert cli("cache", "list", "--format", "json").json == []
    shutil.rmtree(entries_folder())
    assert json.loads(cli("cache", "list", "--format", "json").out) == []


def make_part(number):
    return CacheEntry({"ids": np.full((2, 3), number)}, {"number": number})


def read_numbers(key="a"):
    entries = list(CacheParts("ids", {"key": key}).read())
    assert all((entry.arrays["ids"] == entry.facts["number"]).all() for entry in entries)
    return sorted(entry.facts["number"] for entry in entries)


def test_parts_are_read_with_their_key_and_replaced_by_name(folder):
    for number in (1, 2):
        CacheParts("ids", {"key": "a"}).add(str(number), make_part(number))
    CacheParts("ids", {"key": "b"}).add("1", make_part(3))
    CacheParts("other", {"key": "a"}).add("1", make_part(4))
    assert (read_numbers("a"), read_numbers("b"), read_numbers("c")) == ([1, 2], [3], [])
    CacheParts("ids", {"key": "a"}).add("2", make_part(5))
    assert read_numbers("a") == [1, 5]
    assert len(list_entries()) == 4
    assert not list(folder.glob(".*"))


def test_a_damaged_part_is_left_out():
    parts = CacheParts("ids", {"key": "a"})
    for number in (1, 2):
        parts.add(str(number), make_part(number))
    [damaged] = entries_folder().glob("*-1/ids.npy")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert read_numbers() == [2]
    parts.add("1", make_part(1))
    assert read_numbers() == [1, 2]


def test_parts_are_left_out_of_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "file"))
    parts = CacheParts("ids", {"key": "a"})
    with parts.locked():
        parts.add("1", make_part(1))
    assert read_numbers() == []


def test_an_error_in_the_block_of_a_lock_is_raised():
    with pytest.raises(PermissionError), CacheParts("ids", {"key": "a"}).locked():
        raise PermissionError


def test_one_process_at_a_time_has_the_lock_of_a_key():
    def is_free(key):
        path = CacheParts("ids", {"key": key})._folder.with_suffix(".lock")
        try:
            with FileLock(path, timeout=0):
                return True
        except Timeout:
            return False

    with CacheParts("ids", {"key": "a"}).locked():
        assert (is_free("a"), is_free("b")) == (False, True)
    assert is_free("a")


def test_oldest_parts_are_removed_above_the_limit(monkeypatch):
    CacheParts("ids", {"key": "a"}).add("1", make_part(1))
    size = list_entries()[0][1]
    os.utime(list_entries()[0][0] / "record.json", (1e9, 1e9))
    monkeypatch.setenv("TEXTCLF_MAX_CACHE_MB", str(1.5 * size / 1e6))
    CacheParts("ids", {"key": "a"}).add("2", make_part(2))
    assert read_numbers() == [2]
