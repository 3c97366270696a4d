"""Labeled examples: a dataset is three splits of texts and labels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from textclf.data.text_store import StoredTexts

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """The examples of one split.

    Attributes:
        texts: Raw text of each example.
        labels: <int64>[n], positions in the dataset's label names.
        index: <int64>[n], position of each example in the whole, official split.
        known_digest: What `digest` returns, if it is known without reading the texts.
    """

    texts: Sequence[str]
    labels: IntArray
    index: IntArray
    known_digest: str | None = None

    @classmethod
    def from_lists(cls, texts: Sequence[str], labels: Sequence[int] | IntArray) -> "Split":
        """Return a whole split, in which example ``i`` has index ``i``."""
        return cls(texts, np.asarray(labels, np.int64), np.arange(len(texts)))

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self, label_names: Sequence[str]) -> str:
        """Return the SHA-256 of all texts and the names of their labels, in order."""
        if self.known_digest:
            return self.known_digest
        digest = hashlib.sha256()
        for text, label in zip(self.texts, self.labels, strict=True):
            for part in (text, label_names[label]):
                # Lone surrogates have no strict UTF-8; lengths keep neighbors apart.
                encoded = part.encode("utf-8", "surrogatepass")
                digest.update(len(encoded).to_bytes(8, "little"))
                digest.update(encoded)
        return digest.hexdigest()

    def take(self, positions: IntArray) -> "Split":
        """Return the examples at ``positions``, which keep their index."""
        texts: Sequence[str]
        if isinstance(self.texts, StoredTexts):
            texts = self.texts.take(positions)
        else:
            texts = [self.texts[position] for position in positions]
        return Split(texts, self.labels[positions], self.index[positions])

    def join(self, other: "Split") -> "Split":
        """Return these examples, followed by those of another split, each with its own index."""
        is_stored = any(isinstance(split.texts, StoredTexts) for split in (self, other))
        texts = chain(self.texts, other.texts)
        return Split(
            StoredTexts.write(texts) if is_stored else list(texts),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.index, other.index]),
        )


@dataclass(frozen=True)
class TextDataset:
    """A labeled dataset in three splits.

    Attributes:
        name: Name as on the command line.
        label_names: Name of label 0, 1, ...
        train: Examples that weights are fitted on.
        validation: Examples that epochs are chosen on.
        test: Examples that results are reported on.
        vocabulary: Words by falling frequency, if the dataset publishes them; otherwise None, and
            words are counted in the training texts.
        notes: What was noticed while reading it, one sentence each.
    """

    name: str
    label_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    vocabulary: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def splits(self) -> dict[str, Split]:
        """The three splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def digest(self) -> str:
        """SHA-256 of all texts, labels and label names, in order."""
        splits = [split.digest(self.label_names) for split in self.splits.values()]
        return hashlib.sha256(repr([self.label_names, *splits]).encode()).hexdigest()
