"""Training a network, and resuming from a checkpoint."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from textclf.config.schema import TrainingConfig
from textclf.errors import RequestError, TextclfError
from textclf.runtime import backend
from textclf.training.batches import Examples, TrainingData
from textclf.training.loop import train

pytestmark = pytest.mark.usefixtures("tensorflow")

NAMES = ("a", "b", "c")


class MemoryStore:
    """Keeps every checkpoint in memory; training resumes from ``first``."""

    def __init__(self, first=None):
        self.first = first
        self.written = []

    def read_checkpoint(self):
        return self.first

    def write_checkpoint(self, checkpoint):
        values = [np.asarray(variable).copy() for variable in checkpoint.variables]
        self.written.append(replace(checkpoint, variables=values))


def make_examples(n=50, seed=1):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    inputs = np.eye(3, dtype=np.float32)[labels] + rng.normal(0, 0.8, (n, 3)).astype(np.float32)
    return Examples(inputs, labels)


DATA = TrainingData(make_examples(), make_examples(20, seed=2), NAMES)


def make_network():
    backend.set_seed(7)
    inputs = keras.Input((3,))
    x = keras.layers.Dropout(0.3)(keras.layers.Dense(5, activation="relu")(inputs))
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))


def fit(store=None, data=DATA, network=None, n_epochs=None, **options):
    """Train a network; return its history and its weights."""
    network = network or make_network()
    config = TrainingConfig(**{"epochs": 4, "batch_size": 8, "learning_rate": 0.05} | options)
    store = store or MemoryStore()
    history = train(network, data, config, seed=3, store=store, n_epochs=n_epochs)
    return history, [weight.numpy() for weight in network.weights]


def same(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def without_seconds(history):
    return [{**vars(row), "seconds": 0} for row in history.rows]


def test_training_reduces_the_loss_and_changes_every_weight():
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


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"restore_best_weights": True},
        {"schedule": "cosine"},
        {"optimizer": "adamw", "weight_decay": 0.1, "warmup": 0.5, "schedule": "linear"},
        {"gradient_accumulation_steps": 4},  # An epoch of 7 batches ends within an update.
    ],
)
@pytest.mark.parametrize("done", [2, 4])
def test_resumed_training_gives_the_same_weights(options, done):
    store = MemoryStore()
    history, weights = fit(store, **options)
    resumed, again = fit(MemoryStore(store.written[done - 1]), **options)
    assert same(weights, again)
    assert without_seconds(resumed) == without_seconds(history)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "fused-adam", "adamw"])
def test_accumulated_batches_are_one_batch(optimizer):
    data = replace(DATA, train=make_examples(48))
    options = {"data": data, "optimizer": optimizer, "weight_decay": 0.1 * (optimizer == "adamw")}

    def make():  # Dropout would differ between the batches.
        backend.set_seed(7)
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, activation="softmax")])

    _, small = fit(network=make(), batch_size=8, gradient_accumulation_steps=3, **options)
    _, large = fit(network=make(), batch_size=24, **options)
    _, other = fit(network=make(), batch_size=8, **options)
    for found, expected, without in zip(small, large, other, strict=True):
        assert found == pytest.approx(expected, abs=1e-5)
        assert abs(without - expected).max() > 1e-3


def test_an_update_continues_in_the_next_epoch_and_is_left_out_after_the_last():
    data, store = replace(DATA, train=make_examples(24)), MemoryStore()
    fit(store, data=data, epochs=3, gradient_accumulation_steps=5)  # An epoch has 3 batches.
    first, second, third = (checkpoint.variables[0] for checkpoint in store.written)
    assert np.array_equal(first, make_network().get_weights()[0])
    assert (second != first).any()
    assert (third == second).all()


def test_more_accumulated_batches_than_there_are_are_refused():
    problem = "^training.gradient_accumulation_steps 29 is more than the 28 batches of 4 epochs, so"
    with pytest.raises(RequestError, match=problem) as info:
        fit(gradient_accumulation_steps=29)
    assert "\n" not in str(info.value)
    fit(gradient_accumulation_steps=28)


@pytest.mark.slow
def test_biases_and_normalizations_do_not_decay():
    def make():
        backend.set_seed(7)
        layers = [
            keras.layers.Reshape((3, 1)),
            keras.layers.GRU(4, return_sequences=True),  # Its bias is a matrix.
            keras.layers.LayerNormalization(gamma_initializer="random_normal"),
            keras.layers.Conv1D(2, 2, bias_initializer="ones"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax", bias_initializer="ones"),
        ]
        return keras.Sequential([keras.Input((3,)), *layers])

    networks = [make(), make()]
    options = {"optimizer": "adamw", "epochs": 1, "batch_size": 50, "learning_rate": 1e-6}
    for network, weight_decay in zip(networks, (0.0, 1.0), strict=True):
        fit(network=network, weight_decay=weight_decay, **options)
    for without, decayed in zip(*(n.trainable_weights for n in networks), strict=True):
        if decayed.name in {"kernel", "recurrent_kernel"}:
            assert (without.numpy() != decayed.numpy()).any(), decayed.path
        else:
            assert decayed.name in {"bias", "beta", "gamma"}
            assert np.array_equal(without.numpy(), decayed.numpy()), decayed.path


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_training_without_validation_is_the_start_of_training_with_it(schedule):
    """The learning-rate schedule is that of all epochs."""
    store = MemoryStore()
    full, _ = fit(store, schedule=schedule)
    data = replace(DATA, validation=None)
    short, weights = fit(data=data, n_epochs=3, schedule=schedule)
    assert [row.loss for row in short.rows] == [row.loss for row in full.rows[:3]]
    assert [row.learning_rate for row in short.rows] == [r.learning_rate for r in full.rows[:3]]
    assert all(np.isnan(row.val_loss) and np.isnan(row.val_accuracy) for row in short.rows)
    floats = [values for values in store.written[2].variables if values.dtype == np.float32]
    assert same(weights, floats[: len(weights)])


def test_a_checkpoint_that_does_not_fit_the_network_is_refused():
    store = MemoryStore()
    fit(store, epochs=1)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, activation="softmax")])
    with pytest.raises(TextclfError, match=r"^the checkpoint does not fit the model.* use --force"):
        fit(MemoryStore(store.written[0]), network=other)


def test_patience_stops_training_and_the_weights_of_the_best_epoch_are_restored():
    # With this learning rate, later epochs are worse than early ones.
    options = {"epochs": 30, "learning_rate": 0.5, "patience": 3}
    history, weights = fit(restore_best_weights=True, **options)
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
def test_learning_rate_follows_its_schedule(schedule, expected):
    history, _ = fit(schedule=schedule, learning_rate=0.1)
    assert [row.learning_rate for row in history.rows] == pytest.approx(expected, abs=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schedule", "warmup", "expected"),
    [
        ("constant", 0.5, [0.1 * 8 / 14, 0.1, 0.1, 0.1]),
        ("linear", 0.5, [0.1 * 8 / 14, 0.1, 0.05, 0]),
        ("cosine", 0.25, [0.1] + [0.1 * (1 + np.cos(np.pi * i / 3)) / 2 for i in (1, 2, 3)]),
        ("exponential", 0.25, [0.1] + [0.1 * 0.01 ** (i / 3) for i in (1, 2, 3)]),
        ("linear", 0.99, [0.1 * 8 / 28, 0.1 * 15 / 28, 0.1 * 22 / 28, 0.1]),
    ],
)
@pytest.mark.parametrize("accumulated", [1, 2])
def test_schedule_begins_after_the_warm_up(schedule, warmup, expected, accumulated):
    """An epoch has 7 steps; the rate of a row is that of the next step."""
    options = {"learning_rate": 0.1, "gradient_accumulation_steps": accumulated}
    history, _ = fit(schedule=schedule, warmup=warmup, **options)
    assert [row.learning_rate for row in history.rows] == pytest.approx(expected, abs=1e-7)


@pytest.mark.slow
def test_class_weights_shift_predictions():
    imbalanced = Examples(DATA.train.inputs * 0, np.array([0] * 45 + [1] * 5))
    data = TrainingData(imbalanced, imbalanced, NAMES)

    def predict_rare_label(**options):
        network = make_network()
        fit(data=data, network=network, epochs=40, **options)
        return network.predict(imbalanced.inputs[:1], verbose=0)[0, 1]

    assert predict_rare_label() == pytest.approx(0.1, abs=0.06)
    assert predict_rare_label(class_weight="balanced") == pytest.approx(0.5, abs=0.15)
    assert predict_rare_label(class_weight={"b": 9}) == pytest.approx(0.5, abs=0.15)


@pytest.mark.slow
def test_label_smoothing_limits_the_confidence():
    def measure_confidence(**options):
        network = make_network()
        fit(network=network, epochs=60, **options)
        return network.predict(DATA.train.inputs, verbose=0).max()

    assert measure_confidence() > 0.97
    # A target of 1, smoothed by 0.3 over three labels, is 0.8.
    assert measure_confidence(label_smoothing=0.3) < 0.93


def test_a_loss_that_is_not_finite_stops_training_with_advice():
    store = MemoryStore()
    problem = r"loss is (nan|inf) in step 2 of epoch 1: .* lower --set training\.learning_rate"
    with pytest.raises(TextclfError, match=problem):
        fit(store, learning_rate=1e38)
    assert store.written == []


def test_a_validation_loss_that_is_not_finite_leaves_no_checkpoint():
    store = MemoryStore()
    # The only step of the epoch starts with finite weights and ends with infinite ones.
    with pytest.raises(TextclfError, match=r"val_loss is (nan|inf) in epoch 1: training diverged"):
        fit(store, learning_rate=1e38, batch_size=len(DATA.train.labels))
    assert store.written == []
