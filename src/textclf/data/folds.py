"""Cross-validation: one fold of a dataset as its test split."""

from dataclasses import replace

import numpy as np

from textclf.config.schema import DatasetConfig
from textclf.data.dataset import IntArray, Split, TextDataset
from textclf.data.overlap import hash_texts
from textclf.data.splitting import assign_grouped_folds, split_stratified
from textclf.errors import RequestError, format_list

N_NAMED = 5
"""Labels that a note names."""


def select_fold(dataset: TextDataset, config: DatasetConfig) -> TextDataset:
    """Return a dataset whose test split is one of its folds; the whole dataset without folds.

    The training and validation splits, and with ``folds_of: all`` the test split, are divided into
    stratified folds. The validation split is cut from the other folds and is the same fraction of
    them as before. Equal texts are in the same split. Notes say how large the splits are.

    Raises:
        RequestError: A split would be empty.
    """
    if config.folds is None or config.fold is None:
        return dataset
    pool = _pool(dataset, with_test=config.folds_of == "all")
    groups = hash_texts(pool.texts)
    folds = assign_grouped_folds(pool.labels, groups, config.folds)
    rest = np.flatnonzero(folds != config.fold - 1)
    n_validation = len(dataset.validation)
    fraction = n_validation / (len(dataset.train) + n_validation)
    train, validation, _ = split_stratified(
        pool.take(rest), train=1 - fraction, validation=fraction, groups=groups[rest]
    )
    test = pool.take(np.flatnonzero(folds == config.fold - 1))
    parts = {"train": train, "validation": validation, "test": test}
    for name, split in parts.items():
        if not len(split):
            n_texts = len(np.unique(groups))
            raise RequestError(
                f"dataset.folds {config.folds}: fold {config.fold} of {dataset.name}, which has"
                f" {n_texts:,} different texts for folds, leaves the {name} split empty; choose"
                " fewer folds"
            )
    sizes = ", ".join(f"{name} {len(split):,}" for name, split in parts.items())
    sizes_note = f"fold {config.fold} of {config.folds} is the test split: {sizes} examples"
    notes = (
        *dataset.notes,
        sizes_note,
        *_note_uneven(folds, config.folds),
        *_note_rare_labels(pool.labels, dataset.label_names, config.folds),
    )
    return replace(dataset, train=train, validation=validation, test=test, notes=notes)


def _pool(dataset: TextDataset, *, with_test: bool) -> Split:
    """Return the examples that are divided into folds.

    They keep their index if all were cut from one split or file; otherwise it is their position in
    the training, validation and test splits, one after the other.
    """
    pool = dataset.train.join(dataset.validation)
    if with_test:
        pool = pool.join(dataset.test)
    if len(np.unique(pool.index)) == len(pool):
        return pool
    return replace(pool, index=np.arange(len(pool)))


def _note_uneven(folds: IntArray, n_folds: int) -> list[str]:
    """Note that the largest fold is more than a tenth larger than the smallest."""
    sizes = np.bincount(folds, minlength=n_folds)
    if sizes.max() <= 1.1 * sizes.min() + 1:
        return []
    return [
        f"folds have {sizes.min():,} to {sizes.max():,} examples, because equal texts are in the"
        " same fold"
    ]


def _note_rare_labels(labels: IntArray, names: tuple[str, ...], n_folds: int) -> list[str]:
    """Note which labels are missing in some folds because they have too few examples."""
    counts = np.bincount(labels, minlength=len(names))
    rare = [repr(name) for name, n in zip(names, counts, strict=True) if 0 < n < n_folds]
    if not rare:
        return []
    named = f"{format_list(rare, N_NAMED)} ({len(rare):,} of {len(names):,} labels)"
    return [f"labels with fewer examples than folds, which some folds lack: {named}"]
