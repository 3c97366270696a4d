"""The files of Reuters are downloaded to where Keras looks, and damaged ones are replaced."""

import hashlib

import pytest

from textclf.config.schema import DatasetConfig
from textclf.data.loading import load_dataset
from textclf.datasets import reuters
from textclf.errors import DataError

# First, because Keras reads KERAS_HOME when it is imported.
pytestmark = pytest.mark.usefixtures("tensorflow")

CONTENT = b"not newswires, but bytes with a known checksum"
UNREACHABLE = "http://127.0.0.1:9/"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of Keras; the published checksum of reuters.npz is that of `CONTENT`."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    checksum = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setitem(reuters.FILES, "reuters.npz", ("sha256", checksum))
    return tmp_path / "keras" / "datasets"


@pytest.fixture
def served(server, monkeypatch):
    """The folder from which files are downloaded."""
    url, folder = server
    monkeypatch.setattr(reuters, "ORIGIN", url)
    return folder


def test_file_is_downloaded_once_to_where_keras_looks(cache, served, capfd):
    (served / "reuters.npz").write_bytes(CONTENT)
    reuters._fetch("reuters.npz")
    assert (cache / "reuters.npz").read_bytes() == CONTENT
    assert capfd.readouterr().out == ""
    (served / "reuters.npz").unlink()
    reuters._fetch("reuters.npz")  # From the cache, because the server no longer has it.


def test_damaged_file_is_downloaded_again(cache, served):
    (served / "reuters.npz").write_bytes(CONTENT)
    cache.mkdir(parents=True)
    (cache / "reuters.npz").write_bytes(CONTENT[:-1])
    reuters._fetch("reuters.npz")
    assert (cache / "reuters.npz").read_bytes() == CONTENT


def test_download_with_another_checksum_is_refused(cache, served):
    (served / "reuters.npz").write_bytes(b"something else")
    with pytest.raises(DataError) as info:
        reuters._fetch("reuters.npz")
    assert f"cannot get reuters.npz ({cache / 'reuters.npz'} does not exist): " in str(info.value)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("state", ["does not exist", "is damaged"])
def test_error_without_a_network_names_file_path_and_remedy(cache, monkeypatch, state):
    monkeypatch.setattr(reuters, "ORIGIN", UNREACHABLE)
    cache.mkdir(parents=True)
    if state == "is damaged":
        (cache / "reuters.npz").write_bytes(CONTENT[:-1])
    with pytest.raises(DataError) as info:
        load_dataset(DatasetConfig(name="reuters"))
    message = str(info.value)
    assert "\n" not in message
    assert f"cannot get reuters.npz ({cache / 'reuters.npz'} {state})" in message
    assert f"put {UNREACHABLE}reuters.npz into {cache}" in message
    assert message.endswith("or use --dataset bbc, which needs no download")


def test_topics_are_those_of_keras():
    from keras.datasets.reuters import get_label_names

    assert reuters.label_names(DatasetConfig(name="reuters")) == tuple(get_label_names())
