"""Packed datasets: what is unpacked is the dataset that was packed."""

from dataclasses import replace

import numpy as np
import pytest

from textclf.data.dataset import Split, TextDataset
from textclf.data.packing import pack_dataset, pack_split, unpack_dataset, unpack_split
from textclf.data.splitting import limit_splits
from textclf.data.text_store import StoredTexts
from textclf.storage.cache import cached


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(params=[None, (), ("fig", "straße", "axe")], ids=["counted", "empty", "published"])
def packed(dataset, request):
    """A dataset whose training examples are not in their original order."""
    shuffled = dataset.train.take(np.array([7, 3, 3, 12, 0]))
    return replace(dataset, train=shuffled, vocabulary=request.param, notes=("odd",))


def check_same(found, expected):
    """Check everything that a dataset consists of."""
    assert found.name == expected.name
    assert found.label_names == expected.label_names
    assert found.vocabulary == expected.vocabulary
    assert found.notes == expected.notes
    assert found.digest == expected.digest
    assert list(found.splits) == list(expected.splits)
    for name, split in expected.splits.items():
        check_same_split(found.splits[name], split, expected.label_names)


def check_same_split(found, expected, label_names):
    assert len(found) == len(expected)
    assert list(found.texts) == list(expected.texts)
    for kind in ("labels", "index"):
        assert getattr(found, kind).dtype == np.int64
        assert np.array_equal(getattr(found, kind), getattr(expected, kind))
    assert found.digest(label_names) == expected.digest(label_names)
    # A digest that was stored is also the one that the texts have.
    assert replace(found, known_digest=None).digest(label_names) == expected.digest(label_names)


def take_in_other_order(split):
    return split.take(np.array([2, 0, 1, 2]))


@pytest.mark.parametrize("is_stored", [False, True], ids=["memory", "file"])
@pytest.mark.parametrize("is_cached", [False, True], ids=["direct", "cached"])
def test_unpacked_dataset_is_the_same(packed, is_cached, is_stored):
    if is_stored:
        splits = {
            name: replace(split, texts=StoredTexts.write(split.texts))
            for name, split in packed.splits.items()
        }
        packed = replace(packed, **splits)

    def make():
        return pack_dataset(packed)

    for _ in range(2):
        entry = cached("dataset", {}, make) if is_cached else make()
        found = unpack_dataset(entry)
        check_same(found, packed)
        for name, split in packed.splits.items():
            ours, theirs = (take_in_other_order(part) for part in (found.splits[name], split))
            check_same_split(ours, theirs, packed.label_names)
        check_same(limit_splits(found, 3), limit_splits(packed, 3))
        check_same(unpack_dataset(pack_dataset(found)), packed)


def test_stored_texts_are_packed_without_a_copy():
    texts = StoredTexts.write(["a", "b", "c"])
    whole = pack_split("train", Split.from_lists(texts, [0, 1, 0]))
    assert whole["train_content"] is texts.content
    part = Split.from_lists(texts, [0, 1, 0]).take(np.array([2, 1]))
    arrays = pack_split("train", part)
    assert arrays["train_content"].tobytes() == b"cb"
    assert list(unpack_split("train", arrays).texts) == ["c", "b"]


def test_empty_split_is_packed():
    full = Split.from_lists(["a", "\ud800"], [0, 1])
    dataset = TextDataset("x", ("a", "b"), full, full.take(np.array([], np.int64)), full)
    check_same(unpack_dataset(pack_dataset(dataset)), dataset)
