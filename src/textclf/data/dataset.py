"""What a dataset is: raw texts, labels and their names; the split rule and stratified subsets."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from textclf.data.text_store import StoredTexts

IntArray = npt.NDArray[np.int64]

FEW_TEXTS = 10
"""A label with fewer training texts is mentioned."""
N_SHOWN = 5
"""Labels that a warning names."""

SPLIT_SEED = 20_240_101
"""Fixed, so that splits and subsets are the same for every run and on every machine."""


class LazyTexts(Sequence[str]):
    """Texts whose number is known, and that are loaded when one of them is asked for."""

    def __init__(self, load: Callable[[], Sequence[str]], size: int) -> None:
        self._load = load
        self._size = size

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        return self._load()[place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._load())


@dataclass(frozen=True)
class Split:
    """Texts of one split with their labels.

    Attributes:
        texts: raw text of each example.
        labels: <int64>[n], positions in the dataset's label names.
        index: <int64>[n], the place of each example in the whole, official split.
        known_digest: what `digest` returns, where the texts need not be read for it.
    """

    texts: Sequence[str]
    labels: IntArray
    index: IntArray
    known_digest: str | None = None

    @classmethod
    def from_lists(cls, texts: Sequence[str], labels: Sequence[int] | IntArray) -> "Split":
        """Make a whole split: example ``i`` has index ``i``."""
        return cls(texts, np.asarray(labels, np.int64), np.arange(len(texts)))

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self, label_names: Sequence[str]) -> str:
        """Return the SHA-256 over the texts and the names of their labels, in their order."""
        if self.known_digest:
            return self.known_digest
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
        texts: Sequence[str]
        if isinstance(self.texts, StoredTexts):
            texts = self.texts.take(positions)
        else:
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

    def count_labels(self) -> list[dict[str, Any]]:
        """Return a row for each label: its name, and how many texts of each split have it."""
        counts = {
            name: np.bincount(split.labels, minlength=len(self.label_names)).tolist()
            for name, split in self.splits.items()
        }
        return [
            {"label": label, **{name: found[number] for name, found in counts.items()}}
            for number, label in enumerate(self.label_names)
        ]

    def list_warnings(self) -> list[str]:
        """Say which labels have too few training texts to learn from, or none to test on."""
        warnings = []
        for split, at_least in (("train", FEW_TEXTS), ("test", 1)):
            rare = [row["label"] for row in self.count_labels() if row[split] < at_least]
            if rare:
                few = f"fewer than {at_least}" if at_least > 1 else "no"
                shown = ", ".join(map(repr, rare[:N_SHOWN])) + ", ..." * (len(rare) > N_SHOWN)
                n_labels = len(self.label_names)
                warnings.append(
                    f"{len(rare)} of {n_labels} labels have {few} {split} texts: {shown}"
                )
        return warnings

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


def join_words(words: Sequence[str]) -> str:
    """Return words, none of which has a line break in it, as one text."""
    return "\n".join(words)


def split_words(text: str) -> tuple[str, ...]:
    """Return the words that `join_words` has joined."""
    return tuple(text.split("\n")) if text else ()


def words_to_bytes(words: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Return words as an array of the bytes of their UTF-8."""
    return np.frombuffer(join_words(words).encode(), np.uint8)


def bytes_to_words(content: npt.NDArray[np.uint8]) -> tuple[str, ...]:
    """Return the words that `words_to_bytes` has turned into bytes."""
    return split_words(content.tobytes().decode())


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
    whole: Split,
    *,
    train: float = 0.6,
    validation: float = 0.2,
    groups: npt.NDArray[Any] | None = None,
) -> tuple[Split, Split, Split]:
    """Split a set that has no official splits into train, validation and test, class by class.

    Args:
        whole: all texts.
        train: share of the training split, in (0, 1).
        validation: share of the validation split; the rest is the test split.
        groups: [texts]; texts with the same one come into the same split.
    """
    quantiles = stratified_quantiles(whole.labels)
    if groups is not None:
        _, first, group = np.unique(groups, return_index=True, return_inverse=True)
        quantiles = quantiles[first[group]]

    def part(inside: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.bool_]]) -> Split:
        return whole.take(np.flatnonzero(inside(quantiles)))

    return (
        part(lambda q: q < train),
        part(lambda q: (q >= train) & (q < train + validation)),
        part(lambda q: q >= train + validation),
    )
