"""Names of splits, and stratified splits and subsets with a fixed seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from textclf.config.schema import SplitConfig
from textclf.data.dataset import IntArray, Split, TextDataset
from textclf.data.overlap import hash_texts
from textclf.errors import RequestError

Part = Literal["all", "train", "validation", "test"]
"""Official split of the source; ``all`` if it has no splits."""

PARTS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
}
"""Usual names of splits."""

SHOWN_CHARACTERS = 40
"""Characters of a text that a note shows."""

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


def cut_missing_splits(
    parts: Mapping[Part, Split], config: SplitConfig
) -> tuple[dict[Part, Split], Sequence[str]]:
    """Return the official splits, and stratified fractions for those that are missing.

    Args:
        parts: Official splits, or ``all``.
        config: Fractions of the splits that are missing.

    Returns:
        The three splits, and notes on how they were cut.

    Raises:
        RequestError: The fractions leave nothing for training.
    """
    validation = 0.0 if "validation" in parts else config.validation_fraction
    test = 0.0 if "test" in parts else config.test_fraction
    if validation + test >= 1:
        raise RequestError(
            f"dataset.validation_fraction {validation:g} plus dataset.test_fraction {test:g} must"
            " be below 1"
        )
    names: tuple[Part, ...] = ("train", "validation", "test")
    if not validation + test:
        return {name: parts[name] for name in names}, ()
    whole, train = parts["all" if "all" in parts else "train"], 1 - validation - test
    # The same text in training and test would measure nothing.
    groups = hash_texts(whole.texts)
    cut = split_stratified(whole, train=train, validation=validation, groups=groups)
    fractions = zip(names, cut, (train, validation, test), strict=True)
    asked = {name: (split, fraction) for name, split, fraction in fractions if fraction}
    source = "examples" if "all" in parts else "training split"
    note = f"splits of the {source}: {_describe_cut(asked, whole, groups)}"
    return {name: asked[name][0] if name in asked else parts[name] for name in names}, [note]


def _describe_cut(
    asked: Mapping[Part, tuple[Split, float]], whole: Split, groups: npt.NDArray[Any]
) -> str:
    """Return the fractions of splits, and the reason if one differs by more than a tenth."""
    actual = {name: len(split) / len(whole) for name, (split, _) in asked.items()}
    shown = ", ".join(f"{name} {fraction:.0%}" for name, fraction in actual.items())
    wanted = {name: fraction for name, (_, fraction) in asked.items()}
    if all(abs(actual[name] - fraction) <= fraction / 10 for name, fraction in wanted.items()):
        return shown
    _, first, counts = np.unique(groups, return_index=True, return_counts=True)
    reason = "labels have few examples"
    if counts.max() > max(2, len(whole) * min(wanted.values()) / 10):
        text = " ".join(whole.texts[int(first[counts.argmax()])].split())[:SHOWN_CHARACTERS]
        reason = f"equal texts stay together, and {text!r} occurs {counts.max():,} times"
    listed = ", ".join(f"{fraction:.0%}" for fraction in wanted.values())
    return f"{shown}; {listed} were asked for, but {reason}"


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


def limit_per_label(dataset: TextDataset, limit: int | None) -> TextDataset:
    """Return a dataset with at most ``limit`` training examples per label; None keeps all.

    The examples of a smaller limit are among those of a larger one. A note says how many are left,
    and how many labels have fewer than the limit.
    """
    if limit is None:
        return dataset
    labels = dataset.train.labels
    counts = np.bincount(labels, minlength=len(dataset.label_names))
    # Within a class of n examples, the quantiles are 0.5 / n, 1.5 / n, ...
    kept = stratified_quantiles(labels) * counts[labels] < limit
    few = np.count_nonzero(counts < limit)
    return _take_training(
        dataset,
        kept,
        "dataset.train_per_label",
        f", at most {limit:,} per label"
        + f"; {few:,} of {len(counts):,} labels have fewer" * bool(few),
    )


def take_fraction(dataset: TextDataset, fraction: float | None) -> TextDataset:
    """Return a dataset with a stratified fraction of the training examples; None keeps all.

    The examples of a smaller fraction are among those of a larger one, and each label that has
    examples keeps at least one. A note says how many are left.
    """
    if fraction is None:
        return dataset
    labels = dataset.train.labels
    quantiles = stratified_quantiles(labels)
    is_first = quantiles * np.bincount(labels)[labels] < 1
    return _take_training(dataset, (quantiles < fraction) | is_first, "dataset.train_fraction")


def _take_training(
    dataset: TextDataset, kept: npt.NDArray[np.bool_], key: str, detail: str = ""
) -> TextDataset:
    """Return a dataset with some of its training examples, and a note that names the key."""
    train = dataset.train.take(np.flatnonzero(kept))
    note = f"{key}: {len(train):,} of {len(kept):,} training examples are used{detail}"
    return replace(dataset, train=train, notes=(*dataset.notes, note))


def assign_folds(labels: IntArray, n_folds: int) -> IntArray:
    """Return the cross-validation fold of each example, <int64>[n] in [0, n_folds)."""
    return np.minimum(stratified_quantiles(labels) * n_folds, n_folds - 1).astype(np.int64)


def assign_grouped_folds(labels: IntArray, groups: npt.NDArray[Any], n_folds: int) -> IntArray:
    """Like `assign_folds`, with the same fold for all examples of a group.

    A group belongs to the class of its first example. Groups are dealt at random, large ones first,
    each to the fold with the fewest examples of its class and, among these, with the fewest of all.

    Args:
        labels: <int64>[n].
        groups: [n].
        n_folds: Number of folds.
    """
    _, first, group, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.argsort(np.random.default_rng(SPLIT_SEED).permutation(len(labels)))[first]
    folds, totals = np.empty(len(first), np.int64), [0] * n_folds
    for label in np.unique(labels[first]):
        members, own = np.flatnonzero(labels[first] == label), [0] * n_folds
        for member in members[np.lexsort([rank[members], -sizes[members]])].tolist():
            fold = min(range(n_folds), key=lambda i: (own[i], totals[i]))
            folds[member] = fold
            own[fold] += int(sizes[member])
            totals[fold] += int(sizes[member])
    return folds[group]
