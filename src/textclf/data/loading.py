"""Datasets: each file is one, found by its name.

A dataset module has a docstring whose first line is its summary, ``ABOUT``,
``label_names(options)`` and ``load(options)``; and, where it needs them, ``DEFAULTS`` (settings
that suit it), ``Options``, and ``source_digest(options)``: what tells one content of its files from
another without reading texts, so that all but these can be kept; None where that is not known.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np

from textclf.config.schema import DatasetOptions
from textclf.data.dataset import LazyTexts, Split, TextDataset, bytes_to_words, words_to_bytes
from textclf.data.overlap import drop_leaked
from textclf.data.text_store import BLOCK, StoredTexts, TextWriter
from textclf.registry import load_module
from textclf.storage.cache import Entry, cached


def load_dataset(options: DatasetOptions) -> TextDataset:
    """Load the dataset that ``options`` name, cut to their subset.

    What is known of it from before is not read again; its texts are, where they are needed.

    Raises:
        DataError: it cannot be found, fetched or read.
    """
    module = load_module("datasets", options.name)

    @functools.cache
    def load() -> TextDataset:
        dataset: TextDataset = module.load(options)
        if options.drop_leaked:
            dataset = drop_leaked(dataset)
        return dataset.subset(options.subset)

    source = module.source_digest(options) if hasattr(module, "source_digest") else None
    if source is None:
        return load()
    key = {"source": source, "options": options.model_dump(mode="json")}
    entry = cached("dataset", key, lambda: _outline(load()))

    def find(name: str) -> LazyTexts:
        size = len(entry.arrays[f"{name}_labels"])
        return LazyTexts(lambda: load().splits[name].texts, size)

    return _restore(entry, find)


def describe_source(options: DatasetOptions) -> dict[str, str]:
    """Return where a dataset comes from: ``download``, ``source``, ``licence``, ``citation``."""
    module = load_module("datasets", options.name)
    about: dict[str, str] = module.about(options) if hasattr(module, "about") else module.ABOUT
    return about


def load_label_names(options: DatasetOptions) -> tuple[str, ...]:
    """Return the names of label 0, 1, ... without loading the texts."""
    names: tuple[str, ...] = load_module("datasets", options.name).label_names(options)
    return names


def pack_dataset(dataset: TextDataset) -> Entry:
    """Return all of a dataset, texts too, as arrays and facts, for processes on other machines."""
    entry = _outline(dataset)
    arrays = {name: np.asarray(array) for name, array in entry.arrays.items()}
    for name, split in dataset.splits.items():
        with TextWriter() as writer:
            for start in range(0, len(split), BLOCK):
                writer.append(split.texts[start : start + BLOCK])
            content, ends = writer.finish()
        arrays |= {f"{name}_content": np.asarray(content), f"{name}_ends": np.asarray(ends)}
    return Entry(arrays, entry.facts)


def unpack_dataset(entry: Entry) -> TextDataset:
    """Return the dataset that was packed; its texts stay where the arrays are."""

    def find(name: str) -> Sequence[str]:
        ends = entry.arrays[f"{name}_ends"]
        return StoredTexts(entry.arrays[f"{name}_content"], ends, np.arange(len(ends)))

    return _restore(entry, find)


def _outline(dataset: TextDataset) -> Entry:
    """Return all of a dataset but its texts."""
    arrays: dict[str, np.ndarray] = {}
    for name, split in dataset.splits.items():
        arrays |= {f"{name}_labels": split.labels, f"{name}_index": split.index}
    digests = {n: split.digest(dataset.label_names) for n, split in dataset.splits.items()}
    facts = {
        "name": dataset.name,
        "label_names": dataset.label_names,
        "digests": digests,
    }
    if dataset.vocabulary is not None:
        arrays["vocabulary"] = words_to_bytes(dataset.vocabulary)
    return Entry(arrays, facts)


def _restore(entry: Entry, find: Callable[[str], Sequence[str]]) -> TextDataset:
    """Return the dataset that was outlined, with the texts that ``find`` gives for a split."""
    facts = entry.facts

    def split(name: str) -> Split:
        labels = np.asarray(entry.arrays[f"{name}_labels"])
        index = np.asarray(entry.arrays[f"{name}_index"])
        return Split(find(name), labels, index, facts["digests"][name])

    return TextDataset(
        facts["name"],
        tuple(facts["label_names"]),
        split("train"),
        split("validation"),
        split("test"),
        bytes_to_words(entry.arrays["vocabulary"]) if "vocabulary" in entry.arrays else None,
    )
