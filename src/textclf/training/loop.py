"""Trains a network, and resumes training from a checkpoint."""

from collections.abc import Sequence
from typing import Any

import keras

from textclf.config.schema import TrainingConfig
from textclf.errors import RequestError, TextclfError
from textclf.training.batches import TrainingData, batch_examples, shuffle_epochs
from textclf.training.callbacks import (
    KeepBestWeights,
    RecordHistory,
    SaveCheckpoint,
    StopEarly,
    StopOnDivergence,
    ValidateOnOneDevice,
    list_variables,
)
from textclf.training.history import Arrays, CheckpointStore, History
from textclf.training.optimizer import FusedAdam, LazyAdam, WarmUp

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": FusedAdam,
    "fused-adam": FusedAdam,
    "lazy-adam": LazyAdam,
}
UNDECAYED = ("bias", "beta", "gamma")
"""Names that Keras and KerasHub give to the weights of biases and normalizations, which do not
decay."""

EXPONENTIAL_END = 0.01
"""Fraction of the learning rate at which the exponential schedule ends."""


def train(  # noqa: PLR0913 - all that decides the weights
    network: Any,
    data: TrainingData,
    config: TrainingConfig,
    *,
    loss: Any = None,
    seed: int,
    store: CheckpointStore,
    n_epochs: int | None = None,
    callbacks: Sequence[Any] = (),
) -> History:
    """Train ``network`` in place.

    Args:
        network: keras.Model, inputs to probabilities <float32>[batch, labels].
        data: Training and validation examples.
        config: Section ``training`` of the configuration.
        loss: Keras loss of the scores, which the last layer turns into probabilities; None for the
            cross-entropy of the probabilities.
        seed: Seed of the order of examples.
        store: Training resumes from its checkpoint, and saves one after each epoch.
        n_epochs: Epochs to train, at which the learning-rate schedule is cut; by default all.
        callbacks: More Keras callbacks, such as a progress display.

    Returns:
        The history of all epochs, including those before the checkpoint.

    Raises:
        RequestError: ``training.label_smoothing`` is set for a loss of the scores, or there are
            fewer batches than ``training.gradient_accumulation_steps``.
        TextclfError: The loss became infinite or NaN, or the checkpoint does not fit the network.
    """
    network, loss = _choose_objective(network, config, loss)
    n_used = count_used(network, len(data.train.labels))
    steps = config.count_steps(n_used)
    with network.distribute_strategy.scope():
        _compile(network, config, loss=loss, steps=steps)
    history, best_weights = _restore(network, store, config)
    done = len(history.rows)
    last, validation = n_epochs or config.epochs, None
    if data.validation is not None:
        validation = batch_examples(data.validation, len(data.label_names))
    is_mirrored = network.distribute_strategy.num_replicas_in_sync > 1
    own = _make_callbacks(history, best_weights, config, store)
    if is_mirrored and validation is not None:
        own.insert(0, ValidateOnOneDevice(network, validation, _make_metrics()))
    if done < last and not history.should_stop(config.patience):
        network.fit(
            shuffle_epochs(data, config, seed=seed, first=done, n_used=n_used),
            epochs=last,
            initial_epoch=done,
            steps_per_epoch=steps,
            shuffle=False,
            validation_data=None if is_mirrored else validation,
            callbacks=[*own, *callbacks],
            verbose=0,
        )
    if config.restore_best_weights and best_weights:
        _assign(network.variables, best_weights)
    return history


def _choose_objective(network: Any, config: TrainingConfig, loss: Any) -> tuple[Any, Any]:
    """Return the network whose output the loss takes, which shares the weights, and the loss.

    Raises:
        RequestError: ``training.label_smoothing`` is set for a loss of the scores.
    """
    if loss is None:
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing)
        return network, loss
    if config.label_smoothing:
        raise RequestError(
            f"training.label_smoothing {config.label_smoothing:g} needs the cross-entropy loss:"
            " leave it out, or set model.loss=cross-entropy if the model has that key"
        )
    return keras.Model(network.inputs, network.layers[-1].input), loss


def count_used(network: Any, n_examples: int) -> int:
    """Return how many examples an epoch uses; a remainder that devices cannot share is left out.

    The devices are those of the strategy in whose scope the network was built.
    """
    n_devices: int = network.distribute_strategy.num_replicas_in_sync
    return n_examples // n_devices * n_devices


def _compile(network: Any, config: TrainingConfig, *, loss: Any, steps: int) -> None:
    optimizer = _make_optimizer(config, config.epochs * steps)
    weights = network.trainable_variables
    # Keras would compare the names that it is given with TensorFlow's, which are whole paths.
    undecayed = [weight for weight in weights if weight.name in UNDECAYED or weight.ndim < 2]
    optimizer.exclude_from_weight_decay(var_list=undecayed)
    network.compile(optimizer=optimizer, loss=loss, metrics=_make_metrics())
    # Built now, so that a checkpoint can be restored into it.
    network.optimizer.build(weights)


def _make_optimizer(config: TrainingConfig, n_batches: int) -> Any:
    """Return the optimizer of a training that has this number of batches in all epochs.

    Raises:
        RequestError: There are too few batches for one update.
    """
    n_accumulated = config.gradient_accumulation_steps
    if n_accumulated > n_batches:
        raise RequestError(
            f"training.gradient_accumulation_steps {n_accumulated} is more than the {n_batches}"
            f" batches of {config.epochs} epochs, so that no weight would be updated: choose"
            f" {n_batches} or fewer"
        )
    return OPTIMIZERS[config.optimizer](
        _make_learning_rate(config, n_batches),  # Keras's schedules count batches, not updates.
        weight_decay=config.weight_decay or None,
        gradient_accumulation_steps=n_accumulated if n_accumulated > 1 else None,
    )


def _make_metrics() -> list[Any]:
    return [keras.metrics.CategoricalAccuracy(name="accuracy")]


def _make_callbacks(
    history: History, best_weights: Arrays, config: TrainingConfig, store: CheckpointStore
) -> list[Any]:
    best = [KeepBestWeights(history, best_weights)] if config.restore_best_weights else []
    return [
        StopOnDivergence(history),
        RecordHistory(history),
        *best,
        SaveCheckpoint(history, best_weights, store),
        StopEarly(history, config.patience),
    ]


def _make_learning_rate(config: TrainingConfig, n_steps: int) -> Any:
    """Return a number, or a Keras schedule over ``n_steps`` steps that begins with the warm-up."""
    n_warmup = round(config.warmup * n_steps)
    after = _make_schedule(config, max(n_steps - n_warmup, 1))  # Keras divides by the steps.
    return WarmUp(config.learning_rate, n_warmup, after) if n_warmup else after


def _make_schedule(config: TrainingConfig, n_steps: int) -> Any:
    """Return a number, or a Keras schedule over the ``n_steps`` steps after the warm-up."""
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


def _restore(
    network: Any, store: CheckpointStore, config: TrainingConfig
) -> tuple[History, Arrays]:
    """Load the last checkpoint into the network; return its history and best weights."""
    history = History(config.monitor)
    checkpoint = store.read_checkpoint()
    if checkpoint is None:
        return history, []
    variables = list_variables(network)
    if len(checkpoint.variables) == len(network.variables):  # Training had ended.
        variables = network.variables
    if [v.shape for v in variables] != [value.shape for value in checkpoint.variables]:
        raise TextclfError(
            "the checkpoint does not fit the model, whose code has probably changed; use --force"
            " to train from the start"
        )
    _assign(variables, checkpoint.variables)
    history.rows.extend(checkpoint.rows)
    return history, checkpoint.best_weights


def _assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
