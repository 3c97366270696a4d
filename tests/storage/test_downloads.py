"""Fetching what is not there: from a local server, and without any network."""

import hashlib

import pytest

from textclf.config.schema import DatasetOptions
from textclf.data.loading import load_dataset
from textclf.datasets import imdb, reuters
from textclf.errors import DataError

CONTENT = b"not really wires, but bytes with a known hash"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of Keras, in which reuters.npz is expected to have the known hash."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    digest = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setitem(reuters.FILES, "reuters.npz", ("sha256", digest))
    return tmp_path / "keras" / "datasets"


def test_download_goes_where_keras_looks_and_is_not_repeated(server, cache, monkeypatch, capfd):
    origin, folder = server
    (folder / "reuters.npz").write_bytes(CONTENT)
    monkeypatch.setattr(reuters, "ORIGIN", origin)
    reuters._fetch("reuters.npz")
    assert (cache / "reuters.npz").read_bytes() == CONTENT
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "Downloading data" in captured.err
    (folder / "reuters.npz").unlink()
    reuters._fetch("reuters.npz")  # from the cache: the server has nothing any more


def test_damaged_file_is_downloaded_again(server, cache, monkeypatch):
    origin, folder = server
    (folder / "reuters.npz").write_bytes(CONTENT)
    monkeypatch.setattr(reuters, "ORIGIN", origin)
    cache.mkdir(parents=True)
    (cache / "reuters.npz").write_bytes(CONTENT[:-1])
    reuters._fetch("reuters.npz")
    assert (cache / "reuters.npz").read_bytes() == CONTENT


def test_download_with_another_hash_is_refused(server, cache, monkeypatch):
    origin, folder = server
    (folder / "reuters.npz").write_bytes(b"something else")
    monkeypatch.setattr(reuters, "ORIGIN", origin)
    with pytest.raises(DataError, match=r"cannot get reuters.npz .*orrupted"):
        reuters._fetch("reuters.npz")


@pytest.mark.parametrize("state", ["is not there", "is damaged"])
def test_no_network_names_the_file_its_place_and_what_works_now(cache, monkeypatch, state):
    monkeypatch.setattr(reuters, "ORIGIN", "http://127.0.0.1:9/")  # nothing listens there
    cache.mkdir(parents=True)
    if state == "is damaged":
        (cache / "reuters.npz").write_bytes(CONTENT[:-1])
    with pytest.raises(DataError) as info:
        load_dataset(DatasetOptions(name="reuters"))
    message = str(info.value)
    assert "\n" not in message
    assert f"cannot get reuters.npz ({cache / 'reuters.npz'} {state})" in message
    assert f"put http://127.0.0.1:9/reuters.npz into {cache}" in message
    assert message.endswith("or use --dataset bbc, which needs no download")


def test_imdb_without_a_network_fails_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(imdb, "URL", "http://127.0.0.1:9/aclImdb_v1.tar.gz")
    with pytest.raises(DataError) as info:
        load_dataset(DatasetOptions(name="imdb"))
    message = str(info.value)
    assert "\n" not in message
    assert "cannot get imdb_reviews" in message
    assert f"copy a prepared imdb_reviews/plain_text/1.0.0 into {tmp_path}" in message
    assert message.endswith("or use --dataset bbc, which needs no download")
