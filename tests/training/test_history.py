"""The history of a training run: its best epoch, its seconds, and when to stop."""

import math

import pytest

from textclf.training.history import EpochRow, History, PruningRule


def make_row(epoch, val_loss, val_accuracy):
    return EpochRow(epoch, 1.0, 0.5, val_loss, val_accuracy, 0.001, 2.0)


ROWS = [
    make_row(1, 0.5, 0.6),
    make_row(2, 0.4, 0.7),
    make_row(3, 0.4, 0.8),
    make_row(4, 0.6, 0.8),
]


@pytest.mark.parametrize(("monitor", "best"), [("val_loss", 2), ("val_accuracy", 3)])
def test_best_epoch_is_the_first_with_the_best_value(monitor, best):
    assert History(monitor, ROWS).best_epoch == best


def test_train_seconds_are_the_sum_of_all_epochs():
    assert History("val_loss", ROWS).train_seconds == 8


def test_training_stops_after_epochs_without_improvement():
    history = History("val_loss", ROWS)
    assert history.should_stop(2)
    assert not history.should_stop(3)
    assert not history.should_stop(None)
    assert not History("val_loss").should_stop(1)


@pytest.mark.parametrize(
    ("monitor", "values", "epoch"),
    [
        ("val_accuracy", [0.1, 0.7, 0.6], None),  # The best so far is compared.
        ("val_accuracy", [0.1, 0.5], None),  # As good as the threshold.
        ("val_accuracy", [0.1, 0.4, 0.9], 2),
        ("val_loss", [9.0, 0.6], 2),
        ("val_loss", [0.4, 0.6, 0.6], 3),
        ("val_loss", [9.0], None),
        ("val_loss", [0.1, 0.1, 0.1, 9.0], None),  # Earlier trials had three epochs.
        ("val_loss", [], None),
    ],
)
def test_a_run_stops_after_the_first_epoch_that_is_worse(monitor, values, epoch):
    last = 0.55 if monitor == "val_accuracy" else 0.3
    assert PruningRule(monitor, (math.nan, 0.5, last)).find_epoch(values) == epoch
