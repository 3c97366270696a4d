"""Splits and datasets: order, index and digest."""

from dataclasses import replace

import numpy as np
import pytest

from textclf.data.dataset import Split, TextDataset
from textclf.data.text_store import StoredTexts


@pytest.mark.parametrize("store", [list, StoredTexts.write], ids=["memory", "file"])
def test_taken_examples_keep_their_index(store):
    split = Split.from_lists(store(["a", "b", "c", "d"]), [0, 1, 1, 0])
    assert split.index.tolist() == [0, 1, 2, 3]
    part = split.take(np.array([3, 1]))
    assert (list(part.texts), part.labels.tolist()) == (["d", "b"], [0, 1])
    assert part.index.tolist() == [3, 1]
    assert part.take(np.array([1])).index.tolist() == [1]
    assert type(part.texts) is type(split.texts)


def test_digest_depends_on_texts_labels_and_names():
    def digest(texts=("x", "yz"), labels=(0, 1), names=("a", "b")):
        split = Split.from_lists(texts, labels)
        return TextDataset("d", names, split, split, split).digest

    digests = {digest(), digest(["xy", "z"]), digest(labels=[1, 0]), digest(names=("a", "c"))}
    assert len(digests) == 4
    assert digest() == digest()
    assert digest(["\ud800", "y"]) != digest()


def test_digest_does_not_depend_on_where_texts_are(dataset):
    def move(split, texts):
        return replace(split, texts=texts)

    splits = {name: move(s, StoredTexts.write(s.texts)) for name, s in dataset.splits.items()}
    assert replace(dataset, **splits).digest == dataset.digest


def test_known_digest_is_that_of_the_whole_split_only():
    split = replace(Split.from_lists(["a", "b"], [0, 1]), known_digest="known")
    assert split.digest(("x", "y")) == "known"
    assert split.take(np.array([0])).digest(("x", "y")) != "known"


@pytest.mark.parametrize("is_stored", [True, False])
def test_joined_splits_have_the_examples_of_both_in_order(is_stored):
    def store(texts):
        return StoredTexts.write(texts) if is_stored else texts

    first = Split.from_lists(store(["a", "b"]), [0, 1]).take(np.array([1, 0]))
    joined = first.join(Split.from_lists(store(["c"]), [1]))
    assert list(joined.texts) == ["b", "a", "c"]
    assert (joined.labels.tolist(), joined.index.tolist()) == ([1, 0, 1], [1, 0, 0])
    assert isinstance(joined.texts, StoredTexts) == is_stored
    assert joined.digest("xy") == Split.from_lists(["b", "a", "c"], [1, 0, 1]).digest("xy")
