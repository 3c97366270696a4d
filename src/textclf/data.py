"""What a dataset is: raw texts, labels and their names; the split rule and stratified subsets."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

SPLIT_SEED = 20_240_101
"""Fixed, so that splits and subsets are the same for every run and on every machine."""


@dataclass(frozen=True)
class Split:
    """Texts of one split with their labels.

    Attributes:
        texts: raw text of each example.
        labels: <int64>[n], positions in the dataset's label names.
        index: <int64>[n], the place of each example in the whole, official split.
    """

    texts: Sequence[str]
    labels: IntArray
    index: IntArray

    @classmethod
    def from_lists(cls, texts: Sequence[str], labels: Sequence[int] | IntArray) -> "Split":
        """Make a whole split: example ``i`` has index ``i``."""
        return cls(texts, np.asarray(labels, np.int64), np.arange(len(texts)))

    def __len__(self) -> int:
        return len(self.texts)

    def digest(self, label_names: Sequence[str]) -> str:
        """Return the SHA-256 over the texts and the names of their labels, in their order."""
        digest = hashlib.sha256()
        for text, label in zip(self.texts, self.labels, strict=True):
            for part in (text, label_names[label]):
                # Lone surrogates cannot be encoded strictly; lengths keep neighbours apart.
                encoded = part.encode("utf-8", "surrogatepass")
                digest.update(len(encoded).to_bytes(8, "little"))
                digest.update(encoded)
        return digest.hexdigest()

    def take(self, positions: IntArray) -> "Split":
        """Return the examples at ``positions``, with the index that they had."""
        texts = [self.texts[position] for position in positions]
        return Split(texts, self.labels[positions], self.index[positions])


@dataclass(frozen=True)
class TextDataset:
    """A labelled set of texts in three splits.

    Attributes:
        name: as on the command line.
        label_names: the name of label 0, 1, ...
        train: what weights are fitted on.
        validation: what epochs are chosen on.
        test: what is reported, and nothing else.
        vocabulary: words by falling frequency where the dataset publishes them; counted on the
            training texts where it is None.
    """

    name: str
    label_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    vocabulary: tuple[str, ...] | None = None

    @property
    def splits(self) -> dict[str, Split]:
        """The three splits by their names."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def digest(self) -> str:
        """SHA-256 over all texts, labels and label names, in their order."""
        splits = [split.digest(self.label_names) for split in self.splits.values()]
        return hashlib.sha256(repr([self.label_names, *splits]).encode()).hexdigest()

    def subset(self, size: int | None) -> "TextDataset":
        """Return at most ``size`` texts of each split, stratified by label; all where None."""
        if size is None:
            return self

        def cut(split: Split) -> Split:
            quantiles = stratified_quantiles(split.labels)
            return split.take(np.sort(np.argsort(quantiles, kind="stable")[:size]))

        return replace(
            self, train=cut(self.train), validation=cut(self.validation), test=cut(self.test)
        )


def stratified_quantiles(labels: IntArray, *, seed: int = SPLIT_SEED) -> npt.NDArray[np.float64]:
    """Place each example at random inside its class, as a number between 0 and 1.

    Any interval of these numbers holds the same share of each class, so that stratified splits and
    subsets, also of classes with one example, are plain comparisons.

    Args:
        labels: <int64>[n].
        seed: decides the order within each class.

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
    texts: Sequence[str], labels: Sequence[int], *, train: float = 0.6, validation: float = 0.2
) -> tuple[Split, Split, Split]:
    """Split a set that has no official splits into train, validation and test, class by class.

    Args:
        texts: all texts.
        labels: their labels.
        train: share of the training split, in (0, 1).
        validation: share of the validation split; the rest is the test split.
    """
    whole = Split.from_lists(texts, labels)
    quantiles = stratified_quantiles(whole.labels)

    def part(inside: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.bool_]]) -> Split:
        return whole.take(np.flatnonzero(inside(quantiles)))

    return (
        part(lambda q: q < train),
        part(lambda q: (q >= train) & (q < train + validation)),
        part(lambda q: q >= train + validation),
    )
