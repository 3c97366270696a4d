"""Finds the frequent n-grams of training texts."""

import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.data.dataset import Split
from textclf.errors import RequestError
from textclf.storage.arrays import (
    array_to_strings,
    read_rows,
    strings_to_array,
    write_batches,
)
from textclf.storage.cache import CacheEntry, cached
from textclf.text.ngrams import find_ngrams, make_keys
from textclf.text.tokenizer import tokenize
from textclf.text.tokens import TOKENS_VERSION, normalize_text
from textclf.text.vocabulary import BATCH_SIZE, count_words

IntArray = npt.NDArray[np.int64]

BLOCK_SIZE = 1_000_000
"""Tokens whose n-grams are counted at once."""

MAX_COUNTED = 10_000_000
"""Distinct n-grams of one length that are counted; above it, those that occurred once are
forgotten."""


class NgramVocabulary(NamedTuple):
    """The known n-grams, shorter ones first.

    Attributes:
        words: Those of one token.
        keys: <int64>[n-grams], sorted, for each length from 2 on; see `NgramEncoder`.
        document_counts: <int64>[labels, n-grams], training texts of each label that contain it.
    """

    words: tuple[str, ...]
    keys: tuple[IntArray, ...]
    document_counts: IntArray


class _Tokens(NamedTuple):
    """All tokens, as positions in the words; -1 if a token is unknown.

    Attributes:
        words: <int32>[tokens], in a file.
        ends: <int64>[texts], where the tokens of each text end.
        n_words: Number of words.
    """

    words: npt.NDArray[np.int32]
    ends: IntArray
    n_words: int

    def blocks(self) -> Iterator[tuple[IntArray, IntArray]]:
        """Yield the words and the number of the text of tokens, <int64>[tokens], whole texts."""
        first = start = 0
        while first < len(self.ends):
            after = int(np.searchsorted(self.ends, start + BLOCK_SIZE, side="right"))
            after = max(first + 1, after)
            lengths = np.diff(self.ends[first:after], prepend=start)
            end = int(self.ends[after - 1])
            words = read_rows(self.words, slice(start, end)).astype(np.int64)
            yield words, np.repeat(np.arange(first, after), lengths)
            first, start = after, end


def load_ngrams(examples: Split, *, n_labels: int, **options: Any) -> NgramVocabulary:
    """Return what `count_ngrams` returns, from the cache if it is there."""

    def make() -> CacheEntry:
        found = count_ngrams(examples, n_labels=n_labels, **options)
        keys = {f"keys_{n}": keys for n, keys in enumerate(found.keys, 2)}
        words = strings_to_array(found.words)
        return CacheEntry({"words": words, "document_counts": found.document_counts, **keys}, {})

    key = {
        "examples": examples.digest([str(label) for label in range(n_labels)]),
        "n_labels": n_labels,
        **options,
        "tokens": [TOKENS_VERSION, unicodedata.unidata_version],
    }
    arrays = cached("ngrams", key, make).arrays
    keys = tuple(arrays[f"keys_{n}"] for n in range(2, options["max_ngram"] + 1))
    return NgramVocabulary(array_to_strings(arrays["words"]), keys, arrays["document_counts"])


def count_ngrams(
    examples: Split,
    *,
    n_labels: int,
    split: str,
    max_ngram: int,
    min_count: int,
    max_features: int,
) -> NgramVocabulary:
    """Return the most frequent n-grams; of equally frequent ones, shorter ones come first.

    Args:
        examples: Training examples.
        n_labels: Number of labels.
        split: ``words``, ``characters`` or ``auto``; see `TextConfig`.
        max_ngram: Maximum number of tokens.
        min_count: Minimum number of occurrences.
        max_features: Maximum number of n-grams.

    Raises:
        RequestError: The texts contain no token, or none is frequent enough.
    """
    texts, labels = examples.texts, examples.labels
    words = count_words(texts, split=split, max_words=max_features, min_count=min_count)
    if not words:
        raise RequestError(_explain_no_words(min_count))
    tokens = _read_tokens(texts, words, split=split)
    keys: list[IntArray] = []
    counts = [_count_known(tokens)]
    for length in range(2, max_ngram + 1):
        found, count = _count_keys(tokens, keys, length)
        is_frequent = count >= min_count
        keys.append(found[is_frequent])
        counts.append(count[is_frequent])
    words, keys = _keep(_choose(counts, keys, max_features), words, keys)
    if len(words) < tokens.n_words:
        tokens = _read_tokens(texts, words, split=split)
    return NgramVocabulary(words, tuple(keys), _count_texts(tokens, keys, labels, n_labels))


def _explain_no_words(min_count: int) -> str:
    if min_count == 1:
        return "all training texts are empty; check the column of the text"
    return (
        f"no token occurs {min_count:,} times in the training texts; use more of them, or set"
        " model.min_count=1"
    )


def _choose(
    counts: Sequence[IntArray], keys: Sequence[IntArray], max_features: int
) -> list[npt.NDArray[np.bool_]]:
    """Return which n-grams of each length are kept: the most frequent, shorter ones first.

    The prefix and the last token of an n-gram that is kept are kept too, because they are at least
    as frequent.
    """
    n_words, bounded = len(counts[0]), [counts[0]]
    for order, count in zip(keys, counts[1:], strict=True):
        prefixes, last = np.divmod(order, n_words)
        # Those that were forgotten in between may be too low.
        bounded.append(np.minimum(count, np.minimum(bounded[-1][prefixes], counts[0][last])))
    ranked = np.argsort(-np.concatenate(bounded), kind="stable")
    is_kept = np.zeros(len(ranked), bool)
    is_kept[ranked[:max_features]] = True
    return np.split(is_kept, np.cumsum([len(count) for count in counts])[:-1])


def _keep(
    kept: Sequence[npt.NDArray[np.bool_]], words: Sequence[str], keys: Sequence[IntArray]
) -> tuple[tuple[str, ...], list[IntArray]]:
    """Return the words and the keys of the n-grams that are kept."""
    n_words = len(words)
    new_words = np.cumsum(kept[0]) - 1
    new_prefixes, new_keys = new_words, []
    for order, is_kept in zip(keys, kept[1:], strict=True):
        prefixes, last = np.divmod(order[is_kept], n_words)
        new_keys.append(new_prefixes[prefixes] * kept[0].sum() + new_words[last])
        new_prefixes = np.cumsum(is_kept) - 1
    return tuple(itertools.compress(words, kept[0])), new_keys


def _count_texts(
    tokens: _Tokens, keys: Sequence[IntArray], labels: IntArray, n_labels: int
) -> IntArray:
    """Return how many texts of each label contain each n-gram, <int64>[labels, n-grams]."""
    n_features = tokens.n_words + sum(map(len, keys))
    counts = np.zeros((n_labels, n_features), np.int64)
    for words, rows in tokens.blocks():
        found = find_ngrams(words, rows, keys, n_words=tokens.n_words).numpy()
        pairs = (rows[:, None] * n_features + found)[found >= 0]
        texts, features = np.divmod(np.unique(pairs), n_features)
        np.add.at(counts, (labels[texts], features), 1)
    return counts


def _read_tokens(texts: Sequence[str], words: Sequence[str], *, split: str) -> _Tokens:
    """Split texts, and find the position of each token in the words."""
    entries = tf.lookup.KeyValueTensorInitializer(
        tf.constant(["", *words]), tf.range(-1, len(words), dtype=tf.int32)
    )
    table = tf.lookup.StaticHashTable(entries, default_value=-1)
    lengths = []

    def encode() -> Iterator[npt.NDArray[np.int32]]:
        for start in range(0, len(texts), BATCH_SIZE):
            normalized = [*map(normalize_text, texts[start : start + BATCH_SIZE])]
            tokens = tokenize(tf.constant(normalized), split)
            lengths.append(tokens.row_lengths().numpy())
            yield table.lookup(tokens.flat_values).numpy()

    positions = write_batches(encode())
    return _Tokens(positions, np.cumsum(np.concatenate(lengths)), len(words))


def _count_known(tokens: _Tokens) -> IntArray:
    """Return how often each word occurs, <int64>[words]."""
    counts = np.zeros(tokens.n_words, np.int64)
    for words, _ in tokens.blocks():
        counts += np.bincount(words[words >= 0], minlength=tokens.n_words)
    return counts


def _count_keys(
    tokens: _Tokens, keys: Sequence[IntArray], length: int
) -> tuple[IntArray, IntArray]:
    """Return the sorted keys of all n-grams of a length whose parts are known, and their counts."""
    found, counts = np.empty(0, np.int64), np.empty(0, np.int64)
    n_shorter = tokens.n_words + sum(map(len, keys[:-1])) if keys else 0
    for words, rows in tokens.blocks():
        prefixes = find_ngrams(words, rows, keys, n_words=tokens.n_words)[:, -1]
        prefixes = tf.where(prefixes >= 0, prefixes - n_shorter, -1)
        wanted = make_keys(prefixes, words, rows, length, n_words=tokens.n_words).numpy()
        new, n_new = np.unique(wanted[wanted >= 0], return_counts=True)
        found, index = np.unique(np.concatenate([found, new]), return_inverse=True)
        counts = np.bincount(index, np.concatenate([counts, n_new])).astype(np.int64)
        if len(found) > MAX_COUNTED:
            found, counts = found[counts > 1], counts[counts > 1]
    return found, counts
