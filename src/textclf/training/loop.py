"""Fits a network: compile, train epoch by epoch, and keep what is needed to go on after a crash."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.config.schema import TrainingConfig
from textclf.errors import TextclfError
from textclf.runtime.backend import without_tuning
from textclf.text.input_pipeline import Rows, batch_in_order, gather_from
from textclf.training.history import Arrays, Checkpoint, EpochRow, History
from textclf.training.optimizer import FusedAdam

VALIDATION_BATCH_SIZE = 256
OPTIMIZERS = {"adam": keras.optimizers.Adam, "fused-adam": FusedAdam}
EXPONENTIAL_END = 0.01
"""The share of the learning rate at which the exponential schedule ends."""


@dataclass(frozen=True)
class Examples:
    """Encoded texts with their labels.

    Attributes:
        inputs: what the network takes, [n, ...].
        labels: <int64>[n], positions in the label names.
    """

    inputs: Rows
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class TrainingData:
    """What a network is fitted on and chosen by.

    Attributes:
        train: what the weights are fitted on.
        validation: what the best epoch is chosen on.
        label_names: the name of each label.
    """

    train: Examples
    validation: Examples
    label_names: Sequence[str]


class CheckpointStore(Protocol):
    """Where checkpoints are kept; a run directory is one."""

    def read_checkpoint(self) -> Checkpoint | None:
        """Return where to go on; None to begin at the start."""

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep what is needed to go on after this epoch."""


def train(
    network: Any,
    data: TrainingData,
    config: TrainingConfig,
    *,
    seed: int,
    store: CheckpointStore,
    callbacks: Sequence[Any] = (),
) -> History:
    """Fit ``network`` in place.

    Args:
        network: keras.Model, inputs to probabilities <float32>[batch, labels].
        data: what it is fitted on and chosen by.
        config: how.
        seed: decides the order of the examples in each epoch.
        store: training goes on from its checkpoint, and leaves one after each epoch.
        callbacks: more Keras callbacks, such as a progress display.

    Returns:
        The rows of all epochs, those before the checkpoint included.

    Raises:
        TextclfError: the loss became infinite or not a number, or the checkpoint does not fit.
    """
    n_used = count_used(network, len(data.train.labels))
    steps = config.count_steps(n_used)
    with network.distribute_strategy.scope():
        _compile(network, config, steps=steps)
    history = History(config.monitor)
    validation = _batches(data.validation, len(data.label_names))
    is_mirrored = network.distribute_strategy.num_replicas_in_sync > 1
    validating = [_Validation(network, validation)] if is_mirrored else []
    keeper = _EpochKeeper(history, config, store)
    keeper.restore(network)
    done = len(history.rows)
    if done < config.epochs and not history.is_over(config.patience):
        network.fit(
            _epochs(data, config, seed=seed, first=done, n_used=n_used),
            epochs=config.epochs,
            initial_epoch=done,
            steps_per_epoch=steps,
            shuffle=False,
            validation_data=None if validating else validation,
            callbacks=[*validating, keeper, *callbacks],
            verbose=0,
        )
    if config.keep_best:
        _assign(network.variables, keeper.best)
    return history


def count_used(network: Any, n_examples: int) -> int:
    """Return how many of ``n_examples`` an epoch has: other ones miss it where shares are unequal.

    The devices to share among are those of the strategy that the network was built in.
    """
    n_devices: int = network.distribute_strategy.num_replicas_in_sync
    return n_examples // n_devices * n_devices


def _compile(network: Any, config: TrainingConfig, *, steps: int) -> None:
    network.compile(
        optimizer=OPTIMIZERS[config.optimizer](_learning_rate(config, config.epochs * steps)),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
        metrics=_make_metrics(),
    )
    # Built now, so that a checkpoint has somewhere to go.
    network.optimizer.build(network.trainable_variables)


def _make_metrics() -> list[Any]:
    return [keras.metrics.CategoricalAccuracy(name="accuracy")]


def _learning_rate(config: TrainingConfig, n_steps: int) -> Any:
    """Return a number, or a Keras schedule over ``n_steps`` steps."""
    schedules = keras.optimizers.schedules
    start = config.learning_rate
    match config.schedule:
        case "constant":
            return start
        case "linear":
            return schedules.PolynomialDecay(start, n_steps, end_learning_rate=0.0)
        case "cosine":
            return schedules.CosineDecay(start, n_steps)
        case "exponential":
            return schedules.ExponentialDecay(start, n_steps, EXPONENTIAL_END)


def _example_weights(data: TrainingData, config: TrainingConfig) -> npt.NDArray[np.float32]:
    """Return what each training example counts in the loss, <float32>[n]."""
    labels, label_names = data.train.labels, data.label_names
    by_label = np.ones(len(label_names))
    if config.class_weight == "balanced":
        counts = np.bincount(labels, minlength=len(label_names))
        present = counts > 0
        by_label[present] = len(labels) / (present.sum() * counts[present])
    elif config.class_weight is not None:
        for name, weight in config.class_weight.items():
            by_label[label_names.index(name)] = weight
    return by_label[labels].astype(np.float32)


def _epochs(
    data: TrainingData, config: TrainingConfig, *, seed: int, first: int, n_used: int
) -> tf.data.Dataset:
    """Return the batches of all epochs from ``first`` on, with ``n_used`` examples in each.

    The order of an epoch depends on the seed and its number only, so that training that goes on
    after a crash sees the same batches as training that was never interrupted.
    """
    pick_inputs, labels = gather_from(data.train.inputs), tf.constant(data.train.labels)
    n_examples, n_labels = len(data.train.labels), len(data.label_names)
    # Without class weights there are none at all: they would cost time in each step.
    weights = None if config.class_weight is None else _example_weights(data, config)

    def shuffle(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(n_examples), seed=tf.stack([tf.cast(seed, tf.int64), epoch])
        )
        return tf.data.Dataset.from_tensor_slices(order[:n_used]).batch(config.batch_size)

    def gather(batch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        targets = tf.one_hot(tf.gather(labels, batch), n_labels)
        pair = (pick_inputs(batch), targets)
        return pair if weights is None else (*pair, tf.gather(weights, batch))

    epochs = tf.data.Dataset.range(first, config.epochs)
    batches = epochs.flat_map(shuffle).map(gather).prefetch(2)
    n_steps = (config.epochs - first) * config.count_steps(n_used)
    n_batches = tf.data.experimental.assert_cardinality(n_steps)
    return without_tuning(batches.apply(n_batches))


def _batches(examples: Examples, n_labels: int) -> tf.data.Dataset:
    """Return the examples in their order, with one-hot targets."""
    targets = tf.data.Dataset.from_tensor_slices(examples.labels).batch(VALIDATION_BATCH_SIZE)
    one_hot = targets.map(lambda labels: tf.one_hot(labels, n_labels))
    inputs = batch_in_order(examples.inputs, VALIDATION_BATCH_SIZE)
    return without_tuning(tf.data.Dataset.zip(inputs, one_hot))


class _Validation(keras.callbacks.Callback):  # type: ignore[misc]
    """Adds ``val_loss`` and ``val_accuracy``, computed on one of several devices.

    Keras shares each batch among all of them, and fails where these are not equal shares.
    """

    def __init__(self, network: Any, batches: tf.data.Dataset) -> None:
        super().__init__()
        self.network = keras.Model(network.inputs, network.outputs)
        self.network.compile(loss=network.loss, metrics=_make_metrics())
        self.batches = batches

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:  # noqa: ARG002
        """Add them."""
        found = self.network.evaluate(self.batches, verbose=0, return_dict=True)
        logs |= {f"val_{name}": value for name, value in found.items()}


class _EpochKeeper(keras.callbacks.Callback):  # type: ignore[misc]
    """After each epoch: adds its row, keeps the best weights, saves a checkpoint, stops in time."""

    def __init__(self, history: History, config: TrainingConfig, store: CheckpointStore) -> None:
        super().__init__()
        self.history = history
        self.config = config
        self.store = store
        self.best: Arrays = []
        self.started = 0.0

    def restore(self, network: Any) -> None:
        """Put network, optimizer, history and best weights where the checkpoint left them."""
        checkpoint = self.store.read_checkpoint()
        if checkpoint is None:
            return
        variables = _all_variables(network)
        if [v.shape for v in variables] != [value.shape for value in checkpoint.variables]:
            raise TextclfError(
                "the checkpoint does not fit the model: it is of another one, or the model's code"
                " has changed since;"
                " use --force to train from the start"
            )
        _assign(variables, checkpoint.variables)
        self.history.rows.extend(checkpoint.rows)
        self.best = checkpoint.best

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Start the clock."""
        self.started = time.perf_counter()

    def on_train_batch_end(self, step: int, logs: dict[str, float]) -> None:
        """Stop at the first loss that is no number; the checkpoint of the last epoch stays."""
        if not math.isfinite(logs["loss"]):
            epoch = len(self.history.rows) + 1
            raise _diverged("loss", logs["loss"], f"step {step + 1} of epoch {epoch}", self.model)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Do all that is said above."""
        row = EpochRow(
            epoch=epoch + 1,
            loss=logs["loss"],
            accuracy=logs["accuracy"],
            val_loss=logs["val_loss"],
            val_accuracy=logs["val_accuracy"],
            learning_rate=float(self.model.optimizer.learning_rate.numpy()),
            seconds=time.perf_counter() - self.started,
        )
        for name, value in asdict(row).items():
            if not math.isfinite(value):
                raise _diverged(name, value, f"epoch {row.epoch}", self.model)
        self.history.rows.append(row)
        if self.config.keep_best and self.history.best_epoch == row.epoch:
            self.best = [variable.numpy() for variable in self.model.variables]
        checkpoint = Checkpoint(list(self.history.rows), _all_variables(self.model), self.best)
        self.store.write_checkpoint(checkpoint)
        if self.history.is_over(self.config.patience):
            self.model.stop_training = True


def _diverged(name: str, value: float, place: str, network: Any) -> TextclfError:
    rate = float(network.optimizer.learning_rate.numpy())
    return TextclfError(
        f"{name} is {value} in {place}: training diverged; try a lower --set"
        f" training.learning_rate (now {rate:g})"
    )


def _all_variables(network: Any) -> list[Any]:
    return [*network.variables, *network.optimizer.variables]


def _assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
