"""The metrics of each epoch, and the checkpoint after an epoch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

Arrays = list[npt.NDArray[Any]]


@dataclass(frozen=True)
class EpochRow:
    """One row of ``history.csv``; losses are in nats and accuracies in [0, 1].

    Without a validation split, ``val_loss`` and ``val_accuracy`` are NaN.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float


@dataclass
class History:
    """The epochs of a run; the first is number 1.

    Attributes:
        monitor: ``val_loss`` or ``val_accuracy``.
        rows: One for each epoch.
    """

    monitor: str
    rows: list[EpochRow] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        """The first epoch with the best value of ``monitor``."""
        sign = -1 if self.monitor == "val_accuracy" else 1
        return min(self.rows, key=lambda row: (sign * getattr(row, self.monitor), row.epoch)).epoch

    @property
    def train_seconds(self) -> float:
        """Seconds of all epochs, including validation."""
        return sum(row.seconds for row in self.rows)

    def should_stop(self, patience: int | None) -> bool:
        """Return whether the last ``patience`` epochs brought no improvement."""
        if patience is None or not self.rows:
            return False
        return len(self.rows) - self.best_epoch >= patience


@dataclass(frozen=True)
class PruningRule:
    """When to stop a run whose validation metric is worse than that of earlier runs.

    Attributes:
        monitor: ``val_loss`` or ``val_accuracy``.
        thresholds: A run stops after an epoch at which its best value so far is worse than the
            threshold of that epoch, the first of which is number 1; NaN stops no run.
    """

    monitor: str
    thresholds: tuple[float, ...]

    def find_epoch(self, values: Sequence[float]) -> int | None:
        """Return the first epoch after which a run is to stop; None if there is none yet.

        Args:
            values: The monitored value after each epoch.
        """
        sign = -1 if self.monitor == "val_accuracy" else 1
        best = math.inf
        for epoch, (value, threshold) in enumerate(zip(values, self.thresholds, strict=False), 1):
            best = min(best, sign * value)
            if best > sign * threshold:
                return epoch
        return None


@dataclass(frozen=True)
class Checkpoint:
    """Everything that decides how training resumes after an epoch.

    Attributes:
        rows: The history so far.
        variables: Variables of the network, including the state of its random generators, then of
            the optimizer unless training has ended; arrays, or values that NumPy converts to
            arrays one by one, so that they need not be in memory together.
        best_weights: Variables of the network at the best epoch; empty if they are not needed.
    """

    rows: list[EpochRow]
    variables: Sequence[Any]
    best_weights: Arrays


class CheckpointStore(Protocol):
    """Where checkpoints are kept, such as a run directory."""

    def read_checkpoint(self) -> Checkpoint | None:
        """Return the last checkpoint; None if there is none."""

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace the last checkpoint."""
