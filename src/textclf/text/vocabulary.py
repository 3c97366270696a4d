"""Counts the tokens of training texts."""

from collections import Counter
from collections.abc import Sequence

import tensorflow as tf

from textclf.text.tokenizer import tokenize
from textclf.text.tokens import normalize_text

BATCH_SIZE = 1_024

MAX_COUNTED = 1_000_000
"""Distinct tokens that are counted at once; above it, those that occurred once are forgotten."""


def count_words(
    texts: Sequence[str], *, split: str, max_words: int, min_count: int = 1
) -> tuple[str, ...]:
    """Return the most frequent tokens; equally frequent ones are in alphabetical order.

    Args:
        texts: Raw texts.
        split: ``words``, ``characters`` or ``auto``; see `TextConfig`.
        max_words: Maximum number of tokens.
        min_count: Minimum number of occurrences.
    """
    counts: Counter[bytes] = Counter()
    for start in range(0, len(texts), BATCH_SIZE):
        normalized = [*map(normalize_text, texts[start : start + BATCH_SIZE])]
        counts.update(tokenize(tf.constant(normalized), split).flat_values.numpy())
        if len(counts) > MAX_COUNTED:
            counts = Counter({word: count for word, count in counts.items() if count > 1})
    if min_count > 1:
        counts = Counter({word: count for word, count in counts.items() if count >= min_count})
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return tuple(word.decode("utf-8", "replace") for word in ranked[:max_words])
