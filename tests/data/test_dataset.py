import numpy as np
import pytest

from textclf.data.dataset import Split, TextDataset, split_stratified, stratified_quantiles


def test_quantiles_spread_every_class_evenly():
    labels = np.array([0] * 10 + [1] * 4 + [2])
    quantiles = stratified_quantiles(labels)
    assert sorted(quantiles[:10]) == pytest.approx(np.arange(0.05, 1, 0.1))
    assert sorted(quantiles[10:14]) == pytest.approx([0.125, 0.375, 0.625, 0.875])
    assert quantiles[14] == 0.5
    assert list(quantiles) == list(stratified_quantiles(labels))
    assert list(quantiles) != list(stratified_quantiles(labels, seed=1))


def test_split_is_stratified_and_complete():
    labels = [0] * 100 + [1] * 50 + [2]
    parts = split_stratified(Split.from_lists([f"text {i}" for i in range(151)], labels))
    assert [list(np.bincount(part.labels, minlength=3)) for part in parts] == [
        [60, 30, 1],
        [20, 10, 0],
        [20, 10, 0],
    ]
    everything = np.concatenate([part.index for part in parts])
    assert sorted(everything) == list(range(151))
    for part in parts:
        assert list(part.index) == sorted(part.index)
        assert part.texts == [f"text {i}" for i in part.index]


def test_subset_keeps_shares_order_and_index():
    split = Split.from_lists([str(i) for i in range(100)], [0] * 80 + [1] * 20)
    whole = TextDataset("x", ("a", "b"), split, split, split)
    part = whole.subset(10).test
    assert list(np.bincount(part.labels)) == [8, 2]
    assert list(part.index) == sorted(part.index)
    assert [int(text) for text in part.texts] == list(part.index)
    assert len(whole.subset(1000).test) == 100
    assert whole.subset(None) is whole


def test_digest_depends_on_texts_labels_and_names(dataset):
    def changed(texts=None, labels=None, names=("a", "b")):
        split = Split.from_lists(texts or ["x", "yz"], labels or [0, 1])
        return TextDataset("d", names, split, split, split).digest

    digests = {changed(), changed(["xy", "z"]), changed(labels=[1, 0]), changed(names=("a", "c"))}
    assert len(digests) == 4
    assert changed() == changed()
    assert changed(["\ud800", "y"]) != changed()
