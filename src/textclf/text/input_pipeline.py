"""Texts and their encodings, in memory or in files, as batches of TensorFlow."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.data.text_store import StoredTexts
from textclf.runtime.backend import without_tuning
from textclf.storage.arrays import MAX_BYTES_IN_MEMORY, ArrayWriter, read_rows, write_batches
from textclf.text.tokens import normalize_text

ENCODE_BATCH_SIZE = 1_024


@dataclass(frozen=True)
class SparseRows:
    """Encoded texts of which only the features that are not zero are stored.

    Attributes:
        features: <int32>[values], position of each feature, row by row; it may be in a file.
        values: <float32>[values], its value.
        ends: <int64>[rows], where each row ends.
    """

    features: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]
    ends: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)

    def load(self) -> "SparseRows":
        """Return the same rows, in memory if they are not too many."""
        if self.features.nbytes + self.values.nbytes > MAX_BYTES_IN_MEMORY:
            return self
        return SparseRows(np.array(self.features), np.array(self.values), self.ends)

    def read(self, positions: npt.NDArray[np.int64]) -> tuple[npt.NDArray[Any], ...]:
        """Return features and values of some rows, [n, longest row], filled with zeros."""
        starts = np.where(positions > 0, self.ends[positions - 1], 0)
        lengths = self.ends[positions] - starts
        columns = np.arange(lengths.max(initial=0))
        is_used = columns < lengths[:, None]
        used = (starts[:, None] + columns)[is_used]
        padded = []
        for array in (self.features, self.values):
            rows = np.zeros(is_used.shape, array.dtype)
            rows[is_used] = read_rows(array, used)
            padded.append(rows)
        return tuple(padded)


Rows = npt.NDArray[Any] | SparseRows | StoredTexts
"""Encoded texts, [n, ...]; or the texts themselves, as an array of objects if they fit in
memory."""


def as_rows(texts: Sequence[str]) -> Rows:
    """Return texts as rows that `gather_from` accepts."""
    return texts if isinstance(texts, StoredTexts) else np.array(list(texts), object)


def gather_from(rows: Rows) -> Callable[[tf.Tensor], Any]:
    """Return a function for `tf.data.Dataset.map` that gathers rows by position, <int64>[batch].

    Large arrays stay in their file, and each batch reads the rows that it needs.
    """
    if isinstance(rows, SparseRows):
        return functools.partial(_gather_sparse, rows.load())
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


def _gather_sparse(rows: SparseRows, positions: tf.Tensor) -> dict[str, tf.Tensor]:
    features, values = tf.numpy_function(rows.read, [positions], [tf.int32, tf.float32])
    return {
        "features": tf.ensure_shape(features, [None, None]),
        "values": tf.ensure_shape(values, [None, None]),
    }


def batch_in_order(rows: Rows, batch_size: int) -> tf.data.Dataset:
    """Return all rows in order, in batches of which the last may be smaller."""
    positions = tf.data.Dataset.range(len(rows)).batch(batch_size)
    return without_tuning(positions.map(gather_from(rows)).prefetch(2))


def write_rows(batches: Iterable[Any]) -> Rows:
    """Write one or more batches of an encoder's output to files, because they may be large."""
    iterator = iter(batches)
    first = next(iterator)
    if not isinstance(first, dict):
        return write_batches(chain([first], iterator))
    lengths = []
    with ArrayWriter(np.int32) as features, ArrayWriter(np.float32) as values:
        for batch in chain([first], iterator):
            is_used = batch["values"] > 0
            features.append(batch["features"][is_used])
            values.append(batch["values"][is_used])
            lengths.append(is_used.sum(axis=1))
        return SparseRows(features.finish(), values.finish(), np.cumsum(np.concatenate(lengths)))


def encode_batches(encoder: Any, texts: Sequence[str]) -> Iterator[Any]:
    """Apply a Keras layer to batches of texts, and yield its output as arrays [batch, ...].

    An encoder of textclf gets normalized texts; any other layer gets the texts as they are.
    """
    is_normalized = getattr(encoder, "takes_normalized_text", False)
    held = [texts]  # TensorFlow keeps the function below, but not the texts.

    def read(start: Any) -> npt.NDArray[Any]:
        batch = held[0][start : start + ENCODE_BATCH_SIZE]
        return np.array([*map(normalize_text, batch)] if is_normalized else list(batch), object)

    def gather(start: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(read, [start], tf.string), [None])

    # Not `from_generator`: on Python 3.11, it makes the C library return every large buffer to the
    # system for the rest of the process, with which a `cnn` trains at half the speed.
    batches = tf.data.Dataset.range(0, len(texts), ENCODE_BATCH_SIZE).map(gather)
    encoded = batches.map(encoder, num_parallel_calls=tf.data.AUTOTUNE)
    try:
        yield from without_tuning(encoded).as_numpy_iterator()
    finally:
        held.clear()
