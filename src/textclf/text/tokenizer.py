"""Splits normalized text into tokens, as TensorFlow operations that are saved with a model."""

import tensorflow as tf

from textclf.text.tokens import FILTERS, IGNORED, LINE_BREAK, SEPARATORS, TOKENS


def tokenize(texts: tf.Tensor, split: str = "auto") -> tf.RaggedTensor:
    """Split texts into lower-case tokens without punctuation or HTML line breaks.

    Args:
        texts: <string>[batch], UTF-8 of texts from `tokens.normalize_text`. Other texts are split
            too, but only their ASCII letters become lower-case.
        split: ``words``, ``characters`` or ``auto``; see `TextConfig`.

    Returns:
        <string>[batch, (tokens)].
    """
    texts = tf.strings.regex_replace(texts, LINE_BREAK, " ")
    texts = tf.strings.regex_replace(texts, IGNORED, "")
    texts = tf.strings.regex_replace(texts, SEPARATORS, " ")
    texts = tf.strings.regex_replace(texts, TOKENS[split], r" \0 ")
    return tf.strings.split(tf.strings.lower(texts))


def tokenize_as_before(texts: tf.Tensor) -> tf.RaggedTensor:
    """Split texts like models that were saved without ``split``: only at ASCII characters."""
    texts = tf.strings.regex_replace(texts, LINE_BREAK, " ")
    texts = tf.strings.regex_replace(texts, f"[{FILTERS}]", " ")
    # After the replacements, because lower() would cut a text at a NUL.
    return tf.strings.split(tf.strings.lower(texts, encoding="utf-8"))
