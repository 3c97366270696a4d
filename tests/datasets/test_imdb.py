"""IMDB without its files."""

import pytest

from textclf.config.schema import DatasetConfig
from textclf.data.loading import load_dataset
from textclf.datasets import imdb
from textclf.errors import DataError

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_error_without_a_network_is_raised_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(imdb, "URL", "http://127.0.0.1:9/aclImdb_v1.tar.gz")
    with pytest.raises(DataError) as info:
        load_dataset(DatasetConfig(name="imdb"))
    message = str(info.value)
    assert "\n" not in message
    assert "cannot get imdb_reviews" in message
    assert f"copy a prepared imdb_reviews/plain_text/1.0.0 into {tmp_path}" in message
    assert message.endswith("or use --dataset bbc, which needs no download")
