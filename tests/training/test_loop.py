from dataclasses import replace

import keras
import numpy as np
import pytest

from textclf.config.schema import TrainingConfig
from textclf.errors import TextclfError
from textclf.runtime import backend
from textclf.training.history import EpochRow, History
from textclf.training.loop import Examples, TrainingData, _epochs, train

NAMES = ("a", "b", "c")


class MemoryStore:
    """Keeps every checkpoint; reads the one that it is told to."""

    def __init__(self, first=None):
        self.first = first
        self.written = []

    def read_checkpoint(self):
        return self.first

    def write_checkpoint(self, checkpoint):
        values = [np.asarray(variable).copy() for variable in checkpoint.variables]
        self.written.append(replace(checkpoint, variables=values))


def make_data(n=50, seed=1):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    inputs = np.eye(3, dtype=np.float32)[labels] + rng.normal(0, 0.8, (n, 3)).astype(np.float32)
    return Examples(inputs, labels)


DATA = TrainingData(make_data(), make_data(20, seed=2), NAMES)


def make_network():
    backend.set_seed(7)
    inputs = keras.Input((3,))
    x = keras.layers.Dropout(0.3)(keras.layers.Dense(5, activation="relu")(inputs))
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))


def fit(store=None, data=DATA, network=None, **options):
    network = network or make_network()
    config = TrainingConfig(**{"epochs": 4, "batch_size": 8, "learning_rate": 0.05} | options)
    history = train(network, data, config, seed=3, store=store or MemoryStore())
    return history, [weight.numpy() for weight in network.weights]


def same(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def without_seconds(history):
    return [{**vars(row), "seconds": 0} for row in history.rows]


def test_training_learns_and_changes_every_parameter():
    network = make_network()
    before = [weight.numpy() for weight in network.weights]
    history, after = fit(network=network, epochs=15)
    assert [row.epoch for row in history.rows] == list(range(1, 16))
    assert history.rows[-1].loss < 0.7 * history.rows[0].loss
    assert all((a != b).any() for a, b in zip(before, after, strict=True))


def test_same_seed_gives_the_same_weights():
    (first, weights), (second, again) = fit(), fit()
    assert same(weights, again)
    assert without_seconds(first) == without_seconds(second)


@pytest.mark.parametrize("options", [{}, {"keep_best": True}, {"schedule": "cosine"}])
@pytest.mark.parametrize("done", [2, 4])
def test_going_on_after_a_checkpoint_ends_in_the_same_weights(options, done):
    store = MemoryStore()
    history, weights = fit(store, **options)
    resumed, again = fit(MemoryStore(store.written[done - 1]), **options)
    assert same(weights, again)
    assert without_seconds(resumed) == without_seconds(history)


def test_every_epoch_has_every_example_once_in_another_order():
    config = TrainingConfig(epochs=2, batch_size=8)
    marked = Examples(np.arange(20, dtype=np.float32)[:, None], np.zeros(20, np.int64))
    batches = list(_epochs(TrainingData(marked, marked, NAMES), config, seed=1, first=0, n_used=20))
    assert [len(inputs) for inputs, _ in batches] == [8, 8, 4, 8, 8, 4]
    first = np.concatenate([inputs for inputs, _ in batches[:3]]).ravel().tolist()
    second = np.concatenate([inputs for inputs, _ in batches[3:]]).ravel().tolist()
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert first != sorted(first)


def test_patience_stops_and_keep_best_returns_to_the_best_epoch():
    # The highest rate makes later epochs worse than early ones.
    options = {"epochs": 30, "learning_rate": 0.5, "patience": 3}
    store = MemoryStore()
    history, weights = fit(store, keep_best=True, **options)
    assert len(history.rows) == history.best_epoch + 3 < 30
    best = min(history.rows, key=lambda row: row.val_loss)
    assert best.epoch == history.best_epoch
    network = make_network()
    for weight, value in zip(network.weights, weights, strict=True):
        weight.assign(value)
    network.compile(loss="categorical_crossentropy")
    targets = np.eye(3)[DATA.validation.labels]
    loss = network.evaluate(DATA.validation.inputs, targets, verbose=0)
    assert loss == pytest.approx(best.val_loss, rel=1e-4)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.1] * 4),
        ("linear", [0.075, 0.05, 0.025, 0]),
        ("cosine", [0.1 * (1 + np.cos(np.pi * i / 4)) / 2 for i in (1, 2, 3, 4)]),
        ("exponential", [0.1 * 0.01 ** (i / 4) for i in (1, 2, 3, 4)]),
    ],
)
def test_schedules(schedule, expected):
    history, _ = fit(schedule=schedule, learning_rate=0.1)
    assert [row.learning_rate for row in history.rows] == pytest.approx(expected, abs=1e-7)


def test_class_weights_move_the_answers():
    rare = Examples(DATA.train.inputs * 0, np.array([0] * 45 + [1] * 5))
    data = TrainingData(rare, rare, NAMES)

    def share_of_rare(**options):
        network = make_network()
        fit(data=data, network=network, epochs=40, **options)
        return network.predict(rare.inputs[:1], verbose=0)[0, 1]

    assert share_of_rare() == pytest.approx(0.1, abs=0.06)
    assert share_of_rare(class_weight="balanced") == pytest.approx(0.5, abs=0.15)
    assert share_of_rare(class_weight={"b": 9}) == pytest.approx(0.5, abs=0.15)


def test_label_smoothing_keeps_answers_from_becoming_certain():
    def confidence(**options):
        network = make_network()
        fit(network=network, epochs=60, **options)
        return network.predict(DATA.train.inputs, verbose=0).max()

    assert confidence() > 0.97
    # The best answer for a target of 1 smoothed by 0.3 over three labels is 0.8.
    assert confidence(label_smoothing=0.3) < 0.93


def test_a_loss_that_is_no_number_stops_with_what_to_try():
    store = MemoryStore()
    place = r"loss is (nan|inf) in step 2 of epoch 1: .* lower --set training"
    with pytest.raises(TextclfError, match=place):
        fit(store, learning_rate=1e38)
    assert store.written == []


def test_a_validation_loss_that_is_no_number_leaves_no_checkpoint():
    store = MemoryStore()
    # The only step of the epoch starts from good weights, and leaves bad ones.
    with pytest.raises(TextclfError, match=r"val_loss is (nan|inf) in epoch 1: training diverged"):
        fit(store, learning_rate=1e38, batch_size=len(DATA.train.labels))
    assert store.written == []


def row(epoch, val_loss, val_accuracy):
    return EpochRow(epoch, 1.0, 0.5, val_loss, val_accuracy, 0.001, 2.0)


def test_history_finds_the_first_best_epoch():
    rows = [row(1, 0.5, 0.6), row(2, 0.4, 0.7), row(3, 0.4, 0.8), row(4, 0.6, 0.8)]
    assert History("val_loss", rows).best_epoch == 2
    assert History("val_accuracy", rows).best_epoch == 3
    assert History("val_loss", rows).train_seconds == 8
    assert History("val_loss", rows).is_over(2)
    assert not History("val_loss", rows).is_over(3)
    assert not History("val_loss", rows).is_over(None)
