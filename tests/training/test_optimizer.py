"""FusedAdam and LazyAdam, step by step against Keras's Adam."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from textclf.training.optimizer import FusedAdam, LazyAdam, WarmUp

pytestmark = pytest.mark.usefixtures("tensorflow")

SCHEDULES = {
    "constant": lambda: 0.01,
    "cosine": lambda: keras.optimizers.schedules.CosineDecay(0.01, 40),
    "warm-up": lambda: WarmUp(0.01, 20, keras.optimizers.schedules.CosineDecay(0.01, 20)),
}
ROWS = {"distinct": [1, 2, 3, 7, 9, 4], "repeated": [1, 2, 2, 7, 9, 1], "none": []}
"""Rows of the embedding that have a gradient."""


def make_weights():
    """Return a dense weight <float32>[5, 4] and an embedding <float32>[12, 3]."""
    random = np.random.default_rng(0)
    return [
        keras.Variable(random.normal(size=shape), dtype="float32") for shape in ((5, 4), (12, 3))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("weight_decay", [None, 0.5])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_steps_equal_those_of_keras(schedule, rows, weight_decay):
    pairs = []
    expected_kind = keras.optimizers.AdamW if weight_decay else keras.optimizers.Adam
    for kind in (expected_kind, FusedAdam):
        optimizer = kind(SCHEDULES[schedule](), weight_decay=weight_decay)
        weights = make_weights()
        optimizer.build(weights)
        pairs.append((optimizer, weights))
    random = np.random.default_rng(1)
    for _ in range(40):
        dense = tf.constant(random.normal(size=(5, 4)), tf.float32)
        values = tf.constant(random.normal(size=(len(ROWS[rows]), 3)), tf.float32)
        indices = tf.constant(ROWS[rows], tf.int32)
        shape = tf.constant([12, 3], tf.int32)
        for optimizer, weights in pairs:
            optimizer.apply([dense, tf.IndexedSlices(values, indices, shape)], weights)
        (expected, expected_weights), (found, found_weights) = pairs
        for one, other in zip(
            [*expected.variables, *expected_weights],
            [*found.variables, *found_weights],
            strict=True,
        ):
            assert other.numpy() == pytest.approx(one.numpy(), rel=1e-5, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["constant", "warm-up"])
def test_a_saved_model_continues_with_the_same_steps(schedule, tmp_path):
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    rate = WarmUp(0.1, 3, 0.1) if schedule == "constant" else SCHEDULES[schedule]()
    network.compile(FusedAdam(rate, weight_decay=0.1), "mse")
    x, y = np.ones((4, 3), np.float32), np.zeros((4, 2), np.float32)
    network.fit(x, y, epochs=25, verbose=0)  # Beyond the warm-up.
    network.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.optimizer, FusedAdam)
    for model in (network, loaded):
        model.fit(x, y, epochs=2, verbose=0)
    assert np.array_equal(network.get_weights()[0], loaded.get_weights()[0])


@pytest.mark.parametrize("options", [{"amsgrad": True}, {"beta_1": 0.0}, {"beta_2": 0.0}])
def test_settings_that_the_kernel_does_not_support_are_refused(options):
    for kind in (FusedAdam, LazyAdam):
        with pytest.raises(ValueError, match=f"{kind.__name__} has no AMSGrad and no beta of 0"):
            kind(**options)


def test_lazy_adam_updates_the_rows_of_a_batch_like_adam_on_these_rows_alone():
    whole, part = make_weights()[1], make_weights()[1]
    alone = keras.Variable(part.numpy()[[2, 7]], dtype="float32")
    lazy, adam = LazyAdam(0.1), keras.optimizers.Adam(0.1)
    lazy.build([whole])
    adam.build([alone])
    before, random = whole.numpy(), np.random.default_rng(1)
    for _ in range(5):
        values = random.normal(size=(3, 3)).astype(np.float32)
        # Row 7 occurs twice, and its gradients are added.
        lazy.apply([tf.IndexedSlices(values, [7, 7, 2], [12, 3])], [whole])
        adam.apply([tf.constant([values[2], values[0] + values[1]])], [alone])
    assert whole.numpy()[[2, 7]] == pytest.approx(alone.numpy(), abs=1e-5)
    others = np.delete(np.arange(12), [2, 7])
    assert np.array_equal(whole.numpy()[others], before[others])


def test_lazy_adam_updates_a_dense_weight_like_adam():
    weights, others = make_weights()[:1], make_weights()[:1]
    lazy, adam = LazyAdam(0.1), keras.optimizers.Adam(0.1)
    lazy.build(weights)
    adam.build(others)
    gradient = tf.constant(np.random.default_rng(1).normal(size=(5, 4)), tf.float32)
    for _ in range(5):
        lazy.apply([gradient], weights)
        adam.apply([gradient], others)
    assert weights[0].numpy() == pytest.approx(others[0].numpy(), abs=1e-5)
