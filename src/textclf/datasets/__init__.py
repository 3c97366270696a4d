"""Datasets: each file is one, found by its name.

A dataset module has a docstring whose first line is its summary, ``ABOUT``,
``label_names(options)`` and ``load(options)``; and, where it needs them, ``DEFAULTS`` (settings
that suit it) and ``Options``.
"""

from textclf.config import DatasetOptions
from textclf.data import TextDataset
from textclf.registry import load_module


def load_dataset(options: DatasetOptions) -> TextDataset:
    """Load the dataset that ``options`` name, cut to their subset.

    Raises:
        DataError: it cannot be found, fetched or read.
    """
    dataset: TextDataset = load_module("datasets", options.name).load(options)
    return dataset.subset(options.subset)


def load_label_names(options: DatasetOptions) -> tuple[str, ...]:
    """Return the names of label 0, 1, ... without loading the texts."""
    names: tuple[str, ...] = load_module("datasets", options.name).label_names(options)
    return names
