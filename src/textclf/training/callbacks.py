"""Keras callbacks of the training loop, each with one job."""

import math
import time
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from textclf.errors import PrunedError, TextclfError
from textclf.training.history import (
    Arrays,
    Checkpoint,
    CheckpointStore,
    EpochRow,
    History,
    PruningRule,
)


class ValidateOnOneDevice(keras.callbacks.Callback):  # type: ignore[misc]
    """Adds ``val_loss`` and ``val_accuracy`` to the logs, computed on one device.

    Under a distribution strategy, Keras 3 fails if a batch cannot be split evenly.
    """

    def __init__(self, network: Any, batches: tf.data.Dataset, metrics: list[Any]) -> None:
        super().__init__()
        self.network = keras.Model(network.inputs, network.outputs)
        self.network.compile(loss=network.loss, metrics=metrics)
        self.batches = batches

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:  # noqa: ARG002
        """Evaluate the network."""
        values = self.network.evaluate(self.batches, verbose=0, return_dict=True)
        logs |= {f"val_{name}": value for name, value in values.items()}


class StopOnDivergence(keras.callbacks.Callback):  # type: ignore[misc]
    """Raises TextclfError at the first value that is not finite; the last checkpoint remains."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self.history = history

    def on_train_batch_end(self, step: int, logs: dict[str, float]) -> None:
        """Check the loss of a step."""
        if not math.isfinite(logs["loss"]):
            self._stop("loss", logs["loss"], f"step {step + 1} of ")

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:  # noqa: ARG002
        """Check all metrics of an epoch."""
        for name, value in logs.items():
            if not math.isfinite(value):
                self._stop(name, value)

    def _stop(self, name: str, value: float, step: str = "") -> None:
        rate = float(self.model.optimizer.learning_rate.numpy())
        raise TextclfError(
            f"{name} is {value} in {step}epoch {len(self.history.rows) + 1}: training diverged; try"
            f" a lower --set training.learning_rate (now {rate:g})"
        )


class RecordHistory(keras.callbacks.Callback):  # type: ignore[misc]
    """Appends a row to the history after each epoch."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self.history = history
        self.started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Start the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Append the row."""
        self.history.rows.append(
            EpochRow(
                epoch=epoch + 1,
                loss=logs["loss"],
                accuracy=logs["accuracy"],
                val_loss=logs.get("val_loss", math.nan),
                val_accuracy=logs.get("val_accuracy", math.nan),
                learning_rate=float(self.model.optimizer.learning_rate.numpy()),
                seconds=time.perf_counter() - self.started,
            )
        )


class KeepBestWeights(keras.callbacks.Callback):  # type: ignore[misc]
    """Copies the variables of the network after each epoch that is the best so far."""

    def __init__(self, history: History, weights: Arrays) -> None:
        super().__init__()
        self.history = history
        self.weights = weights

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Copy the variables."""
        if self.history.best_epoch == epoch + 1:
            self.weights[:] = [variable.numpy() for variable in self.model.variables]


class SaveCheckpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Saves a checkpoint after each epoch."""

    def __init__(self, history: History, best_weights: Arrays, store: CheckpointStore) -> None:
        super().__init__()
        self.history = history
        self.best_weights = best_weights
        self.store = store

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Save the checkpoint."""
        rows, variables = list(self.history.rows), list_variables(self.model)
        self.store.write_checkpoint(Checkpoint(rows, variables, self.best_weights))


class StopEarly(keras.callbacks.Callback):  # type: ignore[misc]
    """Stops training after ``patience`` epochs without improvement."""

    def __init__(self, history: History, patience: int | None) -> None:
        super().__init__()
        self.history = history
        self.patience = patience

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Stop if the last epochs brought no improvement."""
        if self.history.should_stop(self.patience):
            self.model.stop_training = True


class Prune(keras.callbacks.Callback):  # type: ignore[misc]
    """Raises PrunedError after an epoch, whose checkpoint is saved before.

    Args:
        rule: When a run is stopped.
        rows: Epochs before those that are trained now.

    Raises:
        PrunedError: The run is to stop at one of ``rows``.
    """

    def __init__(self, rule: PruningRule, rows: Sequence[EpochRow]) -> None:
        super().__init__()
        self.rule = rule
        self.values = [getattr(row, rule.monitor) for row in rows]
        self._check()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:  # noqa: ARG002
        """Check the values so far."""
        self.values.append(logs[self.rule.monitor])
        self._check()

    def _check(self) -> None:
        if epoch := self.rule.find_epoch(self.values):
            best = (max if self.rule.monitor == "val_accuracy" else min)(self.values[:epoch])
            raise PrunedError(
                f"pruned after epoch {epoch}: the best {self.rule.monitor} is {best:.4f}, and the"
                f" median of earlier trials is {self.rule.thresholds[epoch - 1]:.4f}"
            )


def list_variables(network: Any) -> list[Any]:
    """Return all variables that a checkpoint contains: the network's, then the optimizer's."""
    return [*network.variables, *network.optimizer.variables]
