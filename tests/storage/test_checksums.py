"""Checksums: a changed value is found, a reformatted record is not a changed one."""

import json

import pytest

from textclf.storage import checksums
from textclf.storage.checksums import (
    find_changes,
    format_record,
    hash_bytes,
    hash_file,
    hash_file_once,
    hash_files,
    hash_json,
    read_record,
)

RECORD = {
    "b": [1, 2.5, None, True],
    "a": {"text": "é", "small": 1e-05, "whole": 3.0, "large": 2**60, "empty": {}},
    "seconds": {"train": 12.0, "data": 0.25},
}


def reformat(text):
    """Write a JSON text as another program, such as jq, would."""
    return json.dumps(json.loads(text), indent=4, sort_keys=True)


def test_record_comes_back_with_a_checksum():
    text = format_record(RECORD)
    record = read_record(text)
    assert {key: record[key] for key in RECORD} == RECORD
    assert set(record) == {*RECORD, "checksum"}
    assert format_record(record) == text


@pytest.mark.parametrize(
    "change",
    [
        reformat,
        lambda text: text.replace(": ", ":").replace("\n", ""),
        lambda text: text[:-1],  # Without the last line break.
        lambda text: text.replace("3.0", "3").replace("1e-05", "0.00001"),
        lambda text: text.replace("\\u00e9", "é"),
    ],
    ids=["sorted", "compact", "stripped", "numbers", "escapes"],
)
def test_reformatted_record_is_valid(change):
    text = format_record(RECORD)
    changed = change(text)
    assert changed != text
    assert read_record(changed) == read_record(text)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["b"].__setitem__(1, 2.6),
        lambda record: record["b"].__setitem__(0, True),
        lambda record: record["b"].__setitem__(0, "1"),
        lambda record: record["b"].reverse(),
        lambda record: record["a"].update(text="e"),
        lambda record: record["a"].pop("empty"),
        lambda record: record["a"].update(more=1),
        lambda record: record["seconds"].update(training=record["seconds"].pop("train")),
        lambda record: record.update(checksum="0" * 64),
        lambda record: record.pop("checksum"),
    ],
)
def test_changed_record_is_refused(change):
    record = json.loads(format_record(RECORD))
    change(record)
    with pytest.raises(ValueError, match="it has changed since it was written"):
        read_record(json.dumps(record))


@pytest.mark.parametrize("text", ["[]", "null", '"checksum"'])
def test_record_that_is_not_an_object_is_refused(text):
    with pytest.raises(ValueError, match="not a JSON object"):
        read_record(text)


def test_record_that_is_cut_off_is_refused():
    text = format_record(RECORD)
    for length in range(len(text) - 2):
        with pytest.raises(ValueError):  # noqa: PT011 - the message is Python's
            read_record(text[:length])


def test_json_checksum_depends_on_content_only():
    assert hash_json({"a": 1, "b": (1.0, 2)}) == hash_json({"b": [1, 2.0], "a": 1.0})
    assert hash_json({"a": 1}) != hash_json({"a": 1.5}) != hash_json({"a": "1"})


def test_file_checksum_is_that_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    assert hash_file(tmp_path / "a") == hash_bytes(b"content")
    assert len(hash_bytes(b"")) == 64


def test_checksum_of_files_depends_on_paths_and_contents(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    paths = [tmp_path / "a", tmp_path / "b"]
    digest = hash_files(tmp_path, paths)
    assert hash_files(tmp_path, paths[::-1]) == digest
    assert hash_files(tmp_path, paths[:1]) != digest
    (tmp_path / "b").write_text("other")
    assert hash_files(tmp_path, paths) != digest
    (tmp_path / "b").write_text("b")
    assert hash_files(tmp_path, paths) == digest
    renamed = (tmp_path / "b").rename(tmp_path / "c")
    assert hash_files(tmp_path, [tmp_path / "a", renamed]) != digest


def test_file_is_hashed_once_until_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("text")
    assert hash_file_once(path) == hash_file(path)
    monkeypatch.setattr(checksums, "hash_file", lambda path: "again")
    assert hash_file_once(path) == hash_file(path)
    path.write_text("another")
    assert hash_file_once(path) == "again"


def test_changed_missing_and_additional_files_are_named(tmp_path):
    for name in ("same", "changed", "other", "folder"):
        (tmp_path / name).write_text(name)
    names = ("same", "changed", "missing", "folder")
    checksums = {name: hash_bytes(name.encode()) for name in names}
    assert find_changes(tmp_path, {"same"}, {"same": checksums["same"]}) == []
    (tmp_path / "changed").write_text("new")
    (tmp_path / "folder").unlink()
    (tmp_path / "folder").mkdir()
    present = {"same", "changed", "other", "folder"}
    changed, unreadable, missing, other = find_changes(tmp_path, present, checksums)
    assert changed == "changed has changed since it was written"
    assert unreadable.startswith("folder cannot be read: ")
    assert missing == "missing is missing"
    assert other == "other belongs to another run"
