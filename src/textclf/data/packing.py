"""Converts splits and datasets to named arrays, for the cache or another machine."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.data.dataset import Split, TextDataset
from textclf.data.text_store import StoredTexts
from textclf.storage.arrays import array_to_strings, strings_to_array
from textclf.storage.cache import CacheEntry

Arrays = dict[str, npt.NDArray[Any]]


def pack_split(name: str, split: Split) -> Arrays:
    """Return the labels, index and texts of a split as arrays."""
    texts = split.texts
    if not (isinstance(texts, StoredTexts) and texts.is_whole):
        texts = StoredTexts.write(texts)
    return {
        f"{name}_labels": split.labels,
        f"{name}_index": split.index,
        f"{name}_content": texts.content,
        f"{name}_ends": texts.ends,
    }


def unpack_split(
    name: str, arrays: Mapping[str, npt.NDArray[Any]], digest: str | None = None
) -> Split:
    """Return a split that was packed under a name, whose digest may be known."""
    texts = StoredTexts(arrays[f"{name}_content"], np.asarray(arrays[f"{name}_ends"]))
    labels, index = (np.asarray(arrays[f"{name}_{kind}"]) for kind in ("labels", "index"))
    return Split(texts, labels, index, digest)


def pack_dataset(dataset: TextDataset) -> CacheEntry:
    """Return a dataset as arrays and facts."""
    arrays: Arrays = {}
    for name, split in dataset.splits.items():
        arrays |= pack_split(name, split)
    if dataset.vocabulary is not None:
        arrays["vocabulary"] = strings_to_array(dataset.vocabulary)
    facts = {
        "name": dataset.name,
        "label_names": dataset.label_names,
        "digests": {name: s.digest(dataset.label_names) for name, s in dataset.splits.items()},
        "notes": dataset.notes,
    }
    return CacheEntry(arrays, facts)


def unpack_dataset(entry: CacheEntry) -> TextDataset:
    """Return a dataset that was packed."""
    facts, arrays = entry.facts, entry.arrays
    splits = {name: unpack_split(name, arrays, digest) for name, digest in facts["digests"].items()}
    vocabulary = array_to_strings(arrays["vocabulary"]) if "vocabulary" in arrays else None
    names, notes = tuple(facts["label_names"]), tuple(facts["notes"])
    return TextDataset(facts["name"], names, **splits, vocabulary=vocabulary, notes=notes)
