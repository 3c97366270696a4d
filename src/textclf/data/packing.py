"""Converts splits and datasets to named arrays, for the cache or another machine."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.data.dataset import Split, TextDataset
from textclf.data.text_store import StoredTexts
from textclf.storage.arrays import array_to_strings, strings_to_array
from textclf.storage.cache import CacheEntry

Arrays = dict[str, npt.NDArray[Any]]


def pack_split(name: str, split: Split, *, with_texts: bool) -> Arrays:
    """Return the labels and index of a split, and its texts if asked for, as arrays."""
    arrays: Arrays = {f"{name}_labels": split.labels, f"{name}_index": split.index}
    if with_texts:
        texts = split.texts
        if not (isinstance(texts, StoredTexts) and texts.is_whole):
            texts = StoredTexts.write(texts)
        arrays |= {f"{name}_content": texts.content, f"{name}_ends": texts.ends}
    return arrays


def unpack_split(
    name: str,
    arrays: Mapping[str, npt.NDArray[Any]],
    *,
    texts: Sequence[str] | None = None,
    digest: str | None = None,
) -> Split:
    """Return a split that was packed.

    Args:
        name: Name under which it was packed.
        arrays: What `pack_split` returned.
        texts: Its texts, if it was packed without them.
        digest: Its digest, if it is known.
    """
    if texts is None:
        texts = StoredTexts(arrays[f"{name}_content"], np.asarray(arrays[f"{name}_ends"]))
    labels, index = (np.asarray(arrays[f"{name}_{kind}"]) for kind in ("labels", "index"))
    return Split(texts, labels, index, digest)


def pack_dataset(dataset: TextDataset, *, with_texts: bool) -> CacheEntry:
    """Return a dataset, with or without its texts, as arrays and facts."""
    arrays: Arrays = {}
    for name, split in dataset.splits.items():
        arrays |= pack_split(name, split, with_texts=with_texts)
    if dataset.vocabulary is not None:
        arrays["vocabulary"] = strings_to_array(dataset.vocabulary)
    digests = {name: s.digest(dataset.label_names) for name, s in dataset.splits.items()}
    facts = {
        "name": dataset.name,
        "label_names": dataset.label_names,
        "sizes": {name: len(split) for name, split in dataset.splits.items()},
        "digests": digests,
    }
    return CacheEntry(arrays, facts)


def unpack_dataset(
    entry: CacheEntry, *, texts: Mapping[str, Sequence[str]] | None = None
) -> TextDataset:
    """Return a dataset that was packed.

    Args:
        entry: What `pack_dataset` returned.
        texts: Texts by split, if it was packed without them.
    """
    facts, arrays = entry.facts, entry.arrays
    splits = {
        name: unpack_split(name, arrays, texts=texts[name] if texts else None, digest=digest)
        for name, digest in facts["digests"].items()
    }
    vocabulary = array_to_strings(arrays["vocabulary"]) if "vocabulary" in arrays else None
    return TextDataset(facts["name"], tuple(facts["label_names"]), **splits, vocabulary=vocabulary)
