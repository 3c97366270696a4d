"""Texts and their encodings, in memory or in files, as batches of TensorFlow."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.data.text_store import StoredTexts
from textclf.runtime.backend import without_tuning
from textclf.storage.arrays import MAX_BYTES_IN_MEMORY, read_rows
from textclf.text.tokens import normalize_text

ENCODE_BATCH_SIZE = 1_024

Rows = npt.NDArray[Any] | StoredTexts
"""Encoded texts, [n, ...]; or the texts themselves, as an array of objects if they fit in
memory."""


def as_rows(texts: Sequence[str]) -> Rows:
    """Return texts as rows that `gather_from` accepts."""
    return texts if isinstance(texts, StoredTexts) else np.array(list(texts), object)


def gather_from(rows: Rows) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a function for `tf.data.Dataset.map` that gathers rows by position, <int64>[batch].

    Large arrays stay in their file, and each batch reads the rows that it needs.
    """
    if isinstance(rows, StoredTexts):
        dtype, shape = tf.string, [None]
        read: Callable[[Any], Any] = lambda positions: np.array(rows.read(positions), object)  # noqa: E731
    elif rows.nbytes <= MAX_BYTES_IN_MEMORY or rows.dtype == object:
        constant = tf.constant(rows)
        return lambda positions: tf.gather(constant, positions)
    else:
        dtype, shape = tf.as_dtype(rows.dtype), [None, *rows.shape[1:]]
        read = lambda positions: read_rows(rows, positions)  # noqa: E731

    def gather(positions: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(read, [positions], dtype), shape)

    return gather


def batch_in_order(rows: Rows, batch_size: int) -> tf.data.Dataset:
    """Return all rows in order, in batches of which the last may be smaller."""
    positions = tf.data.Dataset.range(len(rows)).batch(batch_size)
    return without_tuning(positions.map(gather_from(rows)).prefetch(2))


def encode(encoder: Any, texts: Sequence[str]) -> npt.NDArray[Any]:
    """Apply a Keras layer to all texts, [texts, ...]."""
    return np.concatenate(list(encode_batches(encoder, texts)))


def encode_batches(encoder: Any, texts: Sequence[str]) -> Iterator[npt.NDArray[Any]]:
    """Apply a Keras layer to batches of texts, and yield arrays [batch, ...].

    A `TextEncoder` gets normalized texts; any other layer gets the texts as they are.
    """
    is_normalized = getattr(encoder, "takes_normalized_text", False)
    held = [texts]  # TensorFlow keeps the function below, but not the texts.

    def read() -> Iterator[Sequence[str]]:
        for start in range(0, len(held[0]), ENCODE_BATCH_SIZE):
            batch = held[0][start : start + ENCODE_BATCH_SIZE]
            yield [*map(normalize_text, batch)] if is_normalized else batch

    batches = tf.data.Dataset.from_generator(
        read, output_signature=tf.TensorSpec([None], tf.string)
    )
    encoded = batches.map(encoder, num_parallel_calls=tf.data.AUTOTUNE)
    try:
        yield from without_tuning(encoded).as_numpy_iterator()
    finally:
        held.clear()
