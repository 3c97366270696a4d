"""Finds texts that appear more than once: in several splits, or under several labels.

Two texts count as the same if they differ at most in capital letters and white space.
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
    """Return a hash of each text, <uint64>[texts]; texts that count as the same share it."""

    def key(text: str) -> bytes:
        words = " ".join(text.casefold().split())
        return hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).digest()

    return np.frombuffer(b"".join(map(key, texts)), np.uint64)


@dataclass(frozen=True)
class Overlap:
    """Which texts of a dataset appear more than once; arrays have all splits in their order.

    Attributes:
        keys: <uint64>[texts]; equal for texts that count as the same.
        leaked: <bool>[texts], whether the text also appears in another split.
        conflicting: <bool>[texts], whether the text also appears under another label.
        ends: Position where each split ends, by split.
    """

    keys: Keys
    leaked: Mask
    conflicting: Mask
    ends: dict[str, int]

    @classmethod
    def of(cls, dataset: TextDataset) -> "Overlap":
        """Compare all texts of a dataset."""
        splits = dataset.splits
        sizes = [len(split) for split in splits.values()]
        keys = np.concatenate([hash_texts(split.texts) for split in splits.values()])
        labels = np.concatenate([split.labels for split in splits.values()])
        return cls(
            keys,
            leaked=_in_several(keys, np.repeat(np.arange(len(splits)), sizes)),
            conflicting=_in_several(keys, labels),
            ends=dict(zip(splits, np.cumsum(sizes).tolist(), strict=True)),
        )

    def select(self, mask: Mask, split: str) -> Mask:
        """Return the part of a mask that belongs to a split."""
        return dict(zip(self.ends, np.split(mask, [*self.ends.values()][:-1]), strict=True))[split]


def _in_several(keys: Keys, groups: IntArray) -> Mask:
    """Return which texts also appear in another group, such as a split or a label."""
    pairs = np.unique(np.stack([keys, groups.astype(np.uint64)], axis=1), axis=0)[:, 0]
    distinct, counts = np.unique(pairs, return_counts=True)
    return np.isin(keys, distinct[counts > 1], kind="sort")


def drop_leaked(dataset: TextDataset) -> TextDataset:
    """Return the dataset without training examples whose text appears in validation or test.

    Raises:
        DataError: No training example is left.
    """
    kept = np.flatnonzero(~Overlap.of(dataset).leaked[: len(dataset.train)])
    if not len(kept):
        raise DataError(
            f"dataset.drop_leaked leaves no training example of {dataset.name}: each text also"
            " appears in validation or test"
        )
    return replace(dataset, train=dataset.train.take(kept))
