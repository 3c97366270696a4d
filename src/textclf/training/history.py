"""The epochs of a run, and where training goes on after one of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

Arrays = list[npt.NDArray[Any]]


@dataclass(frozen=True)
class EpochRow:
    """One row of ``history.csv``; losses in nats, accuracies in [0, 1]."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float


@dataclass
class History:
    """The epochs of a run, the first has number 1.

    Attributes:
        monitor: ``val_loss`` or ``val_accuracy``.
        rows: one for each epoch run.
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
        """Seconds of all epochs, validation included."""
        return sum(row.seconds for row in self.rows)

    def is_over(self, patience: int | None) -> bool:
        """Say whether the last ``patience`` epochs were no better than one before them."""
        if patience is None or not self.rows:
            return False
        return len(self.rows) - self.best_epoch >= patience


@dataclass(frozen=True)
class Checkpoint:
    """All that decides how training goes on after an epoch.

    Attributes:
        rows: the history so far.
        variables: the network's, with the state of its random generators, then the optimizer's;
            arrays, or what NumPy makes arrays of one by one, so that they need no memory together.
        best: the variables of the network at the best epoch; empty where they are not wanted.
    """

    rows: list[EpochRow]
    variables: Sequence[Any]
    best: Arrays
