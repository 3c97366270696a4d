"""Downloads: one process at a time, one error, and nothing on standard output."""

import threading

import pytest
from filelock import FileLock

from textclf.errors import DataError, EmbeddingError
from textclf.storage.downloads import check_reachable, downloading


def test_failed_download_is_one_error_with_a_remedy(tmp_path):
    def fail():
        with downloading("the texts", tmp_path, DataError, remedy="check the network"):
            raise OSError("no route\nto the host")

    with pytest.raises(DataError) as info:
        fail()
    assert str(info.value) == "cannot get the texts: no route; check the network"


def test_error_that_already_explains_itself_is_kept(tmp_path):
    error = EmbeddingError("not installed")

    def fail():
        with downloading("glove", tmp_path, EmbeddingError, remedy="try again"):
            raise error

    with pytest.raises(EmbeddingError) as info:
        fail()
    assert info.value is error


def test_libraries_print_to_standard_error(tmp_path, capsys):
    with downloading("the texts", tmp_path, DataError, remedy=""):
        print("50% done")  # noqa: T201
    assert capsys.readouterr() == ("", "50% done\n")


def test_folder_is_created_and_locked(tmp_path):
    folder = tmp_path / "new" / "folder"
    with downloading("the texts", folder, DataError, remedy=""):
        assert folder.is_dir()
        entered = threading.Event()

        def download_too():
            with downloading("the texts", folder, DataError, remedy=""):
                entered.set()

        thread = threading.Thread(target=download_too)
        thread.start()
        assert not entered.wait(0.3)
    thread.join(10)
    assert entered.is_set()
    with FileLock(folder / ".textclf.lock", timeout=0):
        pass


def test_server_that_cannot_be_reached_is_named(server):
    url, folder = server
    (folder / "file").write_text("")
    check_reachable(f"{url}file")
    check_reachable(f"{url}missing", any_status=True)
    for unreachable in (f"{url}missing", "http://127.0.0.1:9/"):
        with pytest.raises(ConnectionError) as info:
            check_reachable(unreachable)
        assert str(info.value).startswith(f"{unreachable} cannot be reached (")
