"""The callbacks of the training loop, each alone."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from textclf.errors import TextclfError
from textclf.training.batches import Examples, batch_examples
from textclf.training.callbacks import (
    KeepBestWeights,
    RecordHistory,
    SaveCheckpoint,
    StopEarly,
    StopOnDivergence,
    ValidateOnOneDevice,
    list_variables,
)
from textclf.training.history import EpochRow, History

pytestmark = pytest.mark.usefixtures("tensorflow")

LOGS = {"loss": 0.5, "accuracy": 0.75, "val_loss": 0.6, "val_accuracy": 0.7}


def make_network():
    """Return a compiled network of one dense layer, <float32>[batch, 2] to <float32>[batch, 3]."""
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax")])
    network.compile(
        keras.optimizers.Adam(0.25),
        "categorical_crossentropy",
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    network.optimizer.build(network.trainable_variables)
    return network


def make_history(*val_losses):
    rows = [EpochRow(i, 1.0, 0.5, loss, 0.5, 0.1, 2.0) for i, loss in enumerate(val_losses, 1)]
    return History("val_loss", rows)


def attach(callback, model):
    callback.set_model(model)
    return callback


def copy(variables):
    return [variable.numpy() for variable in variables]


def same(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def test_validation_on_one_device_adds_its_metrics_to_the_logs():
    rng = np.random.default_rng(0)
    examples = Examples(rng.normal(size=(300, 2)).astype(np.float32), rng.integers(0, 3, 300))
    network, batches = make_network(), batch_examples(examples, 3)
    metrics = [keras.metrics.CategoricalAccuracy(name="accuracy")]
    callback = attach(ValidateOnOneDevice(network, batches, metrics), network)
    for _ in range(2):
        logs = {"loss": 0.5, "accuracy": 0.75}
        callback.on_epoch_end(0, logs)
        expected = network.evaluate(batches, verbose=0, return_dict=True)
        assert (logs.pop("loss"), logs.pop("accuracy")) == (0.5, 0.75)
        assert logs == pytest.approx({f"val_{name}": value for name, value in expected.items()})
        # The next evaluation uses the weights of that epoch.
        network.set_weights([2 * weights for weights in network.get_weights()])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_value_that_is_not_finite_stops_training(value):
    callback = attach(StopOnDivergence(make_history(0.5)), make_network())
    callback.on_train_batch_end(0, {"loss": 0.5})
    callback.on_epoch_end(1, dict(LOGS))
    problem = f"^loss is {value} in step 3 of epoch 2: training diverged; .*now 0.25"
    with pytest.raises(TextclfError, match=problem):
        callback.on_train_batch_end(2, {"loss": value})
    for name in LOGS:
        with pytest.raises(TextclfError, match=f"^{name} is {value} in epoch 2: training diverged"):
            callback.on_epoch_end(1, {**LOGS, name: value})


def test_an_epoch_becomes_a_row_of_the_history(monkeypatch):
    history, times = make_history(0.5), iter([100.0, 102.5])
    monkeypatch.setattr(
        "textclf.training.callbacks.time", SimpleNamespace(perf_counter=lambda: next(times))
    )
    callback = attach(RecordHistory(history), make_network())
    callback.on_epoch_begin(1)
    assert len(history.rows) == 1
    callback.on_epoch_end(1, LOGS)
    assert history.rows[1:] == [EpochRow(2, 0.5, 0.75, 0.6, 0.7, 0.25, 2.5)]


def test_best_weights_are_copied_after_the_best_epoch_only():
    network, weights, history = make_network(), [], make_history(0.5)
    callback = attach(KeepBestWeights(history, weights), network)
    callback.on_epoch_end(0)
    best = copy(network.variables)
    assert same(weights, best)
    for val_loss, is_better in ((0.6, False), (0.5, False), (0.4, True)):
        network.set_weights([value + 1 for value in network.get_weights()])
        history.rows.append(EpochRow(len(history.rows) + 1, 1.0, 0.5, val_loss, 0.5, 0.1, 2.0))
        callback.on_epoch_end(len(history.rows) - 1)
        assert same(weights, copy(network.variables) if is_better else best)


def test_a_checkpoint_is_saved_after_each_epoch():
    saved, network, history = [], make_network(), make_history(0.5)
    store = SimpleNamespace(write_checkpoint=saved.append)
    best_weights = [np.arange(3)]
    callback = attach(SaveCheckpoint(history, best_weights, store), network)
    callback.on_epoch_end(0)
    [checkpoint] = saved
    assert checkpoint.rows == history.rows
    assert same(checkpoint.variables, [*network.variables, *network.optimizer.variables])
    assert checkpoint.best_weights is best_weights
    history.rows.extend(make_history(0.5, 0.4).rows[1:])
    callback.on_epoch_end(1)
    assert [len(checkpoint.rows) for checkpoint in saved] == [1, 2]


@pytest.mark.parametrize(
    ("patience", "val_losses", "stops"),
    [
        (2, [0.5, 0.6], False),
        (2, [0.5, 0.6, 0.6], True),
        (2, [0.5, 0.6, 0.4], False),
        (None, [0.5] * 20, False),
    ],
)
def test_training_stops_when_patience_is_exhausted(patience, val_losses, stops):
    network = SimpleNamespace(stop_training=False)
    attach(StopEarly(make_history(*val_losses), patience), network).on_epoch_end(0)
    assert network.stop_training is stops


def test_variables_of_a_checkpoint_are_those_of_network_and_optimizer():
    network = make_network()
    ids = [id(variable) for variable in list_variables(network)]
    assert ids[:2] == [id(variable) for variable in network.variables]
    assert ids[2:] == [id(variable) for variable in network.optimizer.variables]
    assert id(network.optimizer.iterations) in ids
