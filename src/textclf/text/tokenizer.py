"""Splits raw text into words, as TensorFlow operations that are saved with a model."""

import tensorflow as tf

LINE_BREAK = r"(?i)<br\s*/?>"
# The filters of Keras's Tokenizer, with which the texts of keras.datasets were cleaned, and control
# characters.
PUNCTUATION = r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~\x00-\x1f\x7f]"""


def tokenize(texts: tf.Tensor) -> tf.RaggedTensor:
    """Split texts into lower-case words without punctuation or HTML line breaks.

    Args:
        texts: <string>[batch], UTF-8.

    Returns:
        <string>[batch, (words)].
    """
    texts = tf.strings.regex_replace(texts, LINE_BREAK, " ")
    texts = tf.strings.regex_replace(texts, PUNCTUATION, " ")
    # After the replacements, because lower() would cut a text at a NUL.
    return tf.strings.split(tf.strings.lower(texts, encoding="utf-8"))
