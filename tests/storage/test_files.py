"""Files: written whole or not at all, locked, and read with one-line errors."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from textclf.errors import LimitError, RunError
from textclf.storage.files import (
    LOCK,
    is_locked,
    lock_folder,
    reading,
    remove_leftovers,
    write_atomically,
    write_text,
)


def test_file_or_folder_appears_when_it_is_complete(tmp_path):
    with write_atomically(tmp_path / "file") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "file").exists()
    assert (tmp_path / "file").read_text() == "new"
    with write_atomically(tmp_path / "folder") as temporary:
        (temporary / "inner").mkdir(parents=True)
        (temporary / "inner" / "a").write_text("a")
        assert not (tmp_path / "folder").exists()
    assert (tmp_path / "folder" / "inner" / "a").read_text() == "a"
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}


def test_text_file_is_utf_8(tmp_path):
    write_text(tmp_path / "file", "é\n")
    assert (tmp_path / "file").read_bytes() == "é\n".encode()


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), ValueError("x")]
)
def test_failed_write_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")

    def write():
        with write_atomically(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(RunError if isinstance(error, OSError) else ValueError) as info:
        write()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    if isinstance(error, OSError):
        reason = os.strerror(errno.ENOSPC)
        assert (
            str(info.value) == f"cannot write {path}: {reason}; check the disk and the permissions"
        )


def test_leftovers_of_killed_processes_are_removed(tmp_path):
    (tmp_path / ".123-file").write_text("half")
    (tmp_path / ".456-file").mkdir()
    (tmp_path / ".123-other").write_text("half")
    (tmp_path / f".{os.getpid()}-mine").write_text("of an earlier process with this id")
    write_text(tmp_path / "mine", "new")
    remove_leftovers(tmp_path / "file")
    assert {path.name for path in tmp_path.iterdir()} == {".123-other", "mine"}


def test_folder_is_locked_for_one_process(tmp_path):
    folder = tmp_path / "new" / "folder"
    with (
        lock_folder(folder),
        pytest.raises(RunError, match="is in use by another process"),
        lock_folder(folder),
    ):
        pass
    with lock_folder(folder):  # It is free again.
        pass


@pytest.mark.parametrize("step", ["create", "lock"])
def test_folder_that_another_process_removes_is_created_again(tmp_path, monkeypatch, step):
    folder, removed = tmp_path / "new" / "folder", []
    mkdir, acquire = Path.mkdir, FileLock.acquire

    def remove_once():
        if not removed:
            removed.append(shutil.rmtree(folder.parent))

    def mkdir_after_removal(path, *arguments, **options):
        if path == folder and folder.parent.exists():
            remove_once()
        mkdir(path, *arguments, **options)

    def acquire_before_removal(lock, *arguments, **options):
        proxy = acquire(lock, *arguments, **options)
        remove_once()
        return proxy

    if step == "create":
        monkeypatch.setattr(Path, "mkdir", mkdir_after_removal)
    else:
        monkeypatch.setattr(FileLock, "acquire", acquire_before_removal)
    with lock_folder(folder):
        assert len(removed) == 1
        assert (folder / LOCK).exists()


def test_looking_whether_a_folder_is_locked_changes_nothing(tmp_path):
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with lock_folder(tmp_path):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
    with lock_folder(tmp_path):  # It is free.
        pass


def test_folder_that_cannot_be_created_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "folder"
    with pytest.raises(RunError) as info, lock_folder(folder):
        pass
    assert str(info.value).startswith(f"cannot write {folder}: ")
    assert str(info.value).endswith("; check the disk and the permissions")


def read(path: Path, error: Exception | None = None) -> str:
    with reading(path, "train it again"):
        if error:
            raise error
        return path.read_text()


def test_missing_and_damaged_files_are_one_line_with_a_remedy(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(RunError) as info:
        read(path)
    assert str(info.value) == f"{path} does not exist; train it again"
    path.write_text("content")
    assert read(path) == "content"
    with pytest.raises(RunError) as info:
        read(path, ValueError("first line\nsecond line"))
    assert str(info.value) == f"{path} is damaged (ValueError: first line); train it again"
    with pytest.raises(RunError) as info:
        read(path, PermissionError(errno.EACCES, "denied"))
    assert str(info.value) == f"cannot read {path}: denied; check the disk and the permissions"
    with pytest.raises(RunError, match="not a regular file"):
        read(tmp_path)


def test_large_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_MAX_FILE_MB", "0.001")
    path = tmp_path / "file"
    path.write_text("x" * 1_001)
    with pytest.raises(LimitError, match=r"file is larger than the limit of 0\.001 MB"):
        read(path)
