"""Stratified splits and subsets, with a fixed seed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.data.dataset import IntArray, Split, TextDataset

SPLIT_SEED = 20_240_101
"""Fixed, so that splits and subsets are the same for every run on every machine."""


def stratified_quantiles(labels: IntArray, *, seed: int = SPLIT_SEED) -> npt.NDArray[np.float64]:
    """Give each example a random position within its class, as a number between 0 and 1.

    Any interval of these numbers contains the same fraction of each class. Stratified splits and
    subsets are therefore plain comparisons, also for classes with one example.

    Args:
        labels: <int64>[n].
        seed: Seed of the order within each class.

    Returns:
        <float64>[n], each in (0, 1).
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    quantiles = np.empty(len(labels))
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        quantiles[members] = (np.arange(len(members)) + 0.5) / len(members)
    return quantiles


def split_stratified(
    whole: Split,
    *,
    train: float = 0.6,
    validation: float = 0.2,
    groups: npt.NDArray[Any] | None = None,
) -> tuple[Split, Split, Split]:
    """Split examples into train, validation and test, class by class.

    Args:
        whole: All examples.
        train: Fraction of the training split, in (0, 1).
        validation: Fraction of the validation split; the rest is the test split.
        groups: [n]; examples of the same group stay in the same split, which is the training split
            if the group is large.
    """
    quantiles = stratified_quantiles(whole.labels)
    if groups is not None:
        held_out = min(validation or 1.0, 1 - train)
        quantiles = _grouped_quantiles(whole.labels, groups, train=train, held_out=held_out)

    def part(inside: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.bool_]]) -> Split:
        return whole.take(np.flatnonzero(inside(quantiles)))

    return (
        part(lambda q: q < train),
        part(lambda q: (q >= train) & (q < train + validation)),
        part(lambda q: q >= train + validation),
    )


def _grouped_quantiles(
    labels: IntArray, groups: npt.NDArray[Any], *, train: float, held_out: float
) -> npt.NDArray[np.float64]:
    """Like `stratified_quantiles`, with the same number for all examples of a group.

    A group belongs to the class of its first example. Groups with more than a tenth of what a class
    contributes to a held-out split would distort it: they come first in their classes, and what
    they take from the other splits is shared by these.

    Args:
        labels: <int64>[n].
        groups: [n].
        train: Fraction of the training split.
        held_out: Fraction of the smallest of the other splits.
    """
    _, first, group, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    limits = np.bincount(labels)[labels[first]] * held_out / 10
    is_large = sizes > np.maximum(1, limits)
    rank = np.argsort(np.random.default_rng(SPLIT_SEED).permutation(len(labels)))[first]
    quantiles = np.empty(len(first))
    for label in np.unique(labels):
        members, counts = np.unique(group[labels == label], return_counts=True)
        order = np.lexsort([rank[members], ~is_large[members]])
        members, counts = members[order], counts[order]
        ends = np.cumsum(counts) / counts.sum()
        positions = (np.cumsum(counts) - counts / 2) / counts.sum()
        n_train = np.count_nonzero(positions < train)
        if n_train and is_large[members[n_train - 1]] and (end := ends[n_train - 1]) > train:
            positions[n_train:] = train + (positions[n_train:] - end) / (1 - end) * (1 - train)
        own = labels[first[members]] == label
        quantiles[members[own]] = positions[own]
    return quantiles[group]


def limit_splits(dataset: TextDataset, limit: int | None) -> TextDataset:
    """Return a dataset with at most ``limit`` examples per split, stratified; None keeps all."""
    if limit is None:
        return dataset

    def cut(split: Split) -> Split:
        quantiles = stratified_quantiles(split.labels)
        return split.take(np.sort(np.argsort(quantiles, kind="stable")[:limit]))

    return replace(
        dataset,
        train=cut(dataset.train),
        validation=cut(dataset.validation),
        test=cut(dataset.test),
    )


def assign_folds(labels: IntArray, n_folds: int) -> IntArray:
    """Return the cross-validation fold of each example, <int64>[n] in [0, n_folds)."""
    return np.minimum(stratified_quantiles(labels) * n_folds, n_folds - 1).astype(np.int64)
