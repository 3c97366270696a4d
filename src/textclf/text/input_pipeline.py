"""Rows in memory or in files as batches of TensorFlow."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.data.text_store import IN_MEMORY, StoredTexts, read_rows
from textclf.runtime.backend import without_tuning

Rows = npt.NDArray[Any] | StoredTexts
"""Encoded texts, [n, ...]; or texts themselves, as an array of objects where they fit in memory."""


def gather_from(rows: Rows) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return what picks rows by their places, <int64>[batch], for `tf.data.Dataset.map`.

    Large ones stay in their file, and each batch reads what it needs.
    """
    if isinstance(rows, StoredTexts):
        dtype, shape = tf.string, [None]
        read: Callable[[Any], Any] = lambda places: np.array(rows.read(places), object)  # noqa: E731
    elif rows.nbytes <= IN_MEMORY or rows.dtype == object:
        constant = tf.constant(rows)
        return lambda places: tf.gather(constant, places)
    else:
        dtype, shape = tf.as_dtype(rows.dtype), [None, *rows.shape[1:]]
        read = lambda places: read_rows(rows, places)  # noqa: E731

    def pick(places: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(read, [places], dtype), shape)

    return pick


def batch_in_order(rows: Rows, batch_size: int) -> tf.data.Dataset:
    """Return all rows in their order, in batches of which the last may be smaller."""
    places = tf.data.Dataset.range(len(rows)).batch(batch_size)
    return without_tuning(places.map(gather_from(rows)).prefetch(2))
