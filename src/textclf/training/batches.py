"""Builds shuffled training batches and ordered validation batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.config.schema import TrainingConfig
from textclf.runtime.backend import without_tuning
from textclf.text.input_pipeline import Rows, batch_in_order, gather_from

VALIDATION_BATCH_SIZE = 256


@dataclass(frozen=True)
class Examples:
    """Encoded texts with their labels.

    Attributes:
        inputs: What the network takes, [n, ...].
        labels: <int64>[n], positions in the label names.
    """

    inputs: Rows
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class TrainingData:
    """Training and validation examples, with the label names.

    Attributes:
        train: Examples that the weights are fitted on.
        validation: Examples that the best epoch is chosen on; None if it is known.
        label_names: Name of each label.
    """

    train: Examples
    validation: Examples | None
    label_names: Sequence[str]


def shuffle_epochs(
    data: TrainingData, config: TrainingConfig, *, seed: int, first: int, n_used: int
) -> tf.data.Dataset:
    """Return the training batches of all epochs from ``first`` on, with one-hot targets.

    The order of an epoch depends on the seed and the number of the epoch only, so that resumed
    training sees the same batches as uninterrupted training.

    Args:
        data: Examples.
        config: Number of epochs, batch size and class weights.
        seed: Seed of the order.
        first: First epoch, from 0.
        n_used: Examples per epoch.
    """
    gather_inputs, labels = gather_from(data.train.inputs), tf.constant(data.train.labels)
    n_examples, n_labels = len(data.train.labels), len(data.label_names)
    # Weights of 1 would cost time in each step.
    weights = None if config.class_weight is None else _weight_examples(data, config)

    def shuffle(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(n_examples), seed=tf.stack([tf.cast(seed, tf.int64), epoch])
        )
        return tf.data.Dataset.from_tensor_slices(order[:n_used]).batch(config.batch_size)

    def gather(batch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        targets = tf.one_hot(tf.gather(labels, batch), n_labels)
        pair = (gather_inputs(batch), targets)
        return pair if weights is None else (*pair, tf.gather(weights, batch))

    epochs = tf.data.Dataset.range(first, config.epochs)
    batches = epochs.flat_map(shuffle).map(gather).prefetch(2)
    n_steps = (config.epochs - first) * config.count_steps(n_used)
    n_batches = tf.data.experimental.assert_cardinality(n_steps)
    return without_tuning(batches.apply(n_batches))


def batch_examples(examples: Examples, n_labels: int) -> tf.data.Dataset:
    """Return validation batches in order, with one-hot targets."""
    targets = tf.data.Dataset.from_tensor_slices(examples.labels).batch(VALIDATION_BATCH_SIZE)
    one_hot = targets.map(lambda labels: tf.one_hot(labels, n_labels))
    inputs = batch_in_order(examples.inputs, VALIDATION_BATCH_SIZE)
    return without_tuning(tf.data.Dataset.zip(inputs, one_hot))


def _weight_examples(data: TrainingData, config: TrainingConfig) -> npt.NDArray[np.float32]:
    """Return the weight of each training example in the loss, <float32>[n]."""
    from sklearn.utils.class_weight import compute_sample_weight

    weights: Any = config.class_weight
    if isinstance(weights, dict):
        weights = {data.label_names.index(name): weight for name, weight in weights.items()}
    return np.asarray(compute_sample_weight(weights, data.train.labels), np.float32)
