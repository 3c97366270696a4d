"""Texts that stand in several places: in training and test, or under several labels.

Two texts are the same here if they differ at most in capital letters and white space.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from textclf.data.dataset import IntArray, TextDataset
from textclf.errors import DataError

Keys = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]


def hash_texts(texts: Iterable[str]) -> Keys:
    """Return the same number for texts that are the same, <uint64>[texts]."""

    def key(text: str) -> bytes:
        words = " ".join(text.casefold().split())
        return hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).digest()

    return np.frombuffer(b"".join(map(key, texts)), np.uint64)


@dataclass(frozen=True)
class Places:
    """Where the texts of a dataset stand.

    Attributes:
        keys: by the name of the split, <uint64>[texts]; equal where texts are the same.
        labels: by the name of the split, <int64>[texts].
    """

    keys: dict[str, Keys]
    labels: dict[str, IntArray]

    @classmethod
    def of(cls, dataset: TextDataset) -> "Places":
        """Read all texts of a dataset."""
        splits = dataset.splits.items()
        return cls(
            {name: hash_texts(split.texts) for name, split in splits},
            {name: split.labels for name, split in splits},
        )

    def find_leaked(self, split: str) -> Mask:
        """Return which texts of a split stand in another one too, <bool>[texts]."""
        others = [keys for name, keys in self.keys.items() if name != split]
        return np.isin(self.keys[split], np.concatenate(others), kind="sort")

    def find_contradictory(self) -> dict[str, Mask]:
        """Return which texts of each split stand under another label too, in any split."""
        keys = np.concatenate(list(self.keys.values()))
        labels = np.concatenate(list(self.labels.values()))
        pairs = np.unique(np.stack([keys, labels.astype(np.uint64)], axis=1), axis=0)[:, 0]
        distinct, counts = np.unique(pairs, return_counts=True)
        several = distinct[counts > 1]
        return {name: np.isin(found, several, kind="sort") for name, found in self.keys.items()}


def drop_leaked(dataset: TextDataset) -> TextDataset:
    """Return the dataset without the training texts that stand in validation or test too.

    Raises:
        DataError: none is left.
    """
    kept = np.flatnonzero(~Places.of(dataset).find_leaked("train"))
    if not len(kept):
        raise DataError(
            f"dataset.drop_leaked leaves nothing: each training text of {dataset.name} stands in"
            " validation or test too"
        )
    return replace(dataset, train=dataset.train.take(kept))


def select_clean(dataset: TextDataset, split: str) -> dict[str, Mask]:
    """Return which texts of a split tell how good a classifier is with unseen texts.

    Args:
        dataset: all its splits.
        split: ``validation`` or ``test``.

    Returns:
        <bool>[texts] for ``all``, ``not_leaked`` (in this split only), ``not_contradictory``
        (under one label only) and ``clean`` (both).
    """
    places = Places.of(dataset)
    leaked = places.find_leaked(split)
    contradictory = places.find_contradictory()[split]
    return {
        "all": np.ones(len(leaked), bool),
        "not_leaked": ~leaked,
        "not_contradictory": ~contradictory,
        "clean": ~leaked & ~contradictory,
    }
