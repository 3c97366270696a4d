"""Stratified splits, subsets and folds: complete, balanced and always the same."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.data.dataset import Split, TextDataset
from textclf.data.splitting import (
    assign_folds,
    assign_grouped_folds,
    limit_per_label,
    limit_splits,
    split_stratified,
    stratified_quantiles,
    take_fraction,
)


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
    assert sorted(np.concatenate([part.index for part in parts])) == list(range(151))
    for part in parts:
        assert list(part.index) == sorted(part.index)
        assert part.texts == [f"text {i}" for i in part.index]


def test_groups_stay_in_one_split():
    groups = np.arange(90) // 3
    whole = Split.from_lists([str(i) for i in range(90)], np.arange(90) % 2)
    parts = split_stratified(whole, train=0.5, validation=0.3, groups=groups)
    assert sorted(np.concatenate([part.index for part in parts])) == list(range(90))
    found = [set(groups[part.index]) for part in parts]
    assert all(found)
    assert not found[0] & found[1] | found[0] & found[2] | found[1] & found[2]


def split_groups(sizes, **fractions):
    """Split examples of one class in groups of the given sizes; return the sizes in each split."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    whole = Split.from_lists([str(i) for i in range(len(groups))], [0] * len(groups))
    parts = split_stratified(whole, groups=groups, **fractions)
    assert sum(map(len, parts)) == len(groups)
    return [[int(n) for n in np.bincount(groups[part.index]) if n] for part in parts]


@pytest.mark.parametrize(
    ("large", "n_small"), [([30], 70), ([59], 41), ([20, 20], 60), ([5] * 12, 40), ([3], 97)]
)
def test_large_groups_are_for_training(large, n_small):
    train, validation, test = split_groups([*[1] * n_small, *large])
    assert sorted(train, reverse=True)[: len(large)] == large
    assert [len(validation), len(test)] == [20, 20]
    assert set(validation) == set(test) == {1}


def test_large_groups_that_exceed_the_training_split_leave_the_rest_to_the_others():
    train, validation, test = split_groups([90, *[1] * 10])
    assert train == [90]
    assert [validation, test] == [[1] * 5, [1] * 5]
    train, validation, test = split_groups([90, *[1] * 10], train=0.5, validation=0.4)
    assert [train, validation, test] == [[90], [1] * 8, [1] * 2]


def test_small_groups_are_spread_over_all_splits():
    train, validation, test = split_groups([2] * 50)
    assert [len(train), len(validation), len(test)] == [30, 10, 10]


def test_group_of_several_classes_stays_in_one_split():
    labels = np.arange(400) % 2
    groups = np.arange(400)
    groups[:100] = 0  # One frequent text under both labels.
    parts = split_stratified(Split.from_lists(["x"] * 400, labels), groups=groups)
    assert [np.count_nonzero(part.index < 100) for part in parts] == [100, 0, 0]
    assert [len(part) for part in parts] == pytest.approx([240, 80, 80], rel=0.1)


def test_limit_keeps_class_fractions_order_and_index():
    split = Split.from_lists([str(i) for i in range(100)], [0] * 80 + [1] * 20)
    whole = TextDataset("x", ("a", "b"), split, split, split)
    part = limit_splits(whole, 10).test
    assert list(np.bincount(part.labels)) == [8, 2]
    assert list(part.index) == sorted(part.index)
    assert [int(text) for text in part.texts] == list(part.index)
    assert len(limit_splits(whole, 1000).test) == 100
    assert limit_splits(whole, None) is whole


def test_limit_per_label_is_nested_and_changes_the_training_split_only():
    split = Split.from_lists([str(i) for i in range(100)], [0] * 80 + [1] * 15 + [2] * 5)
    whole = TextDataset("x", ("a", "b", "c", "d"), split, split, split, ("word",), ("before",))
    parts = {n: limit_per_label(whole, n) for n in (1, 5, 10, 80)}
    counts = {n: np.bincount(part.train.labels).tolist() for n, part in parts.items()}
    assert counts == {1: [1, 1, 1], 5: [5, 5, 5], 10: [10, 10, 5], 80: [80, 15, 5]}
    indices = [set(part.train.index) for part in parts.values()]
    assert all(small < large for small, large in itertools.pairwise(indices))
    train = parts[5].train
    assert list(train.index) == sorted(train.index)
    assert [int(text) for text in train.texts] == list(train.index)
    assert parts[5].test is parts[5].validation is split
    assert parts[5].vocabulary == ("word",)
    assert parts[10].notes == (
        "before",
        "dataset.train_per_label: 25 of 100 training examples are used, at most 10 per label; 2 of"
        " 4 labels have fewer",
    )
    assert limit_per_label(whole, None) is whole


def test_each_fold_contains_the_same_fraction_of_each_class():
    labels = np.array([0] * 20 + [1] * 10)
    folds = assign_folds(labels, 5)
    assert folds.dtype == np.int64
    for label, n_per_fold in ((0, 4), (1, 2)):
        assert np.bincount(folds[labels == label]).tolist() == [n_per_fold] * 5


def test_fractions_are_nested_and_stratified_and_keep_every_label():
    split = Split.from_lists([str(i) for i in range(116)], [0] * 80 + [1] * 35 + [2])
    whole = TextDataset("x", ("a", "b", "c", "d"), split, split, split)
    parts = {x: take_fraction(whole, x) for x in (0.001, 0.1, 0.2, 0.5)}
    counts = [np.bincount(part.train.labels).tolist() for part in parts.values()]
    assert counts == [[1, 1, 1], [8, 3, 1], [16, 7, 1], [40, 17, 1]]
    indices = [set(part.train.index) for part in parts.values()]
    assert all(small < large for small, large in itertools.pairwise(indices))
    assert list(parts[0.5].train.index) == sorted(parts[0.5].train.index)
    assert parts[0.1].test is parts[0.1].validation is split
    note = "dataset.train_fraction: 12 of 116 training examples are used"
    assert parts[0.1].notes == (note,)
    assert take_fraction(whole, None) is whole


def test_grouped_folds_have_the_same_size_and_the_same_fraction_of_each_class():
    labels = np.repeat(np.arange(300), 7)  # Rounding alone would make some folds twice as large.
    folds = assign_grouped_folds(labels, np.arange(len(labels)), 5)
    assert np.bincount(folds).tolist() == [420] * 5
    for label in range(300):
        assert set(np.bincount(folds[labels == label], minlength=5)) == {1, 2}
    assert folds.tolist() == assign_grouped_folds(labels, np.arange(len(labels)), 5).tolist()
    rare = assign_grouped_folds(np.array([0, 0, 1, 2, 3, 3]), np.arange(6), 3)
    assert np.bincount(rare).tolist() == [2, 2, 2]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), min_size=1, max_size=60),
    st.integers(2, 7),
)
def test_groups_are_in_one_fold_and_folds_differ_by_at_most_one_group_per_class(pairs, n_folds):
    labels, groups = (np.array(column) for column in zip(*pairs, strict=True))
    folds = assign_grouped_folds(labels, groups, n_folds)
    assert ((folds >= 0) & (folds < n_folds)).all()
    for group in set(groups.tolist()):
        assert len(set(folds[groups == group].tolist())) == 1
    _, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    for label in set(labels[first].tolist()):
        of_label = labels[first] == label
        dealt = np.bincount(folds[first][of_label], sizes[of_label], minlength=n_folds)
        assert dealt.max() - dealt.min() <= sizes[of_label].max()
