"""Counts the words of training texts."""

from collections import Counter
from collections.abc import Sequence

import tensorflow as tf

from textclf.text.tokenizer import tokenize

BATCH_SIZE = 1_024

MAX_COUNTED = 1_000_000
"""Distinct words that are counted at once; above it, words that occurred once are forgotten."""


def count_words(texts: Sequence[str], *, max_words: int) -> tuple[str, ...]:
    """Return the most frequent words; equally frequent ones are in alphabetical order."""
    counts: Counter[bytes] = Counter()
    for start in range(0, len(texts), BATCH_SIZE):
        counts.update(tokenize(tf.constant(texts[start : start + BATCH_SIZE])).flat_values.numpy())
        if len(counts) > MAX_COUNTED:
            counts = Counter({word: count for word, count in counts.items() if count > 1})
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return tuple(word.decode("utf-8", "replace") for word in ranked[:max_words])
